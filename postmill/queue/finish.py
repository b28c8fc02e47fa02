"""End a job: its row leaves the hot table, and what depends on its end follows in the same transaction."""

import json
from dataclasses import dataclass
from uuid import UUID

from postmill.model.job import INLINE_RESULT, Result, new_id
from postmill.queue import limits
from postmill.store import jobs
from postmill.store.db import Connection, Cursor

PREVIEW = 1000
"""Characters of a large result that its row shows."""
PERPETUAL_PAUSE_S = 1.0
"""Between two runs of a perpetual script, so that one that fails at once does not spin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The job that ends, and what is known of it."""

    id: UUID
    lease: int
    running: bool = True
    """False: nobody runs it (a cancel of a queued job)."""
    concurrency_key: str | None = None
    cache: bool = False
    perpetual: bool = False


async def finish(tx: Connection, ending: Ending, result: Result) -> Cursor | None:
    """May be sent as a pipeline: reads no answer. A lost lease raises division by zero in SQL.

    Returns what `store.limits.promoted_tags` reads, for a job with a concurrency limit.
    """
    text = result.result
    data = text.encode()
    large = len(data) > INLINE_RESULT
    if large:
        await jobs.store_blob(tx, ending.id, data)
        text = json.dumps({"size": len(data), "preview": text[:PREVIEW], "blob": str(ending.id)})
    await jobs.finish(
        tx,
        ending.id,
        ending.lease,
        running=ending.running,
        status=result.status,
        result=text,
        result_blob=large,
        end_reason=result.end_reason,
        memory_peak=result.memory_peak,
        labels=result.labels,
    )
    if large:
        await jobs.drop_blob_of_canceled(tx, ending.id)
    promoted = None
    if ending.concurrency_key is not None:
        promoted = await limits.leave(tx, ending.concurrency_key, ending.id)
    if ending.cache:
        await jobs.remember_result(tx, ending.id)
    if ending.perpetual:
        await jobs.push_again(tx, ending.id, new_id(), PERPETUAL_PAUSE_S)
    return promoted
