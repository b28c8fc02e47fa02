"""One cgroup for each slot of a worker, where the machine lets us have them: v2 if it is delegated, v1, or none.

A cgroup counts all processes of a job together: their memory with what they share counted once, processes, CPU time.
Without one, rlimits hold each process, memory is polled, and jobs only give way to others (`give_way`).

In v2 a group that hands controllers down may hold no process itself, so whatever runs in ours moves one level down, to
`postmill`. That is done only where the group is ours to divide: the root of a container, or one that was delegated.
"""

import contextlib
import errno
import logging
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from postmill.sandbox.command import Limits
from postmill.sandbox.mark import end_orphans, own_mark

log = logging.getLogger("postmill.sandbox")

Controller = Literal["memory", "pids", "cpu"]
CONTROLLERS: tuple[Controller, ...] = ("memory", "pids", "cpu")

_LEAF = "postmill"
_PERIOD_US = 100_000
_LEAST_QUOTA_US = 1000
_ROUNDS = 20
_PAUSE_S = 0.01
_NICE = 10
_V2_MEMORY_OPTIONAL = "memory.swap.max"
