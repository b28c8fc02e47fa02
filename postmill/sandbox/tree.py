"""The processes of a jail, seen from outside through /proc. Its init adopts every orphan, so nothing escapes."""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes, of all processes of a jail."""

    resident: int
    """Pages that several share count for each."""
    private: int
    """Without the files that they map."""


def descendants(roots: Iterable[int]) -> Iterator[int]:
    """The pids below these. Empty where the kernel lacks CONFIG_PROC_CHILDREN."""
    waiting = [*roots]
    seen = {*waiting}
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                for child in map(int, Path(f"/proc/{parent}/task/{task}/children").read_text().split()):
                    if child not in seen:
                        seen.add(child)
                        waiting.append(child)
                        yield child


def terminate(roots: Sequence[int]) -> None:
    """SIGTERM to every process of a job. Its init is not touched by it."""
    told: set[int] = set()
    # The kernel's list of children may leave some out while others end, and a process may fork before it is told.
    for _ in range(_ROUNDS):
        new = {*roots, *descendants(roots)} - told
        for pid in new:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        told |= new


def memory(roots: Sequence[int]) -> Memory:
    """What a job's processes hold now: the program is the first of the roots."""
    resident = private = 0
    for pid in (*roots[:1], *descendants(roots)):
        with contextlib.suppress(OSError, ValueError):
            fields = _fields(Path(f"/proc/{pid}/status"))
            resident += fields.get("VmRSS", 0)
            private += fields.get("RssAnon", 0) + fields.get("RssShmem", 0)
    return Memory(resident, private)


def shared_out(roots: Sequence[int]) -> int:
    """Private memory in bytes, a shared page counted once. Walks page tables: for the doubtful case only."""
    total = 0
    for pid in (*roots[:1], *descendants(roots)):
        with contextlib.suppress(OSError, ValueError):
            fields = _fields(Path(f"/proc/{pid}/smaps_rollup"))
            total += fields.get("Pss_Anon", 0) + fields.get("Pss_Shmem", 0)
    return total


def _fields(path: Path) -> dict[str, int]:
    found = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            found[name] = int(value[:-3]) * 1024
    return found


def proportional(pid: int) -> int:
    """Bytes of a process and all below it, a page shared by n processes counted as 1/n for each."""
    total = 0
    for each in (pid, *descendants([pid])):
        with contextlib.suppress(OSError, ValueError):
            total += _fields(Path(f"/proc/{each}/smaps_rollup")).get("Pss", 0)
    return total
