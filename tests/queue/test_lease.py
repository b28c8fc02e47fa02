"""Leases fence: beat, log, finish and hand-back of a former owner change nothing."""

import asyncio
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from postmill.model.errors import LostLease
from postmill.model.job import MAX_DEATHS, ClaimedJob, Pulse, WorkerInfo
from postmill.queue.beat import beat
from postmill.queue.rescue import Rescued, rescue
from postmill.store import jobs
from tests.queue.conftest import LEASE_S, Queue

pytestmark = pytest.mark.anyio

WORKER = WorkerInfo(
    name="one", instance="host", pid=1, ip="127.0.0.1", version="0", isolation="L3", tags=("bash",), slots=2
)


async def _sweep(queue: Queue, later_s: float = 0) -> Rescued:
    """The rescue sweep, `later_s` seconds from now."""
    queue.database.clock_offset = timedelta(seconds=later_s)
    try:
        async with queue.database.transaction() as tx:
            return await rescue(tx)
    finally:
        queue.database.clock_offset = None


async def _beat(queue: Queue, *running: ClaimedJob, worker: WorkerInfo = WORKER) -> frozenset[UUID]:
    pulse = Pulse(memory=1, jobs_executed=0, draining=False, running={job.id: job.lease for job in running})
    async with queue.database.transaction() as tx:
        return (await beat(tx, worker, pulse, LEASE_S)).owned


async def _append(queue: Queue, job: ClaimedJob, position: int, content: str) -> None:
    async with queue.database.transaction() as tx:
        await jobs.append_log(tx, job.id, job.lease, position, content)


async def test_a_silent_workers_job_is_claimed_by_another_with_two_attempts(queue: Queue) -> None:
    await queue.push()
    [first] = await queue.claim("one")
    assert (await _sweep(queue, 14)).again == [], "the lease still holds"
    assert (await _sweep(queue, 16)).again == [first.id]
    [second] = await queue.claim("two")
    assert (second.id, second.lease, second.attempts) == (first.id, 2, 2)


async def test_a_beat_keeps_the_lease_and_one_for_a_lost_job_says_so(queue: Queue) -> None:
    await queue.push()
    [job] = await queue.claim("one")
    queue.database.clock_offset = timedelta(seconds=10)
    assert await _beat(queue, job) == {job.id}
    assert (await _sweep(queue, 20)).again == []
    assert (await _sweep(queue, 26)).again == [job.id]
    assert await _beat(queue, job) == frozenset()
    await queue.claim("two")
    assert await _beat(queue, job) == frozenset(), "another worker's lease is not extended"


async def test_a_late_result_is_refused_and_the_pipeline_claims_nothing(queue: Queue) -> None:
    await queue.push()
    [late] = await queue.claim("one")
    await _sweep(queue, 16)
    with pytest.raises(psycopg.errors.DivisionByZero):
        await queue.finish(late)
    [owner] = await queue.claim("two")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await queue.finish(late)
    await queue.finish(owner)
    assert await queue.value(b"SELECT lease FROM job_completed") == 2


async def test_a_finish_that_is_sent_twice_counts_once(queue: Queue) -> None:
    await queue.push()
    [job] = await queue.claim()
    done = await asyncio.gather(queue.finish(job), queue.finish(job), return_exceptions=True)
    assert sorted(type(result).__name__ for result in done) == ["DivisionByZero", "NoneType"]
    assert await queue.value(b"SELECT count(*) FROM job_completed") == 1


async def test_finish_and_rescue_at_once_leave_one_of_them(queue: Queue) -> None:
    for _ in range(20):
        await queue.push()
    claimed = await queue.claim("one", 20)
    queue.database.clock_offset = timedelta(seconds=16)

    async def sweep() -> Rescued:
        async with queue.database.transaction() as tx:
            return await rescue(tx)

    results = await asyncio.gather(*(queue.finish(job) for job in claimed), sweep(), return_exceptions=True)
    refused = sum(isinstance(result, psycopg.errors.DivisionByZero) for result in results)
    available = await queue.value(b"SELECT count(*) FROM job_queue WHERE state = 'available'")
    finished = await queue.value(b"SELECT count(*) FROM job_completed")
    assert available == refused
    assert available + finished == 20


