"""The directory of environments: each made once by whoever comes first, whole or not there, the least used out.

    <home>/cache/python/
        environments/<key>/site-<chance>/    the packages, read-only. The name is another each time it is made, so that
                                    whoever has seen an earlier one, now gone, cannot take it for this one
        environments/<key>/about.json, used      what it is; the time of its last use
        staging/<key>.<chance>/     under way; renamed into place when it is whole
        locks/<key>                 flock: shared by whoever uses it, exclusive for whoever makes or removes it
        resolved/<name>.lock        answers of the resolver, for code that is not deployed
        uv/                         uv's own cache, with whose files environments share inodes

Architecture Invariant: an environment is written and removed only under the exclusive lock of its key, and appears by
one rename. A lock goes when its last holder's process does, so that nothing has to be repaired after a kill.
"""

import asyncio
import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

_PAUSE_S = 0.02
_PAUSE_AT_MOST_S = 0.25
JUST_USED_S = 60.0
"""What was used so recently stays, held or not: somebody may be about to hold it."""
ANSWER_S = 7 * 86400.0
"""An answer of the resolver that is older is removed; it was not taken for long."""
LOW_WATER = 0.8
"""When the cache is over its size, it is brought below this part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What `postmill cache` tells. `size` in bytes, `last_used` in seconds since 1970."""

    key: str
    python: str
    packages: int
    size: int
    last_used: float


class Hold:
    """Keeps an environment from being removed. A context manager, or call `release` once done."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    @property
    def fd(self) -> int:
        """The descriptor of the lock: a process that inherits it holds it too."""
        assert self._fd is not None
        return self._fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


Make = Callable[[Path, int], Awaitable[tuple[str, int]]]
"""(an empty directory to fill, the lock's descriptor for children to inherit) → (Python's version, packages)."""


class Cache:
    """Of one machine: any number of processes use one directory. `size` in bytes."""

    def __init__(self, home: Path, size: int) -> None:
        self.root = home / "cache" / "python"
        self._size = size
        self.environments = self.root / "environments"
        self._staging = self.root / "staging"
        self._locks = self.root / "locks"
        self.uv = self.root / "uv"
        self.resolved = self.root / "resolved"

    def prepare(self) -> None:
        """Make the directories. A home that only its owner can enter may hold them: jails are given them by root."""
        for directory in (self.environments, self._staging, self._locks, self.uv, self.resolved):
            directory.mkdir(parents=True, exist_ok=True)

    def site(self, key: str) -> Path:
        """The packages of an environment that the caller holds."""
        [found] = (self.environments / key).glob("site-*")
        return found

    def hold(self, key: str) -> Hold | None:
        """Use an environment; None when it is not there. Never waits for an install."""
        held = self._lock(key, fcntl.LOCK_SH)
        if held is None:
            return None
        if not (self.environments / key).is_dir():
            held.release()
            return None
        self._touch(key)
        return held

    async def ready(self, key: str, make: Make) -> Hold:
        """Use an environment, which is made when it is not there: by one of all who ask at once, here and elsewhere.

        Cancelled, it leaves nothing half. What `make` raises is raised to whoever made; the next one tries again.
        """
        pause = _PAUSE_S
        made = False
        while True:
            held = self.hold(key)
            if held is not None:
                return await self._after(held) if made else held
            self.prepare()
            alone = self._lock(key, fcntl.LOCK_EX)
            if alone is not None:
                with alone:
                    if not (self.environments / key).is_dir():
                        await self._make(key, make, alone)
                        made = True
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _PAUSE_AT_MOST_S)

    async def _after(self, held: Hold) -> Hold:
        """Who made the cache larger sees to its size; the others have gone on meanwhile."""
        try:
            await asyncio.to_thread(self.shrink)
        except BaseException:
            held.release()
            raise
        return held

    async def _make(self, key: str, make: Make, alone: Hold) -> None:
        await asyncio.to_thread(self._sweep, key)
        staging = self._staging / f"{key}.{secrets.token_hex(4)}"
        staging.mkdir(mode=0o755)
        site = staging / f"site-{secrets.token_hex(4)}"
        try:
            python, packages = await make(site, alone.fd)
            size = await asyncio.to_thread(_seal, site)
            about = About(key=key, python=python, packages=packages, size=size, last_used=time.time())
            (staging / "about.json").write_text(json.dumps(asdict(about)))
            (staging / "used").touch()
            os.rename(staging, self.environments / key)
        except BaseException:
            # Not awaited: a cancellation must not leave it behind either.
            remove_tree(staging)
            raise

    # Room -----------------------------------------------------------------------------------------------------------

    def shrink(self) -> list[str]:
        """Bring the cache below its size: uv's own part first, then what was not used for longest. Returns the keys.

        Blocks for as long as the disk takes.
        """
        if self.used_bytes() <= self._size:
            return []
        self._clear_uv()
        return self._evict(self._size * LOW_WATER, JUST_USED_S)

    def prune(self, *, everything: bool = False) -> list[str]:
        """What nobody uses: leftovers and uv's own part; with `everything` all environments too. Returns the keys."""
        self.prepare()
        self._sweep(None)
        self._clear_uv()
        if not everything:
            return self._evict(self._size, JUST_USED_S)
        for answer in self.resolved.iterdir():
            answer.unlink(missing_ok=True)
        return self._evict(0, 0.0)

    def about(self) -> list[About]:
        """The environments, the last used first."""
        found = []
        for directory in _children(self.environments):
            with contextlib.suppress(OSError, ValueError, TypeError):
                told = json.loads((directory / "about.json").read_text())
                found.append(About(**told | {"last_used": (directory / "used").stat().st_mtime}))
        return sorted(found, key=lambda each: each.last_used, reverse=True)

    def used_bytes(self) -> int:
        """On the disk, a file that several share counted once."""
        seen: set[tuple[int, int]] = set()
        return sum(_size(self.root / name, seen) for name in ("environments", "staging", "uv", "resolved"))

    def _evict(self, most: float, spare_s: float) -> list[str]:
        gone: list[str] = []
        used = self.used_bytes()
        for each in reversed(self.about()):
            if used <= most:
                break
            if time.time() - each.last_used < spare_s or not self._remove(each.key):
                continue
            gone.append(each.key)
            used = self.used_bytes()
        return gone

    def _remove(self, key: str) -> bool:
        """False: somebody uses it."""
        alone = self._lock(key, fcntl.LOCK_EX)
        if alone is None:
            return False
        with alone:
            grave = self._staging / f"{key}.gone-{secrets.token_hex(4)}"
            with contextlib.suppress(FileNotFoundError):
                os.rename(self.environments / key, grave)
            remove_tree(grave)
            (self._locks / key).unlink(missing_ok=True)
        return True

    def _sweep(self, mine: str | None) -> None:
        """Remove what killed processes left in `staging`, and old answers. `mine` is a key that the caller holds."""
        for answer in _children(self.resolved):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - answer.stat().st_mtime > ANSWER_S:
                    answer.unlink()
        for leftover in _children(self._staging):
            key = leftover.name.partition(".")[0]
            if key == mine:
                remove_tree(leftover)
                continue
            alone = self._lock(key, fcntl.LOCK_EX)
            if alone is not None:
                with alone:
                    remove_tree(leftover)

    def _clear_uv(self) -> None:
        """What environments share with it stays, in them. Nothing happens while uv runs for anybody."""
        alone = self._lock("uv", fcntl.LOCK_EX)
        if alone is not None:
            with alone:
                remove_tree(self.uv)
                self.uv.mkdir()

    async def use_uv(self) -> Hold:
        """Hold uv's cache while uv runs on it."""
        while (held := self._lock("uv", fcntl.LOCK_SH)) is None:
            await asyncio.sleep(_PAUSE_AT_MOST_S)
        return held

    # Locks ----------------------------------------------------------------------------------------------------------

    def _lock(self, key: str, kind: int) -> Hold | None:
        """None when others hold it in a way that does not go with ours."""
        path = self._locks / key
        while True:
            try:
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                return None
            try:
                fcntl.flock(fd, kind | fcntl.LOCK_NB)
                # Its file may have been removed, and made anew, between the two calls.
                if _same_file(fd, path):
                    return Hold(fd)
            except OSError as error:
                os.close(fd)
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    return None
                raise
            os.close(fd)

    def _touch(self, key: str) -> None:
        with contextlib.suppress(OSError):
            os.utime(self.environments / key / "used")


