"""What a script asks for in its head comment: bounds below the worker's own, and its network."""

from dataclasses import dataclass
from typing import Literal

Network = Literal["host", "filtered", "none"]
"""The machine's own network, the same without the platform's and the machine's private parts, or none at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """None: as the instance has it. Sizes in bytes."""

    memory: int | None = None
    pids: int | None = None
    files: int | None = None
    disk: int | None = None
    inodes: int | None = None
    cpus: float | None = None
    """Cores: 1.0 is one core's time."""
    log: int | None = None
    network: Network | None = None
