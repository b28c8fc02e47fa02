"""Concurrency limits under races; slots are never over- or underbooked."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from postmill.model.job import Limit, NewJob
from postmill.queue import limits
from postmill.queue.cancel import cancel
from postmill.queue.rescue import rescue
from postmill.store import jobs
from postmill.store import limits as stored
from tests.queue.conftest import Queue, new_job

pytestmark = pytest.mark.anyio

Limited = Callable[[int, int], NewJob]

BOOKED = b"""SELECT (SELECT count(*) FROM job_queue WHERE state IN ('available', 'running'))
                  - (SELECT count(*) FROM concurrency_slot WHERE until IS NULL) AS difference"""


async def test_no_more_than_the_limit_can_be_claimed(queue: Queue, limited: Limited) -> None:
    await asyncio.gather(*(queue.push(limited(3, 0)) for _ in range(20)))
    claims = await asyncio.gather(*(queue.claim(f"worker {n}", 5) for n in range(8)))
    assert sum(map(len, claims)) == 3
    assert await queue.value(BOOKED) == 0


async def test_each_finish_lets_one_in_until_all_have_run(queue: Queue, limited: Limited) -> None:
    pushed = [await queue.push(limited(2, 0)) for _ in range(15)]
    ran, most = 0, 0
    while running := await queue.claim(count=10):
        most = max(most, len(running))
        await asyncio.gather(*(queue.finish(job) for job in running))
        ran += len(running)
    assert (ran, most) == (len(pushed), 2)
    assert await queue.value(b"SELECT count(*) FROM concurrency_slot") == 0


async def test_many_finishing_at_once_never_overbook(queue: Queue, limited: Limited) -> None:
    for _ in range(60):
        await queue.push(limited(8, 0))

    async def worker(name: str) -> int:
        done = 0
        while claimed := await queue.claim(name, 2):
            running = await queue.value(b"SELECT count(*) FROM job_queue WHERE state = 'running'")
            assert running <= 8
            await asyncio.gather(*(queue.finish(job) for job in claimed))
            done += len(claimed)
        return done

    total = 0
    while await queue.value(b"SELECT count(*) FROM job_queue"):
        total += sum(await asyncio.gather(*(worker(f"worker {n}") for n in range(6))))
    assert total == 60


async def test_a_window_keeps_the_slot_after_the_end(queue: Queue, limited: Limited) -> None:
    await queue.push(limited(1, 60))
    await queue.push(limited(1, 60))
    [first] = await queue.claim()
    await queue.finish(first)
    assert await queue.claim() == [], "the slot is taken for the rest of the minute"
    queue.database.clock_offset = timedelta(seconds=61)
    async with queue.database.transaction() as tx:
        assert await (await stored.waiting_keys(tx)).fetchall() == [{"key": "w/key"}]
        assert await limits.fill(tx, "w/key") == ["bash"]
    assert len(await queue.claim()) == 1


async def test_cancelling_a_claimable_job_frees_its_slot(queue: Queue, limited: Limited) -> None:
    first = await queue.push(limited(1, 0))
    second = await queue.push(limited(1, 0))
    assert (await queue.state(first), await queue.state(second)) == ("available", "held")
    async with queue.database.transaction() as tx:
        done = await cancel(tx, "w", first, "bob", "")
    assert done.promoted == ["bash"]
    assert await queue.state(second) == "available"


async def test_cancelling_a_held_job_frees_nothing(queue: Queue, limited: Limited) -> None:
    first, second, third = [await queue.push(limited(1, 0)) for _ in range(3)]
    async with queue.database.transaction() as tx:
        await cancel(tx, "w", second, "bob", "")
    assert (await queue.state(first), await queue.state(third)) == ("available", "held")


async def test_a_rescued_job_keeps_its_slot(queue: Queue, limited: Limited) -> None:
    await queue.push(limited(1, 0))
    await queue.push(limited(1, 0))
    await queue.claim()
    queue.database.clock_offset = timedelta(seconds=16)
    async with queue.database.transaction() as tx:
        assert len((await rescue(tx)).again) == 1
    assert len(await queue.claim(count=5)) == 1
    assert await queue.value(BOOKED) == 0


async def test_a_scheduled_job_takes_no_slot_before_its_time(queue: Queue) -> None:
    limit = Limit(key="w/key", slots=1)
    later = await queue.push(new_job(limit=limit, scheduled_in_s=60))
    now = await queue.push(new_job(limit=limit))
    assert (await queue.state(later), await queue.state(now)) == ("scheduled", "available")
    queue.database.clock_offset = timedelta(seconds=61)
    async with queue.database.transaction() as tx:
        assert await (await jobs.due(tx, 10)).fetchall() == [{"tag": "bash", "concurrency_key": "w/key"}]
    assert await queue.state(later) == "held"
