"""Lists of jobs: each filter includes and excludes, pages, and values that want to break out."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient

from postmill.model.job import Result
from postmill.store.db import Database
from tests.api.caller import PATH, TAGS, Caller, finish_next
from tests.api.conftest import People, Person
from tests.queue.conftest import Queue

pytestmark = pytest.mark.anyio

LISTS = ("jobs/list", "jobs/queue/list", "jobs/completed/list")
ANY = "def main(**rest): ...\n"
FAILED = '{"error": {"name": "ValueError"}}'
REQUIRED = "id created_by created_at job_kind permissioned_as is_flow_step email visible_to_owner tag canceled".split()


@pytest.fixture
def ann(client: AsyncClient, admin: Person) -> Caller:
    return Caller(client, admin)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


async def ids(caller: Caller, address: str = "jobs/list", **query: Any) -> list[UUID]:
    return [UUID(job["id"]) for job in await caller.json(address, **query)]


async def test_queued_and_finished_jobs_are_in_their_lists(ann: Caller, queue: Queue) -> None:
    done = await ann.preview()
    await finish_next(queue)
    waits = await ann.preview()
    assert await ids(ann) == [waits, done]
    assert await ids(ann, "jobs/queue/list") == [waits]
    assert await ids(ann, "jobs/completed/list") == [done]
    for job in await ann.json("jobs/list"):
        assert [name for name in REQUIRED if job.get(name) is None] == []
    [finished] = await ann.json("jobs/completed/list")
    more = [name for name in ("started_at", "duration_ms", "success", "is_skipped") if finished.get(name) is None]
    assert (finished["type"], more) == ("CompletedJob", [])


async def test_pages_are_newest_first_and_zero_is_the_first(ann: Caller) -> None:
    pushed = [await ann.preview() for _ in range(5)][::-1]
    assert await ids(ann) == pushed
    assert await ids(ann, order_desc=False) == pushed[::-1]
    assert await ids(ann, page=0, per_page=2) == await ids(ann, page=1, per_page=2) == pushed[:2]
    assert await ids(ann, page=3, per_page=2) == pushed[4:]
    assert await ids(ann, page=4, per_page=2) == []
    assert await ids(ann, page=10**15, per_page=10**15) == []
    assert len(await ids(ann, per_page=0)) == 1


async def test_another_workspace_lists_none_of_it(ann: Caller, people: People) -> None:
    eve = Caller(ann.client, await people.add("eve", "admin", workspace="other"), "other")
    job = await ann.preview()
    for address in LISTS:
        assert await ids(eve, address) == []
    assert await ids(ann.elsewhere("other")) == []
    assert await ids(eve, parent_job=str(job)) == []


# Filters: two jobs are made, and the query lists the first of them and not the second --------------------------------

Pair = tuple[UUID, UUID]
Make = Callable[[Caller, Caller, Queue], Awaitable[Pair]]


async def by_people(ann: Caller, bob: Caller, queue: Queue) -> Pair:
    return await bob.preview(), await ann.preview()


async def by_path(ann: Caller, bob: Caller, queue: Queue) -> Pair:
    await ann.deploy(content=ANY, labels=["red"])
    await ann.deploy("f/b/other", ANY, labels=["blue"])
    return await ann.run(), await ann.run("f/b/other")


async def by_arguments(ann: Caller, bob: Caller, queue: Queue) -> Pair:
    await ann.deploy(content=ANY)
    return await ann.run(args={"n": 1, "deep": {"a": [1, 2]}}), await ann.run(args={"n": 2})


async def by_end(ann: Caller, bob: Caller, queue: Queue) -> Pair:
    first = await ann.preview()
    await finish_next(queue, '{"n": 1}', worker="wk-1")
    second = await ann.preview()
    await finish_next(queue, FAILED, success=False, worker="wk-2")
    return first, second


async def by_running(ann: Caller, bob: Caller, queue: Queue) -> Pair:
    first = await ann.preview()
    await queue.claim("wk-1")
    return first, await ann.preview()


async def by_time(ann: Caller, bob: Caller, queue: Queue) -> Pair:
    """One of an hour ago, one of now; both begun and ended at once."""
    queue.database.clock_offset = timedelta(hours=-1)
    first = await ann.preview()
    await finish_next(queue)
    queue.database.clock_offset = None
    second = await ann.preview()
    await finish_next(queue)
    return first, second


async def by_schedule(ann: Caller, bob: Caller, queue: Queue) -> Pair:
    return await ann.preview(), await ann.preview(scheduled_in_secs=3600)


async def by_parent(ann: Caller, bob: Caller, queue: Queue) -> Pair:
    parent = await ann.preview()
    return await ann.preview(parent_job=str(parent)), parent


async def by_cancel(ann: Caller, bob: Caller, queue: Queue) -> Pair:
    first = await ann.preview()
    await ann.post(f"jobs_u/queue/cancel/{first}")
    second = await ann.preview()
    await finish_next(queue)
    return first, second


def half_an_hour_ago() -> str:
    return (datetime.now(UTC) - timedelta(minutes=30)).isoformat()


FILTERS: list[tuple[Make, dict[str, Any], bool]] = [
    (by_people, {"created_by": "bob"}, True),
    (by_people, {"is_flow_step": True}, False),
    (by_path, {"script_path_exact": PATH}, True),
    (by_path, {"script_path_start": "f/a"}, True),
    (by_path, {"script_hash": "the first's"}, True),
    (by_path, {"label": "red"}, True),
    (by_arguments, {"args": '{"n": 1}'}, True),
    (by_arguments, {"args": '{"deep": {"a": [2]}}'}, True),
    (by_arguments, {"args": '{"n": 1.0}'}, True),
    (by_end, {"result": '{"n": 1}'}, True),
    (by_end, {"success": True}, True),
    (by_end, {"status": "success"}, True),
    (by_end, {"worker": "wk-1"}, True),
    (by_running, {"running": True}, True),
    (by_running, {"worker": "wk-1"}, True),
    (by_time, {"created_before": half_an_hour_ago}, True),
    (by_time, {"started_before": half_an_hour_ago}, True),
    (by_schedule, {"scheduled_for_before_now": True}, True),
    (by_parent, {"parent_job": "the second's"}, True),
    (by_parent, {"has_null_parent": False}, True),
    (by_cancel, {"status": "canceled"}, True),
]
# The same the other way round.
REVERSED: list[tuple[Make, dict[str, Any]]] = [
    (by_end, {"success": False}),
    (by_end, {"status": "failure"}),
    (by_running, {"running": False}),
    (by_time, {"created_after": half_an_hour_ago}),
    (by_time, {"started_after": half_an_hour_ago}),
    (by_schedule, {"scheduled_for_before_now": False}),
    (by_parent, {"has_null_parent": True}),
]


async def _query(ann: Caller, pair: Pair, query: dict[str, Any]) -> dict[str, Any]:
    """With what is known only now."""
    found = {name: value() if callable(value) else value for name, value in query.items()}
    if "script_hash" in found:
        found["script_hash"] = (await ann.job(pair[0]))["script_hash"]
    if "parent_job" in found:
        found["parent_job"] = str(pair[1])
    return found


@pytest.mark.parametrize(("make", "query", "includes"), FILTERS)
async def test_a_filter_includes_and_excludes(
    ann: Caller, people: People, queue: Queue, make: Make, query: dict[str, Any], includes: bool
) -> None:
    pair = await make(ann, Caller(ann.client, await people.add("bob")), queue)
    assert set(pair) <= set(await ids(ann))
    assert await ids(ann, **await _query(ann, pair, query)) == ([pair[0]] if includes else [])


@pytest.mark.parametrize(("make", "query"), REVERSED)
async def test_a_filter_includes_the_other(
    ann: Caller, people: People, queue: Queue, make: Make, query: dict[str, Any]
) -> None:
    pair = await make(ann, Caller(ann.client, await people.add("bob")), queue)
    assert await ids(ann, **await _query(ann, pair, query)) == [pair[1]]


async def test_filters_by_kind_tag_trigger_and_end(ann: Caller, queue: Queue) -> None:
    await ann.deploy()
    script, preview = await ann.run(), await ann.preview()
    assert await ids(ann, job_kinds="script,flow") == [script]
    assert await ids(ann, job_kinds="preview") == [preview]
    assert await ids(ann, job_kinds="flow") == []
    assert await ids(ann, tag="python3") == [script]
    assert await ids(ann, trigger_kind="api") == [preview, script]
    assert await ids(ann, trigger_kind="schedule") == []
    assert await ids(ann, suspended=True) == await ids(ann, is_skipped=True) == []
    assert await ids(ann, suspended=False) == await ids(ann, is_skipped=False) == [preview, script]
    assert await ids(ann, is_flow_step=False) == [preview, script]
    await finish_next(queue)
    assert await ids(ann, completed_after=half_an_hour_ago()) == [script]
    assert await ids(ann, completed_before=half_an_hour_ago()) == []
    assert await ids(ann, tag="python3", running=True) == []


HOSTILE = [
    "'",
    "'; DROP TABLE job; --",
    '"',
    "%",
    "%s",
    "%(id)s",
    "_",
    "\\",
    "\u20ac\U0001f600",
    "x" * 10_000,
    "1 OR 1=1",
]
TEXTS = "created_by label worker script_path_exact script_path_start job_kinds tag trigger_kind".split()


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", TEXTS)
async def test_a_hostile_value_finds_nothing(ann: Caller, name: str, value: str) -> None:
    await ann.deploy()
    await ann.run()
    assert await ids(ann, **{name: value}) == []


REFUSED: dict[str, list[str]] = {
    "parent_job": ["x", "1"],
    "script_hash": ["x", "g" * 16, "1" * 17],
    "created_before": ["yesterday", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2024-01-01T00:00:00"],
    "running": ["maybe"],
    "args": ["{", "", '{"a": NaN}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": 1e999}', "[" * 9000],
    "result": ["{", '{"a": "\\u0000"}', '{"a": "\\ud800"}'],
    "status": ["done"],
    "page": ["x", "1.5"],
    "colour": ["red"],
    "all_workspaces": ["true"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
@pytest.mark.parametrize("address", LISTS)
async def test_what_cannot_be_a_filter_is_refused(ann: Caller, address: str, name: str, value: str) -> None:
    response = await ann.get(address, **{name: value})
    assert response.status_code == 400, response.text


@pytest.mark.parametrize("name", [*TEXTS, "args", "result", "parent_job"])
async def test_a_nul_in_the_address_is_refused(ann: Caller, name: str) -> None:
    response = await ann.client.get(f"/api/w/main/jobs/list?{name}=%00", headers=ann.person.bearer)
    assert response.status_code == 400


@pytest.mark.parametrize("value", ['{"n": 1}', '{"n": 1e-30000}', "5", '"text"', "null", '{"a": "%"}', "1" * 4000])
@pytest.mark.parametrize("name", ["args", "result"])
async def test_a_filter_by_json_meets_whatever_jobs_hold(ann: Caller, queue: Queue, name: str, value: str) -> None:
    """What one job took or gave, and Postgres cannot compare, hides that job from the filter and no other."""
    await ann.deploy(content=ANY)
    strange = '{"nul": "\\u0000", "half": "\\ud800", "tiny": 1e-30000, "n": 1}'
    for result in (strange, '"\\u0000"', "1e-30000", '{"n": 1}'):
        args = b'{"n": 1, "tiny": 1e-30000}' if result != '{"n": 1}' else b'{"n": 1}'
        response = await ann.post(f"jobs/run/p/{PATH}", content=args)
        [claimed] = await queue.claim(tags=TAGS)
        assert str(claimed.id) == response.text
        await queue.finish(claimed, Result(status="success", result=result))
    response = await ann.get("jobs/list", **{name: value})
    assert response.status_code in (200, 400), response.text
    if value == '{"n": 1}':
        assert claimed.id in await ids(ann, **{name: value})
