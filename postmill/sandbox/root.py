"""Builds the root directory that a fork-server and its jobs see: the system read-only, and nothing else of the machine.

Runs inside the jail that is being made: standard library only.
"""

import os
from collections.abc import Iterable, Sequence

from postmill.sandbox.syscalls import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    mount,
    pivot_root,
    set_mount_flags,
    umount,
)

JOB = "/job"
SHARED = "/shared"
SLOTS = "/run/slots"
"""Below it a mount point for each slot, whose mounts reach the slot's sealed spare at /shared."""
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
COVERED = "/run/covered"
"""Below it, by number, directories that a job's own /tmp or /job covers."""
_NEW = "/tmp"
"""Where the new root grows: a directory that every system has."""
_READ_ONLY = MS_RDONLY | MS_NOSUID | MS_NODEV
_PLAIN = MS_NOSUID | MS_NODEV | MS_NOEXEC


def build(directories: Sequence[str], links: Iterable[tuple[str, str]], etc: Iterable[str], slots: int) -> None:
    """Mount it and make it the root directory of this mount namespace. /proc is that of the caller's pid namespace."""
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    # From the new root on, sources below /tmp would be covered.
    held = {path: os.open(path, os.O_PATH) for path in [*directories, *etc] if os.path.exists(path)}
    proc = "/proc/self/fd"
    devices = {name: os.open(f"/dev/{name}", os.O_PATH) for name in _DEVICES if os.path.exists(f"/dev/{name}")}
    mount("tmpfs", _NEW, "tmpfs", MS_NOSUID | MS_NODEV, "size=4m,mode=0755")
    for path, fd in held.items():
        _bind(f"{proc}/{fd}", _NEW + path)
    for number, path in enumerate(covered(directories)):
        _bind(f"{proc}/{held[path]}", f"{_NEW}{COVERED}/{number}")
    for path, target in links:
        os.symlink(target, _NEW + path)
    _identity()
    _devices({name: f"{proc}/{fd}" for name, fd in devices.items()})
    for name in ("proc", "tmp", "run/slots", JOB[1:], SHARED[1:], "old"):
        os.makedirs(f"{_NEW}/{name}", exist_ok=True)
    mount("tmpfs", _NEW + SLOTS, "tmpfs", MS_NOSUID | MS_NODEV, "size=64k,mode=0755")
    for slot in range(slots):
        os.mkdir(f"{_NEW}{SLOTS}/{slot}")
    mount_proc(_NEW)
    for fd in (*held.values(), *devices.values()):
        os.close(fd)
    os.chdir(_NEW)
    pivot_root(".", "old")
    os.chdir("/")
    umount("/old")
    os.rmdir("/old")
    mount(None, "/", None, MS_BIND | MS_REMOUNT | _READ_ONLY)


def covered(directories: Iterable[str]) -> list[str]:
    """Those that a job would not see for its own directories: an installation below /tmp."""
    return [path for path in directories if path.startswith(("/tmp/", f"{JOB}/"))]


def mount_proc(root: str = "") -> None:
    """/proc of the caller's pid namespace."""
    mount("proc", f"{root}/proc", "proc", _PLAIN)


def _bind(source: str, target: str) -> None:
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    if os.path.isdir(source):
        os.makedirs(target, mode=0o755, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    mount(source, target, None, MS_BIND | MS_REC)
    set_mount_flags(target, _READ_ONLY)


def _identity() -> None:
    os.makedirs(f"{_NEW}/etc", exist_ok=True)
    for name, line in (("passwd", f"job:x:1000:1000:job:{JOB}:/bin/sh\n"), ("group", "job:x:1000:\n")):
        with open(f"{_NEW}/etc/{name}", "w") as file:
            file.write(line)


def _devices(sources: dict[str, str]) -> None:
    os.mkdir(f"{_NEW}/dev", 0o755)
    for name, source in sources.items():
        os.close(os.open(f"{_NEW}/dev/{name}", os.O_CREAT | os.O_WRONLY, 0o666))
        mount(source, f"{_NEW}/dev/{name}", None, MS_BIND)
    for name, target in _DEVICE_LINKS.items():
        os.symlink(target, f"{_NEW}/dev/{name}")
    for name in ("shm", "pts"):
        os.mkdir(f"{_NEW}/dev/{name}")
