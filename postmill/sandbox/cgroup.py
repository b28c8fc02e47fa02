"""One cgroup for each slot of a worker, where the machine lets us have them: v2 if it is ours to divide, v1, or none.

A cgroup counts all processes of a job together: memory with what they share counted once, processes, CPU time. Without
one, rlimits hold each process, memory is polled, and jobs only give way to others (`give_way`).
"""

import contextlib
import errno
import logging
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from postmill.sandbox.cgroup_place import Nowhere, Place, find, make_room, write
from postmill.sandbox.command import Limits
from postmill.sandbox.mark import _orphan, own_mark

log = logging.getLogger("postmill.sandbox")

_PERIOD_US = 100_000
_LEAST_QUOTA_US = 1000
_ROUNDS = 50
_PAUSE_S = 0.01
_NICE = 10
_WITH_SWAP = frozenset({"memory.swap.max", "memory.memsw.limit_in_bytes"})
"""Not there on a kernel that does not count swap."""


@dataclass(frozen=True, slots=True)
class Events:
    """What a slot's group counted since `prepare`."""

    oom_kills: int = 0
    pids_hits: int = 0
    memory_peak: int = 0
    """Bytes; 0 when this kernel cannot tell it for one job."""


@dataclass(slots=True)
class _Slot:
    values: dict[str, float | None]
    """Controller → the limit that its files have."""
    oom_kills: int = 0
    pids_hits: int = 0
    peak: int | None = None
    """A descriptor of the file that tells the peak of memory."""
    peak_told: bool = False
    """It could be reset, so that it speaks of one job."""


def give_way(pid: int) -> None:
    """Without a CPU controller: this process and all that it starts run after the worker. Never raises."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)


def open_slots(slots: int, place: Place | Nowhere | None = None, mark: str | None = None) -> "CgroupSlots | None":
    """Sweep what dead workers left, and make a group for each slot; None where there are none. Never raises."""
    place = find() if place is None else place
    if isinstance(place, Nowhere):
        return None
    for directory in set(place.directories.values()):
        _sweep(directory)
    try:
        if place.version == 2:
            place = make_room(place)
        return CgroupSlots(place, (mark or own_mark()).replace("/", "-"), slots)
    except OSError as error:
        log.warning("no cgroups: jobs are held by rlimits", extra={"why": str(error)})
        return None


class CgroupSlots:
    """The groups of one worker. No call but the first raises: what cannot be written is reported once."""

    def __init__(self, place: Place, name: str, slots: int) -> None:
        self._place = place
        self._told: set[str] = set()
        self._roots = {controller: directory / name for controller, directory in place.directories.items()}
        self._slots = [_Slot({}) for _ in range(slots)]
        try:
            self._make()
        except OSError:
            self.close()
            raise

    @property
    def words(self) -> str:
        """What limits jobs here: 'cgroup v1 (memory, pids, cpu)'."""
        return self._place.words

    def prepare(self, slot: int, limits: Limits, cpus: float | None = None) -> None:
        """Set the limits of the slot's next job, and count its events from here on. `cpus` in cores; None: all."""
        for controller, value in (("memory", limits.memory), ("pids", limits.pids), ("cpu", cpus)):
            if controller in self._roots and self._slots[slot].values.get(controller) != value:
                with self._reported(controller):
                    for name, text in _files(self._place.version, controller, value):
                        path = self._file(slot, controller, name)
                        if name not in _WITH_SWAP or path.exists():
                            write(path, text)
                    self._slots[slot].values[controller] = value
        if "memory" in self._roots:
            # From Linux 6.12 on for v2; before, it cannot be told for one job.
            with contextlib.suppress(OSError):
                name = "memory.max_usage_in_bytes" if self._place.version == 1 else "memory.peak"
                self._reset_peak(slot, self._file(slot, "memory", name))
        seen = self._counted(slot)
        self._slots[slot].oom_kills, self._slots[slot].pids_hits = seen.oom_kills, seen.pids_hits

    def join(self, slot: int, pid: int) -> None:
        """Let a process in; what it starts from now on is in with it. `pid` as this process sees it."""
        for directory in self._directories(slot):
            with self._reported("join", but=errno.ESRCH):
                write(directory / "cgroup.procs", str(pid))
        if "cpu" not in self._roots:
            give_way(pid)

    def events(self, slot: int) -> Events:
        """Since `prepare`."""
        seen, before = self._counted(slot), self._slots[slot]
        return Events(seen.oom_kills - before.oom_kills, seen.pids_hits - before.pids_hits, seen.memory_peak)

    def kill(self, slot: int) -> None:
        """SIGKILL to all that is in the slot's group."""
        for directory in self._directories(slot):
            _kill(directory)

    def close(self) -> None:
        """End what is still in the groups, and remove them."""
        for slot in self._slots:
            if slot.peak is not None:
                os.close(slot.peak)
                slot.peak = None
        for root in set(self._roots.values()):
            _remove(root)

    def _make(self) -> None:
        for root in set(self._roots.values()):
            root.mkdir(exist_ok=True)
            if self._place.version == 2:
                for controller in self._roots:
                    write(root / "cgroup.subtree_control", f"+{controller}")
            for slot in range(len(self._slots)):
                (root / str(slot)).mkdir(exist_ok=True)

    def _directories(self, slot: int) -> list[Path]:
        return sorted({root / str(slot) for root in self._roots.values()})

    def _file(self, slot: int, controller: str, name: str) -> Path:
        return self._roots[controller] / str(slot) / name

    def _reset_peak(self, slot: int, path: Path) -> None:
        entry = self._slots[slot]
        if entry.peak is None:
            entry.peak = os.open(path, os.O_RDWR)
        os.pwrite(entry.peak, b"0", 0)
        entry.peak_told = True

    def _counted(self, slot: int) -> Events:
        kills = hits = peak = 0
        with contextlib.suppress(OSError, ValueError):
            if "memory" in self._roots:
                name = "memory.oom_control" if self._place.version == 1 else "memory.events"
                kills = _field(self._file(slot, "memory", name), "oom_kill")
            entry = self._slots[slot]
            if entry.peak is not None and entry.peak_told:
                peak = int(os.pread(entry.peak, 32, 0))
        with contextlib.suppress(OSError, ValueError):
            if "pids" in self._roots:
                hits = _field(self._file(slot, "pids", "pids.events"), "max")
        return Events(kills, hits, peak)

    @contextlib.contextmanager
    def _reported(self, what: str, but: int = 0) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno != but and what not in self._told:
                self._told.add(what)
                log.warning("a cgroup does not take what it is told", extra={"what": what, "why": str(error)})


