"""**Pure**: a command, its limits and this machine → what bubblewrap is told.

Invariants of every jail:

- User code is never uid 0 of the machine. As root, bubblewrap works without a user namespace (so that it can bind
  an interpreter below a 0700 home) and `setpriv` becomes the slot's uid before anything of the user's is read. An
  ordinary user's jail is a user namespace in which no further one can be made.
- No directory of the machine is writable in it, and none is made for it: /job and /tmp are tmpfs and end with it.
- Nothing secret is on a command line or in the environment of bubblewrap, which others can read in /proc: options
  go through a descriptor, the job's environment through a file in the jail.
- The job's environment is set only after privileges are gone: LD_PRELOAD and its like would otherwise run as root.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from postmill.model.errors import BadRequest
from postmill.sandbox.command import Command, Limits
from postmill.sandbox.host import UIDS, Host

JOB = "/job"
STARTED = b"S"
"""The first byte on the reply descriptor, written by the jail itself: all before the user's command went well."""

_ENV = "/run/postmill/env"
_NAMESPACE_UID = 1000
_NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
_SHM_AT_MOST = 256 * 1024**2
_DEFAULT_ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": JOB,
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",
}
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SHELL_OWNS = frozenset({"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"})
# The reply pipe comes as stdin: a shell's redirection takes descriptors of one digit only, and 0 is always one.
# A job is the first that the kernel takes when the machine is out of memory, before the worker.
_LAUNCH = (
    "(echo 500 >/proc/self/oom_score_adj) 2>/dev/null; "
    '. {env} && unset OLDPWD SHLVL && printf {started} >&0 && exec "$@" {reply}>&0 </dev/null'
)


@dataclass(frozen=True, slots=True)
class Blob:
    """Content that is handed over as a descriptor; its number takes this place in the options."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """How to start a jail: bubblewrap with `options` read from a descriptor, then `argv`."""

    options: tuple[str | Blob, ...]
    argv: tuple[str, ...]
    uid: int
    """Of the user code, as the machine sees it; in a user namespace, as the jail sees it."""


def slot_uid(host: Host, slot: int, worker: int) -> int:
    """A slot's own uid, so that its limit of processes counts its own only. `worker` is any number of the worker's."""
    if host.first_uid is None:
        return _NAMESPACE_UID
    return host.first_uid + (worker * 64 + slot) % UIDS


def plan(command: Command, limits: Limits, host: Host, uid: int) -> Plan:
    """The jail for one command.

    Raises:
        BadRequest: an environment variable or a file path that cannot be.
    """
    return Plan(tuple(_options(command, limits, host, uid)), tuple(_argv(command, limits, host, uid)), uid)


def _options(command: Command, limits: Limits, host: Host, uid: int) -> Iterator[str | Blob]:
    yield from _NAMESPACES
    yield from ("--die-with-parent", "--new-session", "--clearenv", "--hostname", "job")
    if host.root:
        yield from ("--cap-drop", "ALL")
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
            yield from ("--cap-add", capability)
    else:
        yield from ("--unshare-user", "--uid", str(uid), "--gid", str(uid), "--disable-userns")
    yield from _system(host, uid)
    yield from ("--proc", "/proc", "--dev", "/dev")
    yield from _tmpfs("/dev/shm", min(limits.disk, _SHM_AT_MOST), "1777")
    yield from ("--remount-ro", "/dev")
    yield from _tmpfs("/tmp", limits.disk, "1777")
    yield from _tmpfs(JOB, limits.disk, "0777")
    yield from _files(command.files)
    for path in command.read_only:
        if not any(PurePosixPath(path).is_relative_to(known) for known in host.directories):
            yield from _parents(path)
            yield from ("--ro-bind", path, path)
    yield from _file(_ENV, environment(command.env))
    # Else a user namespace's user, who owns them, could fill the root directory without a limit.
    yield from ("--remount-ro", "/", "--chdir", JOB)


def _system(host: Host, uid: int) -> Iterator[str | Blob]:
    for path in host.directories:
        yield from ("--ro-bind", path, path)
    for path, target in host.links:
        yield from ("--symlink", target, path)
    for path in host.etc:
        yield from _parents(path)
        yield from ("--ro-bind-try", path, path)
    yield from _file("/etc/passwd", f"job:x:{uid}:{uid}:job:{JOB}:/bin/sh\n".encode())
    yield from _file("/etc/group", f"job:x:{uid}:\n".encode())


def _tmpfs(path: str, size: int, mode: str) -> Iterator[str]:
    yield from ("--perms", mode, "--size", str(size), "--tmpfs", path)


def _files(files: Mapping[str, bytes]) -> Iterator[str | Blob]:
    for name, content in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
            raise BadRequest(f"{name!r} is not a path below the job's directory")
        yield from _file(f"{JOB}/{path}", content)


def _file(path: str, content: bytes) -> Iterator[str | Blob]:
    yield from _parents(path)
    yield from ("--perms", "0444" if not path.startswith(JOB) else "0644", "--file", Blob(content), path)


def _parents(path: str) -> Iterator[str]:
    # bubblewrap would make them 0700, and root's: closed to the slot's uid.
    for parent in reversed(PurePosixPath(path).parents):
        if str(parent) not in ("/", JOB):
            yield from ("--perms", "0755", "--dir", str(parent))


def _argv(command: Command, limits: Limits, host: Host, uid: int) -> Iterator[str]:
    if host.root:
        yield from (host.setpriv, f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs")
        yield from ("--inh-caps=-all", "--bounding-set=-all", "--")
    # Inside: a limit of processes set outside would count the ordinary user's other processes.
    yield from (host.prlimit, f"--nproc={limits.pids}", f"--nofile={limits.files}", "--core=0")
    yield from (f"--fsize={limits.disk}", f"--as={limits.memory}", "--")
    if not 3 <= command.reply_fd <= 9:
        raise BadRequest(f"reply_fd {command.reply_fd} is not between 3 and 9")
    launch = _LAUNCH.format(env=_ENV, started=STARTED.decode(), reply=command.reply_fd)
    yield from ("/bin/sh", "-c", launch, "sh", *command.argv)


def environment(env: Mapping[str, str]) -> bytes:
    """A job's whole environment as a shell reads it.

    Raises:
        BadRequest: a name or a value that no environment can hold.
    """
    lines = []
    for name, value in {**_DEFAULT_ENV, **env}.items():
        if not _ENV_NAME.fullmatch(name) or name in _SHELL_OWNS:
            raise BadRequest(f"{name!r} cannot be the name of an environment variable")
        if "\0" in value:
            raise BadRequest(f"the environment variable {name} contains a NUL character")
        quoted = value.replace("'", "'\\''")
        lines.append(f"export {name}='{quoted}'\n")
    return "".join(lines).encode("utf-8", "replace")
