"""Streamed results and progress, as readers follow them."""

import asyncio
import base64
import json
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient

from postmill.api import updates
from postmill.api.services import Services
from postmill.auth.job_tokens import job_token
from postmill.auth.tokens import Wish
from postmill.engine.job_secrets import job_secrets
from postmill.model.errors import LostLease
from postmill.model.job import ClaimedJob, Result, new_id
from postmill.store import retention, streams
from postmill.store.db import Database
from tests.api.caller import PATH, TAGS, Caller, finish_next
from tests.api.conftest import People, Person
from tests.api.test_updates import events, stream, update
from tests.queue.conftest import Queue

pytestmark = pytest.mark.anyio


@pytest.fixture
def ann(client: AsyncClient, admin: Person) -> Caller:
    return Caller(client, admin)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


@pytest.fixture
async def job(ann: Caller, queue: Queue) -> ClaimedJob:
    """A running job."""
    await ann.preview()
    [claimed] = await queue.claim()
    return claimed


async def write(queue: Queue, job: ClaimedJob, *pieces: str, position: int = 0) -> None:
    for piece in pieces:
        async with queue.database.transaction() as tx:
            await streams.append(tx, job.id, job.lease, position, piece)
        position += len(piece)


# Streams --------------------------------------------------------------------------------------------------------------


async def test_a_stream_is_read_by_cursor_and_exactly_once(ann: Caller, queue: Queue, job: ClaimedJob) -> None:
    await write(queue, job, "one ", "two ")
    found = await update(ann, job.id, stream_offset=0)
    assert (found["new_result_stream"], found["stream_offset"], "new_logs" in found) == ("one two ", 8, False)
    await write(queue, job, "€3", position=8)
    found = await update(ann, job.id, stream_offset=6, running=True)
    assert (found["new_result_stream"], found["stream_offset"]) == ("o €3", 10)
    await queue.finish(job, Result(status="success", result='"one two €3"'))
    found = await update(ann, job.id, stream_offset=10)
    assert ("new_result_stream" in found, found["completed"]) == (False, True)


async def test_a_long_poll_that_names_no_stream_offset_is_not_told_it_each_time(
    ann: Caller, queue: Queue, job: ClaimedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "HOLD_S", 0.2)
    await write(queue, job, "one")
    assert await update(ann, job.id, running=True) == {"running": True, "completed": False, "log_offset": 0}


@pytest.mark.parametrize("only_result", [True, False])
async def test_events_tell_the_stream_as_it_comes_and_the_result_at_the_end(
    ann: Caller, queue: Queue, job: ClaimedJob, only_result: bool
) -> None:
    async def work() -> None:
        for number in range(5):
            await write(queue, job, f"{number};", position=2 * number)
            await asyncio.sleep(0.01)
        await queue.finish(job, Result(status="success", result='"0;1;2;3;4;"'))

    found, _ = await asyncio.gather(stream(ann, job.id, only_result=only_result), work())
    assert "".join(event.get("new_result_stream", "") for event in found) == "0;1;2;3;4;"
    last = found[-1]
    assert (last["only_result"] if only_result else last["job"]["result"]) == "0;1;2;3;4;"


async def test_a_stream_longer_than_an_event_comes_in_several(
    ann: Caller, queue: Queue, job: ClaimedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "MAX_LOG", 1000)
    await write(queue, job, *("\u20ac" * 700 for _ in range(20)))
    await queue.finish(job)
    found = await stream(ann, job.id)
    assert "".join(event.get("new_result_stream", "") for event in found) == "\u20ac" * 14_000
    assert max(len(event.get("new_result_stream", "")) for event in found) == 1000
    assert [event for event in found if event.get("completed")] == found[-1:]


async def test_only_the_owner_of_the_lease_writes_a_stream(queue: Queue, job: ClaimedJob) -> None:
    await write(queue, job, "one")
    # An answer was lost: the same piece again changes nothing.
    await write(queue, job, "one")
    await queue.rows(b"UPDATE job_queue SET lease = lease + 1 RETURNING id")
    with pytest.raises(LostLease):
        await write(queue, job, "two", position=3)
    assert await queue.rows(b"SELECT position, content FROM job_stream") == [{"position": 0, "content": "one"}]


async def test_the_next_attempt_goes_on_where_the_stream_ended(queue: Queue, job: ClaimedJob) -> None:
    await write(queue, job, "one ", "€")
    await queue.rows(
        b"UPDATE job_queue SET state = 'available', worker = NULL, lease_until = NULL, started_at = NULL RETURNING id"
    )
    [again] = await queue.claim("two")
    assert (job.stream_position, again.stream_position) == (0, 5)


