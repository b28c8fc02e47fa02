"""Which sandbox this machine gives, found by trying it."""

import contextlib
import os
import subprocess
from dataclasses import dataclass

from postmill.model.errors import SandboxError
from postmill.sandbox.command import Command, Limits
from postmill.sandbox.host import Host, survey
from postmill.sandbox.jail import STARTED, plan, slot_uid
from postmill.sandbox.process import explain
from postmill.sandbox.spawn import spawn

_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Level:
    """What jobs are held by here. L3: namespaces, an own root directory, limits, no privileges."""

    name: str
    """'L3', or '' when no job can be run."""
    how: str
    """'root' or 'user namespaces'."""
    detail: str
    ok: bool


def probe(host: Host | None = None) -> Level:
    """Start `true` in a jail, once, and wait for it (about 15 ms). Never raises; call it from the main thread."""
    how = "root" if os.geteuid() == 0 else "user namespaces"
    try:
        detail = _try(host or survey())
    except SandboxError as error:
        return Level("", how, error.message, ok=False)
    return Level("L3", how, detail, ok=True)


def _try(host: Host) -> str:
    uid = slot_uid(host, 0, os.getpid())
    spawned = spawn(plan(Command(argv=("/bin/true",)), Limits(), host, uid), host, split_output=False)
    try:
        code = spawned.popen.wait(_PATIENCE_S)
        reply, said = _rest(spawned.reply), _rest(spawned.outputs[0])
    except subprocess.TimeoutExpired:
        spawned.popen.kill()
        spawned.popen.wait()
        raise SandboxError(f"a sandbox that should take milliseconds was not ready after {_PATIENCE_S:g} s") from None
    finally:
        spawned.close()
    if code != 0 or reply != STARTED:
        raise SandboxError(explain(said.decode("utf-8", "replace").strip(), host))
    user = f"jobs run as uid {uid}" if host.root else "jobs run as this user, in a user namespace"
    return f"bubblewrap with own pid, mount, ipc and uts namespaces; {user}"


def _rest(fd: int) -> bytes:
    with contextlib.suppress(BlockingIOError):
        return os.read(fd, 4096)
    return b""
