"""Run and wait: the bare result, or where to find it later."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from httpx2 import ASGITransport, AsyncClient

from postmill.api.app import create_app
from postmill.api.services import Services
from postmill.model.job import BLOB_ROW, new_id
from postmill.store import retention
from postmill.store.db import Database
from tests.api.caller import HELLO, PATH, TAGS, Caller, finish_next
from tests.api.conftest import BASE, People, Person
from tests.queue.conftest import Queue

pytestmark = pytest.mark.anyio

# Over the 256 kB of a result that is kept in its row, in several rows of a blob, cut inside a character.
LARGE = '["' + "\u20ac" * BLOB_ROW + '"]'


@pytest.fixture
def ann(client: AsyncClient, admin: Person) -> Caller:
    return Caller(client, admin)


@pytest.fixture
async def hasty(services: Services, admin: Person, tmp_path: Path) -> AsyncIterator[Caller]:
    """Ann at a server that waits for a fifth of a second."""
    app = create_app(replace(services, settings=replace(services.settings, wait_timeout=0.2)), tmp_path / "no-ui")
    async with AsyncClient(transport=ASGITransport(app), base_url=BASE) as client:
        yield Caller(client, admin)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


async def _work(queue: Queue, result: str, *, success: bool = True) -> UUID:
    """Wait for one job, and end it."""
    while await queue.value(b"SELECT count(*) FROM job_queue") == 0:
        await asyncio.sleep(0.01)
    return (await finish_next(queue, result, success=success)).id


@pytest.mark.parametrize("way", ["p", "h", "preview"])
async def test_the_result_comes_back_bare(ann: Caller, queue: Queue, way: str) -> None:
    hash_ = await ann.deploy()
    address = {"p": f"p/{PATH}", "h": f"h/{hash_}", "preview": "preview"}[way]
    preview = {"language": "python3", "content": HELLO, "args": {"name": "x"}}
    body = preview if way == "preview" else {"name": "x"}
    response, _ = await asyncio.gather(
        ann.post(f"jobs/run_wait_result/{address}", body), _work(queue, '{"b": 1.10, "a":[1e2]}')
    )
    assert (response.status_code, response.content) == (200, b'{"b": 1.10, "a":[1e2]}')
    assert response.headers["content-type"] == "application/json"


async def test_an_error_is_a_result_too(ann: Caller, queue: Queue) -> None:
    await ann.deploy()
    error = '{"error": {"name": "ValueError", "message": "no", "stack": ""}}'
    response, _ = await asyncio.gather(
        ann.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"}), _work(queue, error, success=False)
    )
    assert (response.status_code, response.text) == (200, error)


async def test_a_large_result_is_the_same_whole(ann: Caller, queue: Queue) -> None:
    await ann.deploy()
    response, job = await asyncio.gather(ann.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"}), _work(queue, LARGE))
    assert response.content == LARGE.encode()
    assert (await ann.get(f"jobs_u/completed/get_result/{job}")).content == LARGE.encode()
    maybe = await ann.json(f"jobs_u/completed/get_result_maybe/{job}")
    assert maybe == {"started": True, "completed": True, "success": True, "result": json.loads(LARGE)}
    seen = await ann.job(job)
    assert seen["result_is_large"] is True
    assert seen["result"]["size"] == len(LARGE.encode())
    assert LARGE.startswith(seen["result"]["preview"])
    assert await queue.value(b"SELECT count(*) FROM blob") == 4


async def test_one_that_takes_too_long_answers_with_its_id(hasty: Caller, queue: Queue) -> None:
    await hasty.deploy()
    response = await hasty.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"})
    assert response.status_code == 504
    claimed = await finish_next(queue, '"late"')
    assert str(claimed.id) in response.text
    address = response.text.rpartition("/api/w/main/")[2]
    assert (await hasty.json(address))["result"] == "late"


async def test_arguments_are_checked_before_anything_waits(ann: Caller, queue: Queue) -> None:
    await ann.deploy()
    response = await ann.post(f"jobs/run_wait_result/p/{PATH}", {})
    assert (response.status_code, "name: is missing" in response.text) == (400, True)
    assert (await ann.post("jobs/run_wait_result/p/f/a/none", {})).status_code == 404
    assert await queue.value(b"SELECT count(*) FROM job") == 0


async def test_a_cancelled_job_answers_with_its_error(ann: Caller, queue: Queue) -> None:
    await ann.deploy()
    id = new_id()

    async def cancel() -> None:
        while (await ann.post(f"jobs_u/queue/cancel/{id}", {"reason": "enough"})).status_code == 404:
            await asyncio.sleep(0.01)

    response, _ = await asyncio.gather(
        ann.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"}, job_id=str(id)), cancel()
    )
    assert response.json()["error"] == {"name": "Canceled", "message": "canceled by ann: enough", "stack": ""}


async def test_a_cached_result_comes_at_once(hasty: Caller, queue: Queue) -> None:
    await hasty.deploy(cache_ttl=60)
    await hasty.run(args={"name": "x"})
    await finish_next(queue, '"xx"')
    response = await hasty.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"})
    assert (response.status_code, response.text) == (200, '"xx"')


async def test_a_repeated_request_waits_for_the_first_ones_job(hasty: Caller, ann: Caller, queue: Queue) -> None:
    await hasty.deploy()
    headers = {"Idempotency-Key": "k"}
    first = await hasty.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"}, headers=headers)
    assert first.status_code == 504
    second, job = await asyncio.gather(
        ann.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"}, headers=headers), _work(queue, '"xx"')
    )
    assert (second.status_code, second.text, str(job) in first.text) == (200, '"xx"', True)
    third = await hasty.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"}, headers=headers)
    assert third.text == '"xx"'


async def test_a_chosen_id_that_is_taken_is_refused(ann: Caller) -> None:
    await ann.deploy()
    job = await ann.run()
    response = await ann.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"}, job_id=str(job))
    assert response.status_code == 409


async def test_the_queue_limit_counts_what_waits(hasty: Caller, queue: Queue) -> None:
    await hasty.deploy()
    for _ in range(2):
        await hasty.run()

    async def ask(limit: int) -> int:
        response = await hasty.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"}, queue_limit=limit)
        assert ("retry-after" in response.headers) == (response.status_code == 429)
        return response.status_code

    assert await ask(2) == 429
    assert await ask(3) == 504
    await queue.claim(count=3, tags=TAGS)
    assert await ask(1) == 504


async def test_a_result_that_was_deleted_is_not_found(ann: Caller, queue: Queue) -> None:
    await ann.deploy(delete_after_secs=0)
    job = await ann.run()
    await finish_next(queue, LARGE)
    async with queue.database.transaction() as tx:
        assert await retention.delete_after(tx, 10) == [job]
    response = await ann.get(f"jobs_u/completed/get_result/{job}")
    assert (response.status_code, "delete_after_secs" in response.text) == (404, True)
    maybe = await ann.json(f"jobs_u/completed/get_result_maybe/{job}")
    assert maybe == {"started": True, "completed": True, "success": True, "result": None}
    seen = await ann.job(job)
    assert (seen["deleted"], seen["result"], seen["args"]) == (True, None, {})


async def test_get_result_maybe_has_its_four_keys_always(ann: Caller, queue: Queue) -> None:
    await ann.deploy()
    job = await ann.run()
    address = f"jobs_u/completed/get_result_maybe/{job}"
    assert await ann.json(address) == {"started": False, "completed": False, "success": None, "result": None}
    assert (await ann.get(f"jobs_u/completed/get_result/{job}")).status_code == 404
    [claimed] = await queue.claim(tags=TAGS)
    assert await ann.json(address) == {"started": True, "completed": False, "success": None, "result": None}
    await queue.finish(claimed)
    assert await ann.json(address) == {"started": True, "completed": True, "success": True, "result": 1}
    failed = await ann.run()
    await finish_next(queue, '{"error": 1}', success=False)
    found = await ann.json(f"jobs_u/completed/get_result_maybe/{failed}")
    assert found == {"started": True, "completed": True, "success": False, "result": {"error": 1}}


async def test_a_result_that_waits_is_not_somebody_elses(ann: Caller, people: People, queue: Queue) -> None:
    await ann.deploy(visible_to_runner_only=True)
    job = await ann.run()
    await finish_next(queue, LARGE)
    bob = Caller(ann.client, await people.add("bob"))
    eve = Caller(ann.client, await people.add("eve", "admin", workspace="other"), "other")
    for caller in (bob, eve):
        for address in ("get_result", "get_result_maybe", "get_timing", "get"):
            assert (await caller.get(f"jobs_u/completed/{address}/{job}")).status_code == 404