async def test_a_stream_is_deleted_with_the_result(ann: Caller, queue: Queue) -> None:
    await ann.deploy(delete_after_secs=0)
    job = await ann.run()
    [claimed] = await queue.claim(tags=TAGS)
    await write(queue, claimed, "secret")
    await queue.finish(claimed)
    async with queue.database.transaction() as tx:
        await retention.delete_after(tx, 10)
    assert await queue.value(b"SELECT count(*) FROM job_stream") == 0
    assert "new_result_stream" not in await update(ann, job, stream_offset=0)


async def test_a_stream_is_for_who_may_see_the_job(ann: Caller, people: People, queue: Queue, job: ClaimedJob) -> None:
    await write(queue, job, "one")
    eve = Caller(ann.client, await people.add("eve", "admin", workspace="other"), "other")
    assert (await eve.get(f"jobs_u/getupdate/{job.id}", stream_offset=0)).status_code == 404


# Run and stream -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["p", "h"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_run_is_followed_in_the_same_request(ann: Caller, queue: Queue, way: str, method: str) -> None:
    hash_ = await ann.deploy()
    address = f"jobs/run_and_stream/{way}/{PATH if way == 'p' else hash_}"

    async def work() -> ClaimedJob:
        while not (claimed := await queue.claim(tags=TAGS)):
            await asyncio.sleep(0.01)
        await write(queue, claimed[0], "one ", "two")
        await queue.finish(claimed[0], Result(status="success", result='"one two"'))
        return claimed[0]

    if method == "POST":
        asked = ann.post(address, {"name": "x"}, poll_delay_ms=10)
    else:
        asked = ann.get(address, payload=base64.b64encode(b'{"name": "x"}').decode())
    response, claimed = await asyncio.gather(asked, work())
    first, *found = events(response.text)
    assert first == {"type": "ping", "job_id": str(claimed.id)}
    assert "".join(event.get("new_result_stream", "") for event in found) == "one two"
    assert (found[-1]["completed"], found[-1]["only_result"]) == (True, "one two")
    assert json.loads(claimed.args) == {"name": "x"}


async def test_what_cannot_be_run_is_not_streamed(ann: Caller, queue: Queue) -> None:
    await ann.deploy()
    address = f"jobs/run_and_stream/p/{PATH}"
    assert (await ann.post(address, {})).status_code == 400
    assert (await ann.post(address, {"name": "x"}, poll_delay_ms=-1)).status_code == 400
    await ann.run()
    assert (await ann.post(address, {"name": "x"}, queue_limit=1)).status_code == 429
    assert (await ann.post("jobs/run_and_stream/p/f/a/none", {})).status_code == 404
    assert await queue.value(b"SELECT count(*) FROM job") == 1


async def test_streaming_a_run_takes_the_right_to_run_it(ann: Caller, people: People) -> None:
    hash_ = await ann.deploy()
    bob = await people.add("bob")
    other = Caller(ann.client, await people.with_token(bob.email, Wish(scopes=("jobs:run:scripts:f/other/*",))))
    for address in (f"p/{PATH}", f"h/{hash_}"):
        assert (await other.post(f"jobs/run_and_stream/{address}", {"name": "x"})).status_code == 403


# Progress -------------------------------------------------------------------------------------------------------------


async def say(caller: Caller, job: UUID, percent: Any, **more: Any) -> tuple[int, str]:
    response = await caller.post(f"job_metrics/set_progress/{job}", {"percent": percent, **more})
    return response.status_code, response.text


async def test_progress_only_grows_and_a_success_is_a_hundred(ann: Caller, queue: Queue, job: ClaimedJob) -> None:
    async def known() -> Any:
        return await ann.json(f"job_metrics/get_progress/{job.id}")

    assert await known() is None
    for percent, stands in ((10, 10), (5, 10), (40, 40), (100, 99)):
        assert await say(ann, job.id, percent) == (200, str(stands))
        assert await known() == stands
    await queue.finish(job)
    assert await known() == 100
    assert (await say(ann, job.id, 50))[0] == 409


async def test_the_progress_of_a_failure_stays_where_it_was(ann: Caller, queue: Queue, job: ClaimedJob) -> None:
    await say(ann, job.id, 40)
    await queue.finish(job, Result(status="failure", result='{"error": {}}'))
    assert await ann.json(f"job_metrics/get_progress/{job.id}") == 40


async def test_a_job_that_said_nothing_has_none(ann: Caller, queue: Queue) -> None:
    job = await ann.preview()
    assert (await say(ann, job, 10))[0] == 409
    await finish_next(queue)
    assert await ann.json(f"job_metrics/get_progress/{job}") is None


@pytest.mark.parametrize("percent", [-1, 101, 1.5, "5", None, True])
async def test_what_is_no_percentage_is_refused(ann: Caller, job: ClaimedJob, percent: Any) -> None:
    assert (await say(ann, job.id, percent))[0] == 400


