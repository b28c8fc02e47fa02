"""Following a job: held until there is news, by cursor, over a log that grows while it is read."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient

from postmill.api import updates
from postmill.api.services import Services
from postmill.model.job import ClaimedJob, Result, new_id
from postmill.store import jobs, retention
from postmill.store.db import Database
from postmill.store.listen import CHANGED, listen
from postmill.store.migrate import Logins
from tests.api.caller import Caller, finish_next
from tests.api.conftest import People, Person
from tests.queue.conftest import Queue

pytestmark = pytest.mark.anyio

# Characters that take one to four bytes, and ones that JSON, SSE and SQL treat specially.
ALPHABET = "ab \n\r\t\"\\%'\u00e9\u20ac\U0001f600\u2028\x1b"


@pytest.fixture
def ann(client: AsyncClient, admin: Person) -> Caller:
    return Caller(client, admin)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


@pytest.fixture
async def listening(services: Services, clean: Logins) -> AsyncIterator[Services]:
    """The services with notifications, as a server has them."""
    watchers = services.watchers
    task = asyncio.create_task(listen(clean.system_url, [CHANGED], watchers.on_payload, watchers.on_connection))
    while not watchers.listening:
        await asyncio.sleep(0.01)
    yield services
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Log:
    """The log of one running job, as its worker writes it."""

    def __init__(self, queue: Queue, job: ClaimedJob) -> None:
        self._queue = queue
        self.job = job
        self.text = ""

    async def write(self, text: str) -> None:
        async with self._queue.database.transaction() as tx:
            await jobs.append_log(tx, self.job.id, self.job.lease, len(self.text), text)
        self.text += text

    async def end(self, result: str = "1") -> None:
        await self._queue.finish(self.job, Result(status="success", result=result))


@pytest.fixture
async def log(ann: Caller, queue: Queue) -> Log:
    await ann.preview()
    [claimed] = await queue.claim()
    return Log(queue, claimed)


async def update(ann: Caller, job: UUID, **cursor: Any) -> dict[str, Any]:
    found: dict[str, Any] = await ann.json(f"jobs_u/getupdate/{job}", **cursor)
    return found


async def read_to_the_end(ann: Caller, job: UUID, offset: int = 0) -> str:
    """Poll as a client does: with the last offset, until the job has ended."""
    text = ""
    running: bool | None = None
    while True:
        cursor: dict[str, Any] = {"log_offset": offset} | ({} if running is None else {"running": running})
        found = await update(ann, job, **cursor)
        text += str(found.get("new_logs", ""))
        assert found["log_offset"] == offset + len(found.get("new_logs", ""))
        offset, running = found["log_offset"], found["running"]
        if found["completed"]:
            return text


def events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, read as the standard says: blocks of lines, each `data: …`."""
    *blocks, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")
    assert rest == ""
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks), text
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


async def stream(ann: Caller, job: UUID, **cursor: Any) -> list[dict[str, Any]]:
    response = await ann.get(f"jobs_u/getupdate_sse/{job}", **cursor)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    return events(response.text)


# Long-poll ------------------------------------------------------------------------------------------------------------


async def test_news_are_told_at_once(ann: Caller, queue: Queue, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "HOLD_S", 1000.0)
    await log.write("one\n")
    found = await update(ann, log.job.id)
    assert (found["running"], found["completed"], found["new_logs"], found["log_offset"]) == (True, False, "one\n", 4)
    assert (await update(ann, log.job.id, running=False, log_offset=4))["running"] is True
    await log.end()
    assert (await update(ann, log.job.id, running=True, log_offset=4))["completed"] is True


async def test_without_news_it_is_held_and_then_answers(ann: Caller, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "HOLD_S", 0.3)
    found = await update(ann, log.job.id, running=True, log_offset=0)
    assert found == {"running": True, "completed": False, "log_offset": 0}


