"""Jobs to push, and workers that claim them, without a process to run them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from postmill.model.job import ClaimedJob, Limit, NewJob, Result
from postmill.queue.claim import Wanted, claim
from postmill.queue.finish import Ending, finish
from postmill.queue.push import push
from postmill.store.db import Database

DONE = Result(status="success", result="1")
LEASE_S = 15.0


def new_job(workspace: str = "w", tag: str = "bash", **more: Any) -> NewJob:
    """A preview job that nobody will run."""
    values: dict[str, Any] = {"kind": "preview", "language": "bash", "content": "true", "timeout_s": 60}
    who: dict[str, Any] = {"created_by": "ann", "permissioned_as": "u/ann", "email": "ann@example.com"}
    return NewJob(workspace_id=workspace, tag=tag, **who, **values | more)


class Queue:
    """The verbs, each in a transaction of its own on a connection of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._rank = 0.0

    async def push(self, job: NewJob | None = None, *, rank: float | None = None, **more: Any) -> UUID:
        job = job or new_job(**more)
        self._rank += 1
        async with self.database.transaction(pipeline=True) as tx:
            await push(tx, job, self._rank if rank is None else rank)
        return job.id

    async def claim(self, worker: str = "one", count: int = 1, tags: tuple[str, ...] = ("bash",)) -> list[ClaimedJob]:
        wanted = Wanted(worker=worker, tags=tags, count=count, lease_s=LEASE_S)
        async with self.database.transaction(pipeline=True) as tx:
            claimed = await claim(tx, wanted)
        return await claimed.jobs()

    async def finish(self, job: ClaimedJob, result: Result = DONE) -> None:
        ending = Ending(
            id=job.id,
            lease=job.lease,
            concurrency_key=job.concurrency_key,
            cache=job.cache_key is not None,
            perpetual=job.perpetual,
        )
        async with self.database.transaction(pipeline=True) as tx:
            await finish(tx, ending, result)

    async def rows(self, sql: bytes, **parameters: Any) -> list[dict[str, Any]]:
        async with self.database.transaction() as tx:
            return await (await tx.execute(sql, parameters)).fetchall()

    async def value(self, sql: bytes, **parameters: Any) -> Any:
        [row] = await self.rows(sql, **parameters)
        [found] = row.values()
        return found

    async def state(self, job: UUID) -> str:
        """Its state while queued, its status when finished."""
        return str(
            await self.value(
                b"SELECT coalesce((SELECT state FROM job_queue WHERE id = %(id)s),"
                b" (SELECT status FROM job_completed WHERE id = %(id)s)) AS state",
                id=job,
            )
        )


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


@pytest.fixture
def limited() -> Callable[[int, int], NewJob]:
    """A job of one key: (slots, window in seconds)."""
    return lambda slots, window_s: new_job(limit=Limit(key="w/key", slots=slots, window_s=window_s))