async def test_the_flow_must_be_the_one_that_started_the_job(ann: Caller, queue: Queue) -> None:
    parent = new_id()
    await ann.preview(parent_job=str(parent))
    [child] = await queue.claim()
    assert await say(ann, child.id, 10, flow_job_id=str(parent)) == (200, "10")
    assert await say(ann, child.id, 20, flow_job_id=None) == (200, "20")
    assert (await say(ann, child.id, 30, flow_job_id=str(new_id())))[0] == 400


async def test_progress_is_said_by_the_job_itself_and_by_who_may_write_it(
    ann: Caller, people: People, services: Services, job: ClaimedJob
) -> None:
    token = job_token(services.job_token_key, job.id, job.lease, "main")
    itself = Caller(ann.client, Person(ann.person.email, token))
    assert await say(itself, job.id, 10) == (200, "10")
    bob = await people.add("bob")
    reads = Caller(ann.client, await people.with_token(bob.email, Wish(scopes=("jobs:read",))))
    assert (await say(reads, job.id, 20))[0] == 403
    assert await reads.json(f"job_metrics/get_progress/{job.id}") == 10
    eve = Caller(ann.client, await people.add("eve", "admin", workspace="other"), "other")
    assert (await say(eve, job.id, 20))[0] == 404
    assert (await eve.get(f"job_metrics/get_progress/{job.id}")).status_code == 404


async def test_a_job_that_is_hidden_is_not_told(ann: Caller, people: People, queue: Queue) -> None:
    await ann.deploy(visible_to_runner_only=True)
    job = await ann.run()
    await queue.claim(tags=TAGS)
    bob = Caller(ann.client, await people.add("bob"))
    assert (await say(bob, job, 20))[0] == 404
    assert (await bob.get(f"job_metrics/get_progress/{job}")).status_code == 404


async def test_progress_is_news_for_those_who_ask_for_it(
    ann: Caller, queue: Queue, job: ClaimedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "HOLD_S", 0.2)
    await say(ann, job.id, 10)
    assert (await update(ann, job.id, running=True, get_progress=True))["progress"] == 10
    assert "progress" not in await update(ann, job.id, running=True)

    async def work() -> None:
        for percent in (20, 30):
            await asyncio.sleep(0.05)
            await say(ann, job.id, percent)
        await asyncio.sleep(0.05)
        await queue.finish(job)

    found, quiet, _ = await asyncio.gather(
        stream(ann, job.id, get_progress=True), stream(ann, job.id, running=True), work()
    )
    told = [event["progress"] for event in found if "progress" in event]
    assert (told[0], told[-1], told) == (10, 100, sorted(told))
    assert [event for event in quiet if "progress" in event] == []


# Labels ---------------------------------------------------------------------------------------------------------------


async def test_labels_of_the_result_are_labels_of_the_job(ann: Caller, queue: Queue) -> None:
    await ann.deploy(labels=["own", "both"])
    job = await ann.run()
    [claimed] = await queue.claim(tags=TAGS)
    await queue.finish(claimed, Result(status="success", result="1", labels=("new", "both", "last")))
    assert (await ann.job(job))["labels"] == ["own", "both", "new", "last"]
    for label in ("own", "new", "last"):
        [found] = await ann.json("jobs/list", label=label)
        assert (found["id"], found["labels"]) == (str(job), ["own", "both", "new", "last"])
    assert await ann.json("jobs/list", label="other") == []


async def test_a_cached_result_brings_its_labels(ann: Caller, queue: Queue) -> None:
    await ann.deploy(cache_ttl=60)
    await ann.run()
    [claimed] = await queue.claim(tags=TAGS)
    await queue.finish(claimed, Result(status="success", result="1", labels=("new",)))
    cached = await ann.job(await ann.run())
    assert (cached["cached"], cached["labels"]) == (True, ["new"])


async def test_a_cancelled_job_gets_no_labels(ann: Caller, queue: Queue, job: ClaimedJob) -> None:
    await ann.post(f"jobs_u/queue/cancel/{job.id}")
    await queue.finish(job, Result(status="success", result="1", labels=("new",)))
    assert (await ann.job(job.id))["labels"] == []


async def test_a_version_with_a_password_brings_its_schema_to_the_worker(ann: Caller, queue: Queue) -> None:
    properties = {"name": {"type": "string", "password": True}}
    await ann.deploy(schema={"type": "object", "properties": properties})
    await ann.deploy("f/a/other")
    for path, secrets in ((PATH, ("token", "Bob")), ("f/a/other", ("token",))):
        await ann.run(path)
        [claimed] = await queue.claim(tags=TAGS)
        assert job_secrets(claimed, "token") == secrets
