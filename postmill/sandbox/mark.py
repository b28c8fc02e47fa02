"""The mark of a worker on its jails: the last argument of a fork-server and of all that it forks, for all to read."""

import functools
import os
from pathlib import Path

from postmill.sandbox.deadman_timer import end_marked

_PREFIX = "postmill-jail"


@functools.cache
def own_mark() -> str:
    """This process's mark: its pid, and when it began, as pids come again."""
    return f"{_PREFIX}/{os.getpid()}/{_began(os.getpid())}"


def _began(pid: int) -> str | None:
    """Clock ticks after boot; None when there is no such process."""
    try:
        # The command stands in parentheses and may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


def _orphan(name: str) -> bool:
    prefix, _, rest = name.partition("/")
    pid, _, began = rest.partition("/")
    return prefix == _PREFIX and pid.isdigit() and _began(int(pid)) != began


def end_orphans() -> int:
    """Kill the jails of workers that are gone, dead-man's timer and all; returns how many processes."""
    return end_marked(_orphan)
