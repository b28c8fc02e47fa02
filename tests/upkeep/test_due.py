"""What is scheduled becomes claimable at its time; limits whose window is over let the next one in."""

from datetime import timedelta

import pytest

from postmill.model.job import Limit
from postmill.queue.wake import Wake
from postmill.upkeep.due import PERIOD_S, Due
from postmill.upkeep.forever import forever
from tests.queue.conftest import Queue, new_job

pytestmark = pytest.mark.anyio


async def test_a_scheduled_job_is_claimable_from_its_time_on(queue: Queue) -> None:
    job = await queue.push(scheduled_in_s=60)
    due = Due(queue.database, Wake(queue.database))
    assert await due.sweep() == PERIOD_S
    assert await queue.claim() == []
    queue.database.clock_offset = timedelta(seconds=61)
    await due.sweep()
    assert [claimed.id for claimed in await queue.claim()] == [job]


async def test_the_next_look_is_when_the_next_job_is_due(queue: Queue) -> None:
    await queue.push(scheduled_in_s=0.4)
    assert 0 < await Due(queue.database, Wake(queue.database)).sweep() <= 0.4


async def test_a_job_with_a_limit_is_let_in_by_the_sweep_alone(queue: Queue) -> None:
    """The net under promotion: a slot that became free without anybody noticing."""
    limit = Limit(key="w/key", slots=1)
    await queue.push(new_job(limit=limit))
    second = await queue.push(new_job(limit=limit))
    await queue.rows(b"DELETE FROM job_queue WHERE id <> %(id)s RETURNING id", id=second)
    await queue.rows(b"DELETE FROM concurrency_slot RETURNING key")
    await Due(queue.database, Wake(queue.database)).sweep()
    assert await queue.state(second) == "available"


async def test_a_sweep_that_fails_is_tried_again() -> None:
    calls = 0

    async def sweep() -> float:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise ZeroDivisionError
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await forever("test", sweep, pause_after_error_s=0)
    assert calls == 3