def _files(version: int, controller: str, value: float | None) -> list[tuple[str, str]]:
    """What is written for a limit, in an order in which each may be written."""
    if controller == "pids":
        return [("pids.max", str(value))]
    if controller == "cpu":
        quota = -1 if value is None else max(_LEAST_QUOTA_US, int(value * _PERIOD_US))
        if version == 2:
            return [("cpu.max", f"{'max' if quota < 0 else quota} {_PERIOD_US}")]
        return [("cpu.cfs_period_us", str(_PERIOD_US)), ("cpu.cfs_quota_us", str(quota))]
    if version == 2:
        # Swap would come on top.
        return [("memory.swap.max", "0"), ("memory.max", str(value))]
    # What counts memory and swap may never be below what counts memory alone.
    both = "memory.memsw.limit_in_bytes"
    return [(both, "-1"), ("memory.limit_in_bytes", str(value)), (both, str(value))]


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _sweep(directory: Path) -> None:
    """Remove the groups of workers that are gone."""
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            if path.is_dir() and _orphan("/".join(path.name.rsplit("-", 2))):
                _remove(path)


def _remove(root: Path) -> None:
    with contextlib.suppress(OSError):
        for path in [*(path for path in root.iterdir() if path.is_dir()), root]:
            for _ in range(_ROUNDS):
                try:
                    path.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    # A process is counted until it is quite gone.
                    _kill(path)
                    time.sleep(_PAUSE_S)
            else:
                log.warning("a cgroup cannot be removed", extra={"path": str(path)})


def _kill(directory: Path) -> None:
    with contextlib.suppress(OSError):
        # v2, from Linux 5.14 on: all at once, and nothing can fork meanwhile.
        return write(directory / "cgroup.kill", "1")
    for _ in range(_ROUNDS):
        try:
            pids = (directory / "cgroup.procs").read_text().split()
        except OSError:
            return
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(_PAUSE_S)
