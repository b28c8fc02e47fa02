"""Bounds of jobs: what an instance gives, what a script may ask for below it, sizes as text, levels of isolation."""

import re
from dataclasses import dataclass, fields
from typing import Literal, get_args

Network = Literal["host", "filtered", "none"]
"""The machine's own network, the same without the platform's and the machine's private parts, or none at all."""
NETWORKS: tuple[Network, ...] = get_args(Network)
"""From the widest to the strictest."""

LEVELS = ("L0", "L1", "L2", "L3")
"""Of isolation, from the weakest to the strongest (`sandbox/level.py`)."""

_SIZE = re.compile(r"(\d{1,18})\s*(B|KB|MB|GB)?", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """None: as the instance has it. Sizes in bytes."""

    memory: int | None = None
    pids: int | None = None
    files: int | None = None
    disk: int | None = None
    inodes: int | None = None
    log: int | None = None
    network: Network | None = None

    def within(self, bounds: "Options") -> "Options":
        """These, each at most what `bounds` has; what is not set here is as there."""
        found: dict[str, int | str | None] = {}
        for name in (*NUMBERS, "network"):
            asked, bound = getattr(self, name), getattr(bounds, name)
            if asked is None or bound is None:
                found[name] = bound if asked is None else asked
            else:
                found[name] = stricter(asked, bound) if name == "network" else min(asked, bound)
        return Options(**found)  # type: ignore[arg-type]


NUMBERS: tuple[str, ...] = tuple(field.name for field in fields(Options) if field.name != "network")
"""The options that are numbers."""
SIZES = frozenset({"memory", "disk", "log"})
"""Those of them that are sizes."""
LEAST: dict[str, int] = {
    "memory": 64 * 1024**2,
    "pids": 2,
    "files": 16,
    "disk": 64 * 1024,
    "inodes": 32,
    "log": 1024,
}
"""Below these no job could begin."""
VARIABLES: dict[str, str] = {
    **{name: f"POSTMILL_JOB_{name.upper()}" for name in NUMBERS if name != "log"},
    "log": "POSTMILL_MAX_LOG",
    "network": "POSTMILL_NETWORK",
}
"""Option → the setting that bounds it."""


def stricter(one: Network, other: Network) -> Network:
    """The one that lets less through."""
    return max(one, other, key=NETWORKS.index)


def read_size(text: str) -> int:
    """Bytes: `1048576`, `1024KB`, `1MB`; the units are powers of 1024.

    Raises:
        ValueError: it is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size: a whole number of bytes, or with KB, MB or GB")
    return int(found[1]) * _UNITS[(found[2] or "").lower()]


def print_size(size: int) -> str:
    """As `read_size` reads it: in the largest unit that is exact."""
    for unit in ("GB", "MB", "KB"):
        if size and size % _UNITS[unit.lower()] == 0:
            return f"{size // _UNITS[unit.lower()]}{unit}"
    return str(size)


def shown(name: str, value: int | str) -> str:
    """An option's value, as a script would write it."""
    return print_size(int(value)) if name in SIZES else str(value)


def too_weak(level: str, minimum: str | None) -> str:
    """Why a worker of this level runs no jobs, a sentence without its subject; "" when it may.

    `minimum` None: any level will do.
    """
    if minimum is None or (level in LEVELS and LEVELS.index(level) >= LEVELS.index(minimum)):
        return ""
    return f"offers isolation {level or 'none'}, and this instance demands {minimum} (POSTMILL_MIN_ISOLATION)"
