"""Retention and delete-after: what is removed, and what is not."""

from datetime import timedelta
from typing import Any

import pytest

from postmill.model.job import INLINE_RESULT, Result
from postmill.queue.wake import Wake
from postmill.store import jobs, progress, streams
from postmill.upkeep.prune import Prune
from tests.queue.conftest import Queue

pytestmark = pytest.mark.anyio


async def _sweep(queue: Queue, days: int, later: timedelta) -> None:
    queue.database.clock_offset = later
    try:
        await Prune(queue.database, Wake(queue.database), days).sweep()
    finally:
        queue.database.clock_offset = None


async def _finished(queue: Queue, result: str = "1", **more: Any) -> None:
    await queue.push(**more)
    [job] = await queue.claim()
    async with queue.database.transaction() as tx:
        await jobs.append_log(tx, job.id, job.lease, 0, "line\n")
        await streams.append(tx, job.id, job.lease, 0, "piece")
        await progress.set_percent(tx, job.workspace_id, job.id, 50)
    await queue.finish(job, Result(status="success", result=result))


async def _count(queue: Queue) -> dict[str, int]:
    [row] = await queue.rows(
        b"SELECT (SELECT count(*) FROM job) AS job, (SELECT count(*) FROM job_completed) AS completed,"
        b" (SELECT count(*) FROM job_log) AS log, (SELECT count(*) FROM blob) AS blob,"
        b" (SELECT count(*) FROM job_stream) AS stream, (SELECT count(*) FROM job_progress) AS progress"
    )
    return row


async def test_finished_jobs_go_whole_after_the_retention_and_not_before(queue: Queue) -> None:
    await _finished(queue, result='"' + "x" * INLINE_RESULT + '"')
    assert await _count(queue) == {"job": 1, "completed": 1, "log": 1, "blob": 1, "stream": 1, "progress": 1}
    await _sweep(queue, 30, timedelta(days=29, hours=23))
    assert await _count(queue) == {"job": 1, "completed": 1, "log": 1, "blob": 1, "stream": 1, "progress": 1}
    await _sweep(queue, 30, timedelta(days=30, hours=1))
    assert await _count(queue) == {"job": 0, "completed": 0, "log": 0, "blob": 0, "stream": 0, "progress": 0}


async def test_without_a_retention_nothing_goes(queue: Queue) -> None:
    await _finished(queue)
    await _sweep(queue, 0, timedelta(days=4000))
    assert (await _count(queue))["job"] == 1


async def test_what_has_not_finished_stays_however_old(queue: Queue) -> None:
    waiting = await queue.push()
    await _sweep(queue, 30, timedelta(days=400))
    assert await queue.state(waiting) == "available"


async def test_delete_after_empties_a_job_and_keeps_that_it_was_there(queue: Queue) -> None:
    await _finished(queue, delete_after_s=60, args='{"secret": "canary"}')
    await _sweep(queue, 30, timedelta(seconds=59))
    assert (await _count(queue))["log"] == 1
    await _sweep(queue, 30, timedelta(seconds=61))
    assert await _count(queue) == {"job": 1, "completed": 1, "log": 0, "blob": 0, "stream": 0, "progress": 1}
    [row] = await queue.rows(
        b"SELECT job.args::text AS args, job.content, done.result, done.deleted, done.status"
        b" FROM job JOIN job_completed AS done USING (id)"
    )
    assert row == {"args": "{}", "content": "", "result": None, "deleted": True, "status": "success"}


async def test_a_job_without_delete_after_keeps_everything(queue: Queue) -> None:
    await _finished(queue)
    await _sweep(queue, 30, timedelta(days=1))
    assert (await _count(queue))["log"] == 1
