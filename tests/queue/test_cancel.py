"""An accepted cancel ends as canceled, whatever else happens."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from postmill.model.errors import Conflict, NotFound
from postmill.model.job import Result
from postmill.queue.cancel import Canceled, cancel
from postmill.queue.rescue import rescue
from postmill.store import jobs
from tests.queue.conftest import Queue

pytestmark = pytest.mark.anyio


async def _cancel(queue: Queue, job: UUID, *, force: bool = False, workspace: str = "w") -> Canceled:
    async with queue.database.transaction() as tx:
        return await cancel(tx, workspace, job, "bob", "no longer needed", force=force)


@pytest.mark.parametrize("seconds", [0, 3600])
async def test_a_cancelled_job_is_never_claimed(queue: Queue, seconds: int) -> None:
    job = await queue.push(scheduled_in_s=seconds)
    assert not (await _cancel(queue, job)).running
    assert await queue.claim() == []
    [row] = await queue.rows(b"SELECT status, canceled_by, canceled_reason, result::text FROM job_completed")
    assert (row["status"], row["canceled_by"], row["canceled_reason"]) == ("canceled", "bob", "no longer needed")
    assert "canceled by bob: no longer needed" in row["result"]


async def test_a_running_job_that_succeeds_after_the_cancel_is_canceled(queue: Queue) -> None:
    job = await queue.push()
    [claimed] = await queue.claim()
    assert (await _cancel(queue, job)).running
    await queue.finish(claimed, Result(status="success", result='"too late"'))
    assert await queue.state(job) == "canceled"
    assert "too late" not in str(await queue.value(b"SELECT result::text FROM job_completed"))


async def test_a_cancelled_job_of_a_dead_worker_is_not_run_again(queue: Queue) -> None:
    job = await queue.push()
    await queue.claim()
    await _cancel(queue, job)
    queue.database.clock_offset = timedelta(seconds=16)
    async with queue.database.transaction() as tx:
        assert (await rescue(tx)).ended == [job]
    assert await queue.state(job) == "canceled"


async def test_a_cancelled_job_is_not_handed_back(queue: Queue) -> None:
    job = await queue.push()
    [claimed] = await queue.claim()
    await _cancel(queue, job)
    async with queue.database.transaction() as tx:
        assert await jobs.hand_back(tx, job, claimed.lease) is None


async def test_force_ends_a_running_job_and_its_worker_has_lost_it(queue: Queue) -> None:
    job = await queue.push()
    [claimed] = await queue.claim()
    await _cancel(queue, job, force=True)
    assert await queue.state(job) == "canceled"
    with pytest.raises(Exception, match="division by zero"):
        await queue.finish(claimed)


async def test_cancelling_twice_is_the_same_and_the_first_reason_stays(queue: Queue) -> None:
    job = await queue.push()
    [claimed] = await queue.claim()
    await _cancel(queue, job)
    async with queue.database.transaction() as tx:
        await cancel(tx, "w", job, "eve", "another reason")
    await queue.finish(claimed)
    assert await queue.value(b"SELECT canceled_by FROM job_completed") == "bob"


async def test_a_finished_job_cannot_be_cancelled(queue: Queue) -> None:
    job = await queue.push()
    [claimed] = await queue.claim()
    await queue.finish(claimed)
    with pytest.raises(Conflict):
        await _cancel(queue, job)
    assert await queue.state(job) == "success"


async def test_a_job_of_another_workspace_is_not_there(queue: Queue) -> None:
    job = await queue.push()
    with pytest.raises(NotFound):
        await _cancel(queue, job, workspace="other")
    assert await queue.state(job) == "available"


async def test_cancel_against_claim_and_finish_has_one_winner_each_time(queue: Queue) -> None:
    """Three connections race over each job; whoever accepted the cancel must find it canceled."""

    async def run_one(job: UUID) -> None:
        for _ in range(50):
            for claimed in await queue.claim(f"racer {job}"):
                await queue.finish(claimed)
            if await queue.value(b"SELECT count(*) FROM job_queue") == 0:
                return

    async def cancel_one(job: UUID) -> bool:
        try:
            await _cancel(queue, job)
        except Conflict:
            return False
        return True

    pushed = [await queue.push() for _ in range(30)]
    racers = [run_one(job) for job in pushed[:4]]
    running = asyncio.gather(*racers)
    accepted = await asyncio.gather(*(cancel_one(job) for job in pushed))
    await running
    for job, canceled in zip(pushed, accepted, strict=True):
        assert await queue.state(job) == ("canceled" if canceled else "success")
