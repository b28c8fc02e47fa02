"""Take jobs: the lease is written by the claim itself, so that no moment exists in which a claimed job has none."""

from collections.abc import Sequence
from dataclasses import dataclass

from postmill.store import jobs
from postmill.store.db import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a worker asks for."""

    worker: str
    tags: Sequence[str]
    count: int
    lease_s: float


async def claim(tx: Connection, wanted: Wanted) -> jobs.Claim:
    """At most `count` jobs, best first. The answer is read with `.jobs()`, after COMMIT where it was pipelined."""
    return await jobs.claim(tx, wanted.worker, wanted.tags, wanted.count, wanted.lease_s)
