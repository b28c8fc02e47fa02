"""Where this process may make cgroups: v2 if it is ours to divide, v1, or nowhere.

In v2 a group that hands controllers down may hold no process itself, so whatever runs in ours moves one level down, to
`postmill`. That is done only where the group was delegated, or is the root of a container.
"""

import contextlib
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

CONTROLLERS = ("memory", "pids", "cpu")
_LEAF = "postmill"
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Place:
    """Where this process may make cgroups."""

    version: Literal[1, 2]
    directories: Mapping[str, Path]
    """Controller → the group below which ours are made; in v2 all the same."""

    @property
    def words(self) -> str:
        """What limits jobs here: 'cgroup v1 (memory, pids, cpu)'."""
        return f"cgroup v{self.version} ({', '.join(name for name in CONTROLLERS if name in self.directories)})"


@dataclass(frozen=True, slots=True)
class Nowhere:
    """This process may make none."""

    why: str

    @property
    def words(self) -> str:
        return f"rlimits, memory by polling ({self.why})"


def find(process: Path = Path("/proc/self")) -> Place | Nowhere:
    """Look where this process may make cgroups; changes nothing. `process` is its directory in /proc."""
    try:
        groups, mounts = _groups((process / "cgroup").read_text()), _mounts((process / "mountinfo").read_text())
    except OSError as error:
        return Nowhere(f"no cgroups: {error.strerror}")
    two = _version_two(groups, mounts)
    if isinstance(two, Place):
        return two
    found = {}
    for name in CONTROLLERS:
        if name in groups and name in mounts and _writable(directory := _directory(groups[name], *mounts[name])):
            found[name] = directory
    if found:
        return Place(1, found)
    return two if "" in mounts or not mounts else Nowhere("its cgroups (v1) are not writable")


def _groups(text: str) -> dict[str, str]:
    """/proc/self/cgroup: controller → this process's group; that of v2 under ""."""
    found = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            found[name] = path
    return found


def _mounts(text: str) -> dict[str, tuple[Path, str]]:
    """/proc/self/mountinfo: controller → mount point, and which group is mounted there; that of v2 under ""."""
    found = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            found[""] = (Path(point), root)
        elif kind == "cgroup":
            for name in options.split(","):
                if name in CONTROLLERS:
                    found[name] = (Path(point), root)
    return found


def _directory(group: str, point: Path, root: str) -> Path:
    """Where a group is seen."""
    inside = group.removeprefix(root) if group == root or group.startswith(root.rstrip("/") + "/") else group
    return point / inside.lstrip("/")


def _writable(directory: Path) -> bool:
    return os.access(directory, os.W_OK) and os.access(directory / "cgroup.procs", os.W_OK)


def _version_two(groups: Mapping[str, str], mounts: Mapping[str, tuple[Path, str]]) -> Place | Nowhere:
    if "" not in groups or "" not in mounts:
        return Nowhere("no cgroups v2 are mounted")
    own = _directory(groups[""], *mounts[""])
    if own.name == _LEAF:
        # Another worker beside us has made room already.
        own = own.parent
    try:
        there = (own / "cgroup.controllers").read_text().split()
    except OSError:
        return Nowhere("its cgroup cannot be seen")
    found = {name: own for name in CONTROLLERS if name in there}
    if not found:
        return Nowhere("no controllers are handed down to its cgroup")
    if not _writable(own):
        return Nowhere("its cgroup is not writable: it was not delegated")
    if not _ours(own, mounts[""][0]):
        return Nowhere("its cgroup was not delegated (systemd: Delegate=yes)")
    return Place(2, found)


def _ours(own: Path, point: Path) -> bool:
    """Whether we may divide this group: all that is in it moves a level down."""
    if own == point or own.stat().st_uid == os.geteuid() != 0:
        return True
    for name in ("trusted.delegate", "user.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(own, name) == b"1":
                return True
    return False


def make_room(place: Place) -> Place:
    """Let the group hand its controllers down; returns those that it does.

    Raises:
        OSError: it hands down none.
    """
    own = next(iter(place.directories.values()))
    # Only the machine's own root, which has no type, may hold processes as well.
    if (own / "cgroup.type").exists():
        (own / _LEAF).mkdir(exist_ok=True)
        for _ in range(_ROUNDS):
            pids = (own / "cgroup.procs").read_text().split()
            if not pids:
                break
            for pid in pids:
                # It may have ended; and what cannot be moved shows in what follows.
                with contextlib.suppress(OSError):
                    write(own / _LEAF / "cgroup.procs", pid)
    given, problem = {}, OSError(errno.ENOENT, "no controllers")
    for controller in place.directories:
        try:
            write(own / "cgroup.subtree_control", f"+{controller}")
            given[controller] = own
        except OSError as error:
            problem = error
    if not given:
        raise problem
    return Place(2, given)


def write(path: Path, text: str) -> None:
    """Write to a file of the kernel's, which is never made here. Raises OSError."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
