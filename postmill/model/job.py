"""Jobs: what is pushed, what a worker is given, what it hands in."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

State = Literal["available", "running", "scheduled", "held", "suspended"]
"""Of a job that is not finished: `job_queue.state`."""
Status = Literal["success", "failure", "canceled", "skipped"]
"""Of a finished job: `job_completed.status`."""

MAX_DEATHS = 3
"""A job whose worker died this often ends as `poisoned`."""
INLINE_RESULT = 256 * 1024
"""A longer result, in bytes of JSON, goes to `blob`."""
BLOB_ROW = 1024 * 1024


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then chance."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A concurrency limit: at most `slots` jobs of `key` at once, each slot taken for at least `window_s` seconds."""

    key: str
    slots: int
    window_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to push. Times in seconds; `args` is the JSON text of an object."""

    id: UUID = field(default_factory=new_id)
    workspace_id: str
    kind: Literal["script", "preview", "dependencies"]
    language: str
    tag: str
    created_by: str
    permissioned_as: str
    email: str
    timeout_s: int
    args: str = "{}"
    script_hash: int | None = None
    script_path: str | None = None
    content: str | None = None
    parent_job: UUID | None = None
    root_job: UUID | None = None
    trigger_kind: str = "api"
    scheduled_for: datetime | None = None
    """None: now, or `scheduled_in_s` from now."""
    scheduled_in_s: float = 0
    priority: int = 0
    limit: Limit | None = None
    cache_key: bytes | None = None
    cache_ttl_s: int | None = None
    delete_after_s: int | None = None
    perpetual: bool = False
    visible_to_owner: bool = True
    labels: tuple[str, ...] = ()
    envs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJob:
    """A job that a worker owns for as long as its lease holds."""

    id: UUID
    lease: int
    workspace_id: str
    kind: str
    language: str
    content: str
    args: str
    tag: str
    created_by: str
    permissioned_as: str
    email: str
    timeout_s: int
    attempts: int
    log_position: int
    """Characters of log that earlier attempts wrote."""
    scheduled_for: datetime
    script_hash: int | None
    script_path: str | None
    parent_job: UUID | None
    root_job: UUID | None
    concurrency_key: str | None
    cache_key: bytes | None
    perpetual: bool
    envs: list[str]
    stream_position: int = 0
    """Characters that earlier attempts streamed."""
    lock: str | None = None
    """Of the script's version; None when there is none yet."""
    dedicated: bool = False
    secret_schema: str | None = None
    """The script's schema as JSON text, when a field of it may be a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a job ended. `result` is JSON text; of a failure `{"error": {"name", "message", "stack"}}`."""

    status: Status
    result: str
    end_reason: str | None = None
    memory_peak: int = 0
    labels: tuple[str, ...] = ()
    """What the result adds to the labels of the job (`wm_labels`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A worker as it registers."""

    name: str
    instance: str
    pid: int
    ip: str
    version: str
    isolation: str
    """'L3' to 'L0' (`sandbox/level.py`)."""
    tags: tuple[str, ...]
    slots: int
    worker_group: str = "default"
    how: str = ""
    """How its isolation is made: 'root' or 'user'."""
    networks: tuple[str, ...] = ("host", "none")
    """What a job may ask for here."""
    no_filter: str = ""
    """Why there is no filtered network; "" when there is, or nobody looked."""
    limits_by: str = ""
    """What counts memory, processes and CPU: 'cgroup v2 (memory, pids, cpu)', 'rlimits…'."""
    refuses: str = ""
    """Why it takes no jobs; "" when it does."""
    database: str = ""
    """How far its jobs get to the platform's database; "" when they do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What a worker says with a beat."""

    memory: int
    jobs_executed: int
    draining: bool
    leaving: bool = False
    """The last beat of a worker that stops in order."""
    running: Mapping[UUID, int]
    """Job → its lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The answer to a beat: the jobs that are still the worker's, and which of them are to be cancelled."""

    owned: frozenset[UUID]
    canceled: frozenset[UUID]


def failure(name: str, message: str, stack: str = "") -> str:
    """The contract's error result, as JSON text."""
    return json.dumps({"error": {"name": name, "message": message, "stack": stack}})
