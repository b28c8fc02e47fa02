"""Put a job into the queue."""

from uuid import UUID

from postmill.model.errors import Conflict
from postmill.model.job import NewJob
from postmill.queue import limits
from postmill.store import jobs
from postmill.store.db import Connection


async def push(tx: Connection, job: NewJob, rank: float) -> None:
    """May be sent as a pipeline: reads no answer."""
    await jobs.push(tx, job, rank)
    if job.limit is not None:
        await limits.admit(tx, job.limit)


async def push_or_cached(tx: Connection, job: NewJob, rank: float) -> bool:
    """Whether the result cache answered, so that nothing was queued."""
    if job.cache_key is not None and await jobs.push_cached(tx, job):
        return True
    await push(tx, job, rank)
    return False


async def first_request(tx: Connection, job: NewJob, key: str, request_hash: bytes) -> UUID | None:
    """None when this is the first request with this Idempotency-Key, else the job that the first one made.

    Raises:
        Conflict: the first request with this key asked for something else.
    """
    if await jobs.remember_request(tx, job.workspace_id, key, job.id, request_hash):
        return None
    found = await jobs.remembered_request(tx, job.workspace_id, key)
    if found is None or found[1] != request_hash:
        raise Conflict(f"Idempotency-Key {key!r} was used for another request; use a new key for a new request")
    return found[0]
