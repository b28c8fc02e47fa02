"""The processes of a jail, seen from outside through /proc. Its init adopts every orphan, so nothing escapes."""

import contextlib
import os
import signal
from collections.abc import Iterator
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


def descendants(init: int) -> Iterator[int]:
    """The pids below a jail's init. Empty where the kernel lacks CONFIG_PROC_CHILDREN."""
    waiting = [init]
    seen = {init}
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                for child in map(int, Path(f"/proc/{parent}/task/{task}/children").read_text().split()):
                    if child not in seen:
                        seen.add(child)
                        waiting.append(child)
                        yield child


def terminate(init: int) -> None:
    """SIGTERM to every process of the jail but its init."""
    told: set[int] = set()
    # The kernel's list of children may leave some out while others end, and a process may fork before it is told.
    for _ in range(_ROUNDS):
        new = set(descendants(init)) - told
        for pid in new:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)
        told |= new


def memory(init: int) -> Memory:
    """What the jail's processes hold now."""
    resident = private = 0
    for pid in descendants(init):
        with contextlib.suppress(OSError, ValueError):
            fields = _fields(Path(f"/proc/{pid}/status"))
            resident += fields.get("VmRSS", 0)
            private += fields.get("RssAnon", 0) + fields.get("RssShmem", 0)
    return Memory(resident, private)


def shared_out(init: int) -> int:
    """Private memory in bytes, a shared page counted once. Walks page tables: for the doubtful case only."""
    total = 0
    for pid in descendants(init):
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