@pytest.mark.parametrize("change", ["log", "end", "start"])
async def test_it_is_held_until_something_changes(
    ann: Caller, queue: Queue, listening: Services, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(updates, "HOLD_S", 1000.0)
    job = await ann.preview()
    if change != "start":
        [claimed] = await queue.claim()
        log = Log(queue, claimed)
    held = asyncio.create_task(update(ann, job, running=change != "start", log_offset=0))
    while str(job) not in listening.watchers._watches:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert not held.done()
    match change:
        case "log":
            await log.write("news")
        case "end":
            await log.end()
        case "start":
            await queue.claim()
    listening.wake.changed([job])
    found = await held
    assert (found.get("new_logs"), found["completed"], found["running"]) == {
        "log": ("news", False, True),
        "end": (None, True, False),
        "start": (None, False, True),
    }[change]
    assert listening.watchers._watches == {}


@pytest.mark.parametrize("seed", range(6))
async def test_a_log_of_random_pieces_is_read_exactly_once(ann: Caller, log: Log, seed: int) -> None:
    chance = random.Random(seed)

    async def write() -> None:
        for _ in range(chance.choice([1, 30, 60])):
            length = chance.choice([1, 2, 17, 3000, 70_000])
            await log.write("".join(chance.choices(ALPHABET, k=length)))
            await asyncio.sleep(0)
        await log.end()

    text, _ = await asyncio.gather(read_to_the_end(ann, log.job.id), write())
    assert text == log.text
    for _ in range(5):
        offset = chance.randrange(len(log.text) + 1)
        assert await read_to_the_end(ann, log.job.id, offset) == log.text[offset:]
    streamed = await stream(ann, log.job.id)
    assert "".join(event.get("new_logs", "") for event in streamed) == log.text
    assert (await ann.get(f"jobs_u/get_logs/{log.job.id}")).content == log.text.encode()
    assert (await ann.job(log.job.id))["logs"] == log.text


async def test_a_log_of_many_small_pieces_is_whole_at_the_end(ann: Caller, log: Log) -> None:
    for number in range(100):
        await log.write(f"{number}\n")
    await log.end()
    assert await read_to_the_end(ann, log.job.id) == log.text
    streamed = await stream(ann, log.job.id)
    assert "".join(event.get("new_logs", "") for event in streamed) == log.text
    assert streamed[-1]["completed"] is True


async def test_a_log_longer_than_an_event_comes_in_several(
    ann: Caller, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "MAX_LOG", 1000)
    for _ in range(3):
        await log.write("\u20ac" * 2500)
    await log.end()
    assert await read_to_the_end(ann, log.job.id) == log.text
    streamed = await stream(ann, log.job.id)
    assert [len(event["new_logs"]) for event in streamed if "new_logs" in event] == [1000] * 7 + [500]


async def test_an_offset_beyond_the_end_reads_nothing(ann: Caller, log: Log) -> None:
    await log.write("one")
    await log.end()
    found = await update(ann, log.job.id, log_offset=1000)
    assert (found.get("new_logs"), found["completed"], found["log_offset"]) == (None, True, 1000)
    for offset in ("-1", "x", 10**20):
        assert (await ann.get(f"jobs_u/getupdate/{log.job.id}", log_offset=offset)).status_code == 400


async def test_a_log_can_be_left_out(ann: Caller, log: Log) -> None:
    await log.write("one")
    await log.end()
    found = await update(ann, log.job.id, no_logs=True)
    assert ("new_logs" in found, found["completed"]) == (False, True)


# Events ---------------------------------------------------------------------------------------------------------------


async def test_a_stream_ends_with_the_whole_job(ann: Caller, log: Log) -> None:
    await log.write("one\n")
    await log.end('{"b": 1.10}')
    *_, last = await stream(ann, log.job.id)
    assert (last["type"], last["completed"], last["running"]) == ("update", True, False)
    assert (last["new_logs"], last["log_offset"]) == ("one\n", 4)
    assert (last["job"]["type"], last["job"]["result"]) == ("CompletedJob", {"b": 1.1})
    assert (last["job"]["logs"], last["job"]["raw_code"]) == (None, None)


async def test_a_stream_survives_while_another_connection_writes(ann: Caller, log: Log, listening: Services) -> None:
    async def write() -> None:
        for number in range(40):
            await log.write(f"line {number}\n")
            listening.wake.changed([log.job.id])
            await asyncio.sleep(0.01)
        await log.end()
        listening.wake.ended([log.job.id])

    found, _ = await asyncio.gather(stream(ann, log.job.id), write())
    assert "".join(event.get("new_logs", "") for event in found) == log.text
    assert [event["type"] for event in found] == ["update"] * len(found)
    assert [event for event in found if event.get("completed")] == found[-1:]


async def test_only_the_result_is_told_when_that_is_asked_for(ann: Caller, log: Log) -> None:
    await log.write("one\n")
    waiting = asyncio.create_task(stream(ann, log.job.id, only_result=True))
    await asyncio.sleep(0.05)
    await log.end('{"b": 1.10}')
    [last] = await waiting
    assert (last["completed"], last["only_result"]) == (True, {"b": 1.1})
    assert {"new_logs", "job"} & set(last) == set()


async def test_a_large_result_is_told_whole(ann: Caller, log: Log) -> None:
    await log.end(json.dumps(["\u20ac" * 400_000]))
    [last] = await stream(ann, log.job.id, only_result=True)
    assert last["only_result"] == ["\u20ac" * 400_000]


async def test_line_ends_in_arguments_and_results_do_not_end_an_event(ann: Caller, queue: Queue) -> None:
    body = b'{"language": "bash", "content": "", "args": {"a":\r\n\r\n1}}'
    response = await ann.post("jobs/run/preview", content=body, headers={"Content-Type": "application/json"})
    await finish_next(queue, '{\n\n"b":\r\r"\\n"}')
    *_, last = await stream(ann, UUID(response.text))
    assert (last["job"]["args"], last["job"]["result"]) == ({"a": 1}, {"b": "\n"})
    *_, last = await stream(ann, UUID(response.text), only_result=True)
    assert last["only_result"] == {"b": "\n"}


async def test_a_stream_without_news_pings_and_ends_after_its_time(
    ann: Caller, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "STREAM_S", 0.5)
    monkeypatch.setattr(updates, "PING_S", 0.05)
    found = await stream(ann, log.job.id, running=True)
    assert {event["type"] for event in found[:-1]} == {"ping"}
    assert found[-1] == {"type": "timeout"}


async def test_a_reader_comes_back_with_its_cursor(ann: Caller, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    await log.write("one\n")
    monkeypatch.setattr(updates, "STREAM_S", 0.1)
    first = await stream(ann, log.job.id)
    assert first[-1] == {"type": "timeout"}
    offset = max(event.get("log_offset", 0) for event in first)
    await log.write("two\n")
    await log.end()
    second = await stream(ann, log.job.id, log_offset=offset)
    assert "".join(event.get("new_logs", "") for event in first + second) == log.text


async def test_what_is_not_there_is_told_as_an_event(ann: Caller, people: People, log: Log) -> None:
    assert await stream(ann, new_id()) == [{"type": "not_found"}]
    eve = Caller(ann.client, await people.add("eve", "admin", workspace="other"), "other")
    assert await stream(eve, log.job.id) == [{"type": "not_found"}]
    assert (await eve.get(f"jobs_u/getupdate/{log.job.id}")).status_code == 404


async def test_of_a_deleted_result_the_stream_tells_null(ann: Caller, queue: Queue) -> None:
    await ann.deploy(delete_after_secs=0)
    job = await ann.run()
    await finish_next(queue, '"secret"')
    async with queue.database.transaction() as tx:
        await retention.delete_after(tx, 10)
    [last] = await stream(ann, job, only_result=True)
    assert last["only_result"] is None
