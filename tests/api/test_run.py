"""Runs are queued: by path, by hash, as a preview; with what arguments, and under which settings."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient

from postmill.auth.tokens import Wish
from postmill.model.job import new_id
from postmill.store.db import Database
from tests.api.caller import HELLO, PATH, TAGS, Caller, finish_next
from tests.api.conftest import People, Person
from tests.queue.conftest import Queue

pytestmark = pytest.mark.anyio

ANY = "def main(**rest):\n    return rest\n"
# Key order, numbers as they were written, escapes and blanks: nothing of it may change.
TEXT = (
    rb'{"b": 1.10, "a": [1e2, 123456789012345678901234567890, -0.0],' + b"\n"
    rb'  "\u00e9": "\ud83d\ude00 \/ ok", "c": {"z":1, "y" : null}}'
)


@pytest.fixture
def ann(client: AsyncClient, admin: Person) -> Caller:
    return Caller(client, admin)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


async def test_a_run_answers_with_the_job_as_text(ann: Caller, queue: Queue) -> None:
    hash_ = await ann.deploy()
    for address, body in (
        (f"p/{PATH}", {"name": "Bob"}),
        (f"h/{hash_}", {"name": "Bob"}),
        ("preview", {"language": "python3", "content": HELLO, "args": {"name": "Bob"}}),
    ):
        response = await ann.post(f"jobs/run/{address}", body)
        assert response.status_code == 201
        assert response.headers["content-type"].startswith("text/plain")
        [claimed] = await queue.claim(tags=TAGS)
        assert (claimed.id, claimed.content) == (UUID(response.text), HELLO)
        assert json.loads(claimed.args) == {"name": "Bob"}


async def test_a_run_by_hash_runs_that_version(ann: Caller, queue: Queue) -> None:
    first = await ann.deploy()
    await ann.deploy(content="def main(): ...", parent_hash=first)
    assert (await ann.post(f"jobs/run/h/{first}", {"name": "x"})).status_code == 201
    [claimed] = await queue.claim(tags=TAGS)
    assert claimed.content == HELLO


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "name: is missing"),
        ({"name": "x", "times": "often"}, "times: expected a whole number"),
        ({"name": 5}, "name: expected text"),
        ({"name": None}, "name: expected text"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_and_nothing_is_queued(
    ann: Caller, queue: Queue, args: dict[str, Any], words: str
) -> None:
    hash_ = await ann.deploy()
    preview = {"language": "python3", "content": HELLO, "args": args}
    for address, body in ((f"p/{PATH}", args), (f"h/{hash_}", args), ("preview", preview)):
        response = await ann.post(f"jobs/run/{address}", body)
        assert response.status_code == 400
        assert words in response.text
    assert await queue.value(b"SELECT count(*) FROM job") == 0


async def test_an_unknown_argument_is_refused_by_a_strict_script_only(ann: Caller) -> None:
    await ann.deploy()
    await ann.run(args={"name": "x", "colour": "red"})
    await ann.deploy("f/a/strict", f"# strict\n{HELLO}")
    response = await ann.post("jobs/run/p/f/a/strict", {"name": "x", "colour": "red"})
    assert (response.status_code, "colour: the script has no such argument" in response.text) == (400, True)


async def test_a_library_does_not_run(ann: Caller) -> None:
    await ann.deploy("f/a/lib", "VALUE = 1")
    response = await ann.post("jobs/run/p/f/a/lib", {})
    assert (response.status_code, "library" in response.text) == (400, True)


async def test_what_is_not_there_does_not_run(ann: Caller) -> None:
    assert (await ann.post("jobs/run/p/f/a/none", {})).status_code == 404
    assert (await ann.post("jobs/run/h/ffffffffffffffff", {})).status_code == 404
    assert (await ann.post("jobs/run/h/nothing", {})).status_code == 400


async def test_arguments_are_kept_byte_for_byte(ann: Caller, queue: Queue) -> None:
    hash_ = await ann.deploy(content=ANY)
    preview = b'{"language": "python3", "args": ' + TEXT + b', "content": ' + json.dumps(ANY).encode() + b"}"
    headers = {"Content-Type": "application/json"}
    for address, body in ((f"p/{PATH}", TEXT), (f"h/{hash_}", TEXT), ("preview", preview)):
        job = (await ann.post(f"jobs/run/{address}", content=body, headers=headers)).text
        assert (await ann.get(f"jobs_u/get_args/{job}")).content == TEXT
        assert TEXT in (await ann.get(f"jobs_u/get/{job}")).content
        [claimed] = await queue.claim(tags=TAGS)
        assert claimed.args.encode() == TEXT


async def test_a_wrapped_body_is_kept_byte_for_byte(ann: Caller) -> None:
    await ann.deploy(content=ANY)
    job = (await ann.post(f"jobs/run/p/{PATH}", content=TEXT, wrap_body="true")).text
    assert (await ann.get(f"jobs_u/get_args/{job}")).content == b'{"body":' + TEXT + b"}"


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("content", "headers", "query", "expected"),
    [
        (b"a=1&b=x+y%C3%A9&empty=", FORM, {}, {"a": "1", "b": "x yé", "empty": ""}),
        (b"", FORM, {}, {}),
        (b"", {}, {}, {}),
        (b"[1, 2]", {}, {}, {"body": [1, 2]}),
        (b'"text"', {}, {}, {"body": "text"}),
        (b"null", {}, {}, {"body": None}),
        (b'{"a": 1}', {}, {"wrap_body": "true"}, {"body": {"a": 1}}),
        (b'{"a":  1}', {}, {"raw": "true"}, {"a": 1, "raw_string": '{"a":  1}'}),
        (b"a=1", FORM, {"raw": "true"}, {"a": "1", "raw_string": "a=1"}),
        (b"{}", {"X-One": "1"}, {"include_header": "X-One, x-two"}, {"X-One": "1", "x-two": None}),
        (b'{"a": 1}', {}, {"include_query": "b,c", "b": "2"}, {"a": 1, "b": "2", "c": None}),
        (b"[1]", {}, {"include_query": "b", "b": "2"}, {"body": [1], "b": "2"}),
    ],
)
async def test_a_webhooks_request_becomes_arguments(
    ann: Caller, content: bytes, headers: dict[str, str], query: dict[str, str], expected: dict[str, Any]
) -> None:
    await ann.deploy(content=ANY)
    response = await ann.post(f"jobs/run/p/{PATH}", content=content, headers=headers, **query)
    assert response.status_code == 201, response.text
    assert await ann.json(f"jobs_u/get_args/{response.text}") == expected


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"{", {}),
        (b'{"a": 1, "a": 2}', {}),
        (b'{"a": "\\u0000"}', {}),
        (b"\xff", {}),
        (b"a=%00", FORM),
        (b"a=1&" * 1001, FORM),
        (b"\xff=1", FORM),
        (b"--x", {"Content-Type": "multipart/form-data; boundary=x"}),
    ],
)
async def test_what_cannot_be_arguments_is_refused(ann: Caller, content: bytes, headers: dict[str, str]) -> None:
    await ann.deploy(content=ANY)
    response = await ann.post(f"jobs/run/p/{PATH}", content=content, headers=headers)
    assert response.status_code == 400, response.text


async def test_a_run_can_be_scheduled(ann: Caller, queue: Queue) -> None:
    await ann.deploy()
    time = datetime.now(UTC) + timedelta(hours=2)
    job = await ann.job(await ann.run(scheduled_for=time.isoformat()))
    assert datetime.fromisoformat(job["scheduled_for"]) == time
    later = await ann.job(await ann.run(scheduled_in_secs=3600))
    delay = datetime.fromisoformat(later["scheduled_for"]) - datetime.fromisoformat(later["created_at"])
    assert delay == timedelta(hours=1)
    assert await queue.claim(tags=TAGS) == []
    past = await ann.run(scheduled_for="2020-01-01T00:00:00Z")
    assert [claimed.id for claimed in await queue.claim(count=9, tags=TAGS)] == [past]


@pytest.mark.parametrize(
    "query",
    [
        {"scheduled_for": "tomorrow"},
        {"scheduled_for": "2020-01-01T00:00:00"},
        {"scheduled_for": "9999-12-31T23:59:59Z"},
        {"scheduled_in_secs": "-1"},
        {"scheduled_in_secs": 10**12},
        {"timeout": 0},
        {"cache_ttl": 0},
        {"job_id": "x"},
        {"parent_job": "x"},
        {"retry": "constant"},
        {"tag": "a,b"},
        {"tag": "x" * 51},
    ],
)
async def test_what_cannot_be_an_option_is_refused(ann: Caller, query: dict[str, Any]) -> None:
    await ann.deploy()
    response = await ann.post(f"jobs/run/p/{PATH}", {"name": "x"}, **query)
    assert response.status_code == 400
    assert next(iter(query)) in response.text


@pytest.mark.parametrize(
    ("template", "tag"),
    [
        ("special", "special"),
        ("$workspace", "main"),
        ("gpu-$args[size]", "gpu-large"),
        ("n$args[n]-$workspace", "n5-main"),
        ("$args[none]", "null"),
    ],
)
async def test_a_tag_is_filled_from_workspace_and_arguments(ann: Caller, template: str, tag: str) -> None:
    await ann.deploy(content=ANY, tag=template)
    job = await ann.run(args={"size": "large", "n": 5, "$workspace": "x"})
    assert (await ann.job(job))["tag"] == tag
    assert (await ann.job(await ann.run(args={}, tag="bash")))["tag"] == "bash"


async def test_a_filled_tag_is_checked_again(ann: Caller) -> None:
    await ann.deploy(content=ANY, tag="$args[size]")
    for size in ("a,b", "x" * 51, ""):
        response = await ann.post(f"jobs/run/p/{PATH}", {"size": size})
        assert (response.status_code, response.text.startswith("Bad request: tag")) == (400, True)


@pytest.mark.parametrize(("own", "asked", "expected"), [(None, None, 3600), (60, None, 60), (60, 30, 30), (60, 90, 60)])
async def test_the_shortest_timeout_counts(ann: Caller, own: int | None, asked: int | None, expected: int) -> None:
    await ann.deploy(timeout=own)
    query: dict[str, Any] = {"timeout": asked} if asked else {}
    assert (await ann.job(await ann.run(**query)))["timeout"] == expected


async def test_a_job_id_may_be_chosen_once(ann: Caller, people: People) -> None:
    await ann.deploy()
    id = new_id()
    assert await ann.run(job_id=str(id)) == id
    response = await ann.post(f"jobs/run/p/{PATH}", {"name": "x"}, job_id=str(id))
    assert (response.status_code, str(id) in response.text) == (409, True)
    eve = Caller(ann.client, await people.add("eve", workspace="other"), "other")
    response = await eve.post("jobs/run/preview", {"content": "", "language": "bash"}, job_id=str(id))
    assert response.status_code == 409
    assert (await ann.job(id))["workspace_id"] == "main"


async def test_an_idempotency_key_makes_one_job(ann: Caller, queue: Queue) -> None:
    await ann.deploy()
    headers = {"Idempotency-Key": "order 7"}

    async def ask(args: dict[str, Any]) -> tuple[int, str]:
        response = await ann.post(f"jobs/run/p/{PATH}", args, headers=headers)
        return response.status_code, response.text

    answers = await asyncio.gather(*(ask({"name": "x"}) for _ in range(20)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 201
    assert await queue.value(b"SELECT count(*) FROM job") == 1
    await finish_next(queue)
    assert await ask({"name": "x"}) == answers[0]
    status, text = await ask({"name": "y"})
    assert (status, "Idempotency-Key 'order 7' was used for another request" in text) == (409, True)
    assert await queue.value(b"SELECT count(*) FROM job") == 1


async def test_an_idempotency_key_is_not_spent_by_a_refused_request(ann: Caller) -> None:
    await ann.deploy()
    headers = {"Idempotency-Key": "k"}
    taken = await ann.run()
    refused: list[dict[str, Any]] = [{}, {"job_id": str(taken)}]
    for query, args in zip(refused, ({}, {"name": "x"}), strict=True):
        assert (await ann.post(f"jobs/run/p/{PATH}", args, headers=headers, **query)).status_code in (400, 409)
    assert (await ann.post(f"jobs/run/p/{PATH}", {"name": "z"}, headers=headers)).status_code == 201


async def test_the_same_code_in_another_language_is_another_request(ann: Caller) -> None:
    headers = {"Idempotency-Key": "k"}
    for language, status in (("bash", 201), ("python3", 409)):
        body = {"content": "x=1", "language": language}
        assert (await ann.post("jobs/run/preview", body, headers=headers)).status_code == status


@pytest.mark.parametrize("way", ["script", "query"])
async def test_a_cached_result_is_there_at_once(ann: Caller, queue: Queue, way: str) -> None:
    settings: dict[str, Any] = {"cache_ttl": 60}
    await ann.deploy(**settings if way == "script" else {})
    query = settings if way == "query" else {}
    await ann.run(args={"name": "x"}, **query)
    await finish_next(queue, '"xx"')
    hit = await ann.job(await ann.run(args={"name": "x"}, **query))
    assert (hit["type"], hit["success"], hit["result"], hit["cached"]) == ("CompletedJob", True, "xx", True)
    miss = await ann.job(await ann.run(args={"name": "y"}, **query))
    assert miss["type"] == "QueuedJob"
    queue.database.clock_offset = timedelta(seconds=61)
    assert (await ann.job(await ann.run(args={"name": "x"}, **query)))["type"] == "QueuedJob"


async def test_a_failure_is_not_cached_and_neither_is_another_version(ann: Caller, queue: Queue) -> None:
    first = await ann.deploy(cache_ttl=60)
    await ann.run()
    await finish_next(queue, '{"error": {}}', success=False)
    assert (await ann.job(await ann.run()))["type"] == "QueuedJob"
    await finish_next(queue)
    assert (await ann.job(await ann.run()))["type"] == "CompletedJob"
    await ann.deploy(content=HELLO + "#", parent_hash=first, cache_ttl=60)
    assert (await ann.job(await ann.run()))["type"] == "QueuedJob"


async def test_the_cache_is_refused_where_it_has_no_effect(ann: Caller) -> None:
    await ann.deploy(restart_unless_cancelled=True)
    preview = {"content": "true", "language": "bash"}
    for address, body in ((f"p/{PATH}", {"name": "x"}), ("preview", preview)):
        response = await ann.post(f"jobs/run/{address}", body, cache_ttl=5)
        assert (response.status_code, "cache_ttl" in response.text) == (400, True)


async def test_a_concurrency_limit_holds(ann: Caller, queue: Queue) -> None:
    await ann.deploy(concurrent_limit=2)
    pushed = [await ann.run() for _ in range(5)]
    claimed = await queue.claim(count=5, tags=TAGS)
    assert [job.id for job in claimed] == pushed[:2]
    await queue.finish(claimed[0])
    assert [job.id for job in await queue.claim(count=5, tags=TAGS)] == pushed[2:3]


async def test_a_concurrency_key_counts_by_argument(ann: Caller, queue: Queue) -> None:
    await ann.deploy(concurrent_limit=1, concurrency_key="user-$args[name]")
    names = ("a", "a", "b")
    pushed = [await ann.run(args={"name": name}) for name in names]
    assert {job.id for job in await queue.claim(count=5, tags=TAGS)} == {pushed[0], pushed[2]}


async def test_a_higher_priority_goes_first(ann: Caller, queue: Queue) -> None:
    await ann.deploy("f/a/low")
    await ann.deploy("f/a/high", priority=9)
    low, high = await ann.run("f/a/low"), await ann.run("f/a/high")
    assert [job.id for job in await queue.claim(count=2, tags=TAGS)] == [high, low]


async def test_operators_run_scripts_and_no_previews(ann: Caller, people: People) -> None:
    await ann.deploy()
    oz = Caller(ann.client, await people.add("oz", "operator"))
    await oz.run()
    for address in ("run/preview", "run_wait_result/preview"):
        assert (await oz.post(f"jobs/{address}", {"content": "", "language": "bash"})).status_code == 403


async def test_a_token_for_one_script_runs_it_by_path_and_hash_and_no_other(ann: Caller, people: People) -> None:
    hash_, other = await ann.deploy(), await ann.deploy("f/a/other")
    scopes = (f"jobs:run:scripts:{PATH}",)
    narrow = Caller(ann.client, await people.with_token(ann.person.email, Wish(scopes=scopes)))
    await narrow.run()
    assert (await narrow.post(f"jobs/run/h/{hash_}", {"name": "x"})).status_code == 201
    for address in ("p/f/a/other", f"h/{other}"):
        assert (await narrow.post(f"jobs/run/{address}", {"name": "x"})).status_code == 403
        assert (await narrow.post(f"jobs/run_wait_result/{address}", {"name": "x"})).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"content": "true"},
        {"language": "bash"},
        {"content": "true", "language": "cobol"},
        {"content": "true", "language": "bash", "path": "../x"},
        {"content": "true", "language": "bash", "script_hash": "00"},
        {"content": "true", "language": "bash", "kind": "tarbundle"},
        {"content": "true", "language": "bash", "args": [1]},
        [],
    ],
)
async def test_a_preview_that_cannot_be_is_refused(ann: Caller, body: Any) -> None:
    assert (await ann.post("jobs/run/preview", body)).status_code == 400


async def test_the_arguments_of_a_get_come_as_base64(ann: Caller, queue: Queue) -> None:
    await ann.deploy(content=ANY)
    for payload in (
        base64.b64encode(TEXT).decode(),
        base64.urlsafe_b64encode(TEXT).decode().rstrip("="),
    ):
        waiting = asyncio.create_task(ann.get(f"jobs/run_wait_result/p/{PATH}", payload=payload))
        while not (claimed := await queue.claim(tags=TAGS)):
            await asyncio.sleep(0.01)
        assert claimed[0].args.encode() == TEXT
        await queue.finish(claimed[0])
        assert (await waiting).content == b"1"
    for payload in ("x", "%%%", base64.b64encode(b"{").decode(), base64.b64encode(b"\xff").decode()):
        assert (await ann.get(f"jobs/run_wait_result/p/{PATH}", payload=payload)).status_code == 400
