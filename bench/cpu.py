"""CPU time of everything that takes part: read from /proc, children that were waited for included."""

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    # The command stands in parentheses and may hold anything.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


def tree_seconds(pid: int) -> float:
    """User and system time of a process, its live descendants, and those already waited for."""
    try:
        fields = _stat(pid)
        own = sum(int(fields[place]) for place in (11, 12, 13, 14)) / _TICK
        return own + sum(tree_seconds(child) for child in _children(pid))
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def memory(pid: int) -> int:
    """Proportional set size in bytes of a process alone (shared pages counted once over those that share them)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no Pss of {pid}")
