"""Which sandbox this machine gives, found by trying it: the strongest level that works.

| level | is there where | what holds a job |
| --- | --- | --- |
| L3 | user namespaces can be made, or we are root with CAP_SYS_ADMIN | namespaces, an own root directory, seccomp |
| L2 | we are root, without namespaces | a uid of its slot, Landlock, seccomp, rlimits |
| L1 | we are not, without namespaces | Landlock, seccomp, rlimits |
| L0 | there is no Landlock either | rlimits alone: for trusted scripts only |
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from postmill.model.errors import SandboxError
from postmill.sandbox import landlock
from postmill.sandbox.command import Command, Limits
from postmill.sandbox.host import Host, survey
from postmill.sandbox.servers import Sandbox

_PATIENCE_S = 20.0


_NO_NAMESPACES = frozenset({"pid_namespace", "mount_namespace", "ipc_namespace", "user_namespace", "network", "tmpfs"})
WITHOUT: dict[str, frozenset[str]] = {
    "L3": frozenset(),
    "L2": _NO_NAMESPACES,
    "L1": _NO_NAMESPACES | {"uid"},
    "L0": _NO_NAMESPACES | {"uid", "landlock", "seccomp"},
}
"""Level → the mechanisms that are not there."""


@dataclass(frozen=True, slots=True)
class Level:
    """What jobs are held by here."""

    name: str
    """'L3' to 'L0'; '' when no job can be run."""
    how: str
    """'root' or 'user'."""
    detail: str
    ok: bool


def probe(host: Host | None = None) -> Level:
    """Try the levels from the strongest on, with one job each (about 80 ms for L3). Never raises."""
    # In a thread, so that it can be called inside an event loop and outside of one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(_probe(host))).result()


async def _probe(host: Host | None) -> Level:
    how = "root" if os.geteuid() == 0 else "user"
    problems = []
    for name, without in WITHOUT.items():
        # Root's own uid is no sandbox, and another uid is root's to give.
        if (how == "root") != ("uid" not in without) and name != "L3":
            continue
        try:
            await _try(host or survey(), without)
        except (SandboxError, OSError) as error:
            # The rest is in the log.
            problems.append(f"{name}: {str(error).strip().splitlines()[-1]}")
            continue
        return Level(name, how, "; ".join([_WORDS[name], *problems]), ok=True)
    return Level("", how, "; ".join(problems), ok=False)


_WORDS = {
    "L3": "each job in namespaces and a root directory of its own, under seccomp",
    "L2": "no namespaces: each slot's jobs as a uid of its own, under Landlock and seccomp",
    "L1": "no namespaces and no other uid: jobs are held by Landlock, seccomp and rlimits",
    "L0": "jobs are held by rlimits alone: run only scripts that you trust",
}


async def _try(host: Host, without: frozenset[str]) -> None:
    if "landlock" not in without and landlock.abi() == 0 and "mount_namespace" in without:
        raise SandboxError("this kernel has no Landlock")
    sandbox = Sandbox(1, host=host, without=without)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            process = await sandbox.start(Command(argv=("/bin/true",)), Limits(), 0, lambda _: None)
            ended = await process.wait()
    except TimeoutError:
        raise SandboxError(f"a sandbox that should take milliseconds was not ready after {_PATIENCE_S:g} s") from None
    finally:
        await sandbox.close()
    if ended.reason != "exited" or ended.exit_code != 0:
        raise SandboxError(ended.tail.decode("utf-8", "replace").strip() or f"/bin/true ended with {ended.exit_code}")