def remove_tree(path: Path) -> None:
    """Remove a tree, also a read-only one; what is not there is fine."""

    for _ in range(3):
        if not path.exists() and not path.is_symlink():
            return
        for directory in _walk(path):
            with contextlib.suppress(OSError):
                os.chmod(directory, 0o755)
        # Somebody else may be at it too, or an orphan still be writing.
        shutil.rmtree(path, ignore_errors=True)


def _walk(path: Path) -> Iterator[str]:
    """Directories, each before what is in it, so that it can be opened first."""
    yield str(path)
    with contextlib.suppress(OSError):
        for entry in os.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))


def _seal(site: Path) -> int:
    """Make a tree read-only, and readable by all; returns its size in bytes."""
    size = 0
    for folder, directories, files in os.walk(site, topdown=False):
        for name in (*files, *directories):
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                continue
            size += os.lstat(path).st_size
            os.chmod(path, 0o555 if stat.S_ISDIR(mode) or mode & 0o100 else 0o444)
    os.chmod(site, 0o555)
    return size


def _children(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except FileNotFoundError:
        return []


def _size(path: Path, seen: set[tuple[int, int]]) -> int:
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                found = os.lstat(os.path.join(folder, name))
            except FileNotFoundError:
                continue
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * 512
    return total


def _same_file(fd: int, path: Path) -> bool:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    ours = os.fstat(fd)
    return (ours.st_dev, ours.st_ino) == (found.st_dev, found.st_ino)
