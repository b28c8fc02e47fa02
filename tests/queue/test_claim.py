"""Who gets which job: order, tags, races."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from postmill.queue.rank import Ranks
from tests.queue.conftest import Queue, new_job

pytestmark = pytest.mark.anyio


async def test_a_job_is_claimed_once_however_many_ask(queue: Queue) -> None:
    pushed = {await queue.push() for _ in range(60)}
    claims = await asyncio.gather(*(queue.claim(f"worker {n}", 3) for n in range(30)))
    claimed = [job.id for jobs in claims for job in jobs]
    assert Counter(claimed).most_common(1)[0][1] == 1
    assert set(claimed) == pushed, "thirty workers with three slots each take all sixty at once"


async def test_the_claim_itself_writes_the_lease(queue: Queue) -> None:
    await queue.push()
    [job] = await queue.claim("one")
    row = (await queue.rows(b"SELECT *, lease_until > clock() + interval '14 s' AS fresh FROM job_queue"))[0]
    assert (row["state"], row["worker"], row["lease"], row["attempts"], row["fresh"]) == ("running", "one", 1, 1, True)
    assert (job.lease, job.attempts, job.log_position) == (1, 1, 0)


async def test_higher_priority_goes_first_then_rank_then_time(queue: Queue) -> None:
    late = await queue.push(rank=30)
    early = await queue.push(rank=10)
    urgent = await queue.push(priority=5, rank=90)
    assert [job.id for job in await queue.claim(count=3)] == [urgent, early, late]


async def test_a_worker_takes_its_own_tags_only(queue: Queue) -> None:
    python = await queue.push(tag="python3")
    await queue.push(tag="gpu")
    assert [job.id for job in await queue.claim(count=5, tags=("python3", "bash"))] == [python]


async def test_the_best_over_several_tags_comes_first(queue: Queue) -> None:
    second = await queue.push(tag="a", rank=2)
    first = await queue.push(tag="b", rank=1)
    assert [job.id for job in await queue.claim(count=2, tags=("a", "b"))] == [first, second]


async def test_a_job_for_one_worker_is_left_to_it(queue: Queue) -> None:
    job = await queue.push()
    await queue.rows(b"UPDATE job_queue SET only_worker = 'two' RETURNING id")
    assert await queue.claim("one") == []
    assert [claimed.id for claimed in await queue.claim("two")] == [job]


async def test_a_scheduled_job_is_not_claimed_before_its_time(queue: Queue) -> None:
    await queue.push(scheduled_in_s=3600)
    assert await queue.claim() == []


async def test_a_newcomer_is_not_kept_waiting_by_another_workspaces_flood(queue: Queue) -> None:
    ranks = Ranks()
    for _ in range(500):
        await _push_ranked(queue, ranks, "flood")
    taken = await queue.claim(count=100)
    async with queue.database.transaction() as tx:
        await ranks.refresh(tx)
    newcomer = new_job("newcomer")
    await queue.push(newcomer, rank=ranks.next("newcomer"))
    assert {job.workspace_id for job in taken} == {"flood"}
    assert newcomer.id in [job.id for job in await queue.claim(count=3)]


async def test_two_busy_workspaces_share_evenly(queue: Queue) -> None:
    ranks = Ranks()
    for _ in range(40):
        await _push_ranked(queue, ranks, "a")
    for _ in range(40):
        await _push_ranked(queue, ranks, "b")
    shares = Counter(job.workspace_id for job in await queue.claim(count=20))
    assert shares == {"a": 10, "b": 10}


async def test_jobs_of_one_workspace_keep_their_order_over_a_refresh(queue: Queue) -> None:
    ranks = Ranks()
    first = [await _push_ranked(queue, ranks, "w") for _ in range(5)]
    async with queue.database.transaction() as tx:
        await ranks.refresh(tx)
    then = [await _push_ranked(queue, ranks, "w") for _ in range(5)]
    assert [job.id for job in await queue.claim(count=10)] == [*first, *then]


async def _push_ranked(queue: Queue, ranks: Ranks, workspace: str) -> UUID:
    job = new_job(workspace)
    await queue.push(job, rank=ranks.next(workspace))
    return job.id
