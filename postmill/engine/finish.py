"""The one way any job ends.

Finish, what follows from it, and the claim of the next job go out as one pipeline: one round trip, one transaction.
As row counts come back only after COMMIT was sent, the finishing statement raises in SQL when the lease is lost.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from psycopg import errors

from postmill.environments.resolver import lock_of
from postmill.failpoint import failpoint
from postmill.model.errors import LostLease
from postmill.model.job import ClaimedJob, Result
from postmill.queue import cancel as queue_cancel
from postmill.queue.cancel import Canceled
from postmill.queue.claim import Wanted, claim
from postmill.queue.finish import Ending, finish
from postmill.queue.wake import Wake
from postmill.store import dependencies, jobs
from postmill.store.db import Database
from postmill.store.limits import promoted_tags

T = TypeVar("T")
TRIES = 5


async def repeat_on_conflict(action: Callable[[], Awaitable[T]]) -> T:
    """Run a transaction again, after a moment of chance, when Postgres ended it for the sake of another one."""
    for attempt in range(1, TRIES + 1):
        try:
            return await action()
        except (errors.DeadlockDetected, errors.SerializationFailure):
            if attempt == TRIES:
                raise
            await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))
    raise AssertionError


async def end(database: Database, wake: Wake, job: ClaimedJob, result: Result, then: Wanted | None) -> list[ClaimedJob]:
    """End a job that a worker ran, and claim the next ones in the same round trip.

    Raises:
        LostLease: the job is somebody else's, or has ended otherwise; nothing was written.
        Unavailable: no answer: it may have been written; asking again is safe.
    """
    ending = Ending(
        id=job.id,
        lease=job.lease,
        concurrency_key=job.concurrency_key,
        cache=job.cache_key is not None and result.status == "success",
        perpetual=job.perpetual,
    )

    async def once() -> list[ClaimedJob]:
        async with database.transaction(pipeline=True) as tx:
            promoted = await finish(tx, ending, result)
            if job.kind == "dependencies":
                await dependencies.settle(tx, job.id, lock_of(result))
            failpoint("in_finish")
            claimed = await claim(tx, then) if then is not None else None
        failpoint("after_finish")
        if promoted is not None:
            wake.work(await promoted_tags(promoted))
        return await claimed.jobs() if claimed is not None else []

    try:
        return await repeat_on_conflict(once)
    except errors.DivisionByZero as error:
        raise LostLease() from error


async def was_ended_by(database: Database, job: UUID, lease: int) -> bool:
    """Whether a finish under this very lease was committed (its answer may have been lost on the way)."""
    async with database.transaction() as tx:
        return await jobs.completed_lease(tx, job) == lease


async def hand_back(database: Database, wake: Wake, job: ClaimedJob) -> None:
    """Return a job that was not ended, for another worker; no death is counted.

    Raises:
        LostLease: it is to be cancelled, or somebody else's.
    """
    async with database.transaction() as tx:
        tag = await jobs.hand_back(tx, job.id, job.lease)
    if tag is None:
        raise LostLease()
    wake.work([tag])


async def cancel(
    database: Database, wake: Wake, workspace: str, job: UUID, who: str, reason: str, *, force: bool = False
) -> None:
    """Cancel a job: once this returns, it ends as `canceled`, whatever its worker does.

    Raises:
        Conflict: it has finished already.
        NotFound: there is no such job in this workspace.
    """

    async def once() -> Canceled:
        async with database.transaction() as tx:
            done = await queue_cancel.cancel(tx, workspace, job, who, reason, force=force)
            await dependencies.settle(tx, job)
            return done

    done = await repeat_on_conflict(once)
    if done.running:
        wake.cancel([job])
        wake.changed([job])
    wake.work(done.promoted)
    if force or not done.running:
        wake.ended([job])