async def test_a_former_owner_cannot_write_to_the_log(queue: Queue) -> None:
    await queue.push()
    [late] = await queue.claim("one")
    await _append(queue, late, 0, "one\n")
    await _sweep(queue, 16)
    with pytest.raises(LostLease):
        await _append(queue, late, 4, "late\n")
    [owner] = await queue.claim("two")
    assert owner.log_position == 4
    with pytest.raises(LostLease):
        await _append(queue, late, 4, "late\n")
    await _append(queue, owner, 4, "two\n")
    rows = await queue.rows(b"SELECT content FROM job_log ORDER BY position")
    assert [row["content"] for row in rows] == ["one\n", "two\n"]


async def test_a_piece_of_log_that_is_sent_again_stands_once(queue: Queue) -> None:
    await queue.push()
    [job] = await queue.claim()
    await _append(queue, job, 0, "one\n")
    await _append(queue, job, 0, "one\ntwo\n")
    assert await queue.value(b"SELECT string_agg(content, '') FROM job_log") == "one\ntwo\n"


async def test_a_job_that_kills_its_workers_ends_as_poisoned(queue: Queue) -> None:
    job = await queue.push()
    for death in range(1, MAX_DEATHS + 1):
        assert len(await queue.claim(f"worker {death}")) == 1
        done = await _sweep(queue, 16)
        assert (done.again, done.ended) == (([job], []) if death < MAX_DEATHS else ([], [job]))
    [row] = await queue.rows(b"SELECT status, end_reason, attempts, result::text FROM job_completed")
    assert (row["status"], row["end_reason"], row["attempts"]) == ("failure", "poisoned", MAX_DEATHS)
    assert "worker 3" in row["result"]


async def test_a_job_that_was_handed_back_is_not_nearer_to_poison(queue: Queue) -> None:
    await queue.push()
    for _ in range(MAX_DEATHS + 1):
        [job] = await queue.claim()
        async with queue.database.transaction() as tx:
            assert await jobs.hand_back(tx, job.id, job.lease) == "bash"
    assert await queue.value(b"SELECT deaths FROM job_queue") == 0


async def test_only_the_owner_can_hand_back(queue: Queue) -> None:
    await queue.push()
    [job] = await queue.claim()
    async with queue.database.transaction() as tx:
        assert await jobs.hand_back(tx, job.id, job.lease + 1) is None
        assert await jobs.hand_back(tx, job.id, job.lease) == "bash"
        assert await jobs.hand_back(tx, job.id, job.lease) is None


async def test_two_sweeps_at_once_rescue_each_job_once(queue: Queue) -> None:
    for _ in range(50):
        await queue.push()
    await queue.claim("one", 50)
    queue.database.clock_offset = timedelta(seconds=16)

    async def sweep() -> Rescued:
        async with queue.database.transaction() as tx:
            return await rescue(tx)

    done = await asyncio.gather(sweep(), sweep(), sweep())
    again = [job for sweep_ in done for job in sweep_.again]
    assert len(again) == len(set(again)) == 50
    assert await queue.value(b"SELECT max(deaths) FROM job_queue") == 1


async def test_ten_dead_among_many_live_are_found_in_one_sweep(queue: Queue) -> None:
    for _ in range(300):
        await queue.push()
    dead = await queue.claim("dead", 10)
    live = await queue.claim("live", 290)
    queue.database.clock_offset = timedelta(seconds=14)
    await _beat(queue, *live)
    done = await _sweep(queue, 16)
    assert sorted(done.again) == sorted(job.id for job in dead)


async def test_jobs_of_a_dead_workers_directory_end_with_that_reason(queue: Queue) -> None:
    await _beat(queue)
    job = await queue.push()
    await queue.rows(b"UPDATE job_queue SET only_worker = 'one' RETURNING id")
    assert (await _sweep(queue, 14)).ended == []
    assert (await _sweep(queue, 16)).ended == [job]
    assert await queue.value(b"SELECT end_reason FROM job_completed") == "same_worker_lost"
