"""Results that shape the answer of a webhook, and what they may not do."""

import asyncio
import base64
import json
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient

from postmill.api.reply import POLICY, reply
from postmill.model.job import BLOB_ROW, new_id
from postmill.store.db import Database
from tests.api.caller import PATH, Caller, finish_next
from tests.api.conftest import Person
from tests.queue.conftest import Queue

JOB = new_id()


def answer(**keys: Any) -> tuple[int, str | None, bytes]:
    """Status, type and body of the answer to a result with these members."""
    response = reply(json.dumps(keys), JOB)
    assert response is not None
    return response.status_code, response.headers.get("content-type"), bytes(response.body)


def refused(**keys: Any) -> str:
    status, kind, body = answer(**keys)
    assert (status, kind) == (502, "text/plain; charset=utf-8")
    text = body.decode()
    assert text.startswith(f"Bad reply: the job {JOB} has ended, but ")
    return text


@pytest.mark.parametrize("result", ["1", "null", '"wm_status_code"', '["wm_headers"]', '{"a": 1, "result": 2}', "{}"])
def test_a_result_without_reply_keys_is_the_answer_itself(result: str) -> None:
    assert reply(result, JOB) is None


@pytest.mark.parametrize("family", ["wm_", "windmill_"])
def test_both_families_set_status_type_headers_and_body(family: str) -> None:
    keys = {"status_code": 404, "content_type": "text/plain", "headers": {"X-Shop": "closed", "Retry-After": "5"}}
    response = reply(json.dumps({f"{family}{key}": value for key, value in keys.items()} | {"result": "né"}), JOB)
    assert response is not None
    assert (response.status_code, response.body) == (404, "né".encode())
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert (response.headers["x-shop"], response.headers["retry-after"]) == ("closed", "5")


@pytest.mark.parametrize(
    ("keys", "status", "kind", "body"),
    [
        ({"wm_status_code": 201, "result": {"a": 1.5}}, 201, "application/json", b'{"a": 1.5}'),
        ({"wm_status_code": 202}, 202, "application/json", b""),
        ({"wm_status_code": 204, "result": "dropped"}, 204, None, b""),
        ({"wm_status_code": 200, "result": "text"}, 200, "application/json", b'"text"'),
        ({"wm_content_type": "text/html", "result": "<b>"}, 200, "text/html; charset=utf-8", b"<b>"),
        ({"wm_content_type": "text/csv; header=present", "result": "a"}, 200, "text/csv; header=present", b"a"),
        ({"wm_content_type": "text/plain; charset=UTF-8", "result": [1]}, 200, "text/plain; charset=UTF-8", b"[1]"),
        ({"wm_content_type": "application/problem+json", "result": "x"}, 200, "application/problem+json", b'"x"'),
        ({"wm_content_type": "image/svg+xml", "result": "<svg/>"}, 200, "image/svg+xml", b"<svg/>"),
        ({"wm_content_type": "image/png", "result": "iVBOR/8="}, 200, "image/png", base64.b64decode("iVBOR/8=")),
        ({"wm_headers": {}, "result": None}, 200, "application/json", b"null"),
        ({"wm_status_code": None, "windmill_status_code": 418}, 418, "application/json", b""),
    ],
)
def test_the_body_follows_the_type(keys: dict[str, Any], status: int, kind: str | None, body: bytes) -> None:
    assert answer(**keys) == (status, kind, body)


def test_a_json_body_is_passed_on_as_it_was_written() -> None:
    response = reply('{"result": {"b": 1.10, "a": 12345678901234567890}, "wm_status_code": 200}', JOB)
    assert response is not None
    assert response.body == b'{"b": 1.10, "a": 12345678901234567890}'


@pytest.mark.parametrize("status", ["9999", "100", "199", "600", "-1", "200.5", '"200"', "true", "[]", "9" * 5000])
def test_a_status_that_is_none_is_a_clear_error(status: str) -> None:
    response = reply(f'{{"wm_status_code": {status}}}', JOB)
    assert response is not None
    assert response.status_code == 502


def test_the_error_names_what_was_wrong() -> None:
    assert "wm_status_code must be a whole number from 200 to 599, not 9999" in refused(wm_status_code=9999)


@pytest.mark.parametrize(
    "name",
    """
    Set-Cookie set-cookie Connection Keep-Alive Transfer-Encoding Upgrade Trailer TE Proxy-Authenticate Content-Length
    Content-Type Content-Encoding Content-Security-Policy Content-Security-Policy-Report-Only Clear-Site-Data
    Strict-Transport-Security Service-Worker-Allowed Access-Control-Allow-Origin Access-Control-Allow-Credentials
    Referrer-Policy Permissions-Policy Cross-Origin-Opener-Policy WWW-Authenticate Refresh Link Server Date Alt-Svc
    Report-To Reporting-Endpoints NEL SourceMap Speculation-Rules
    X-Frame-Options X-Content-Type-Options X-XSS-Protection X-Accel-Redirect X-Accel-Buffering X-Sendfile
    X-Lighttpd-Send-File X-Permitted-Cross-Domain-Policies X-DNS-Prefetch-Control X-WebKit-CSP X-Content-Security-Policy
    """.split(),
)
def test_headers_that_would_change_what_the_origin_is_are_refused_by_name(name: str) -> None:
    assert f"wm_headers: {name} is not for a job to set" in refused(wm_headers={name: "x"})


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"X-A": "a\r\nSet-Cookie: b=c"}, "a text of one line"),
        ({"X-A": "a\nb"}, "a text of one line"),
        ({"X-A": "a\0"}, "a text of one line"),
        ({"X-A": "€"}, "of Latin-1"),
        ({"X-A": 1}, "a text of one line"),
        ({"X-A": "x" * 8001}, "at most 8000 characters"),
        ({"X-A\r\nSet-Cookie": "b"}, "is no name of a header"),
        ({"X A": "b"}, "is no name of a header"),
        ({"": "b"}, "is no name of a header"),
        ([1], "must be an object"),
        ("X-A: b", "must be an object"),
        ({f"X-{number}": "" for number in range(51)}, "at most 50"),
    ],
)
def test_headers_that_are_none_are_a_clear_error(headers: Any, words: str) -> None:
    assert words in refused(wm_headers=headers)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("text/javascript", "would be a script of this server"),
        ("application/x-JavaScript; charset=utf-8", "would be a script of this server"),
        ("application/ecmascript", "would be a script of this server"),
        ("html", "must be a type such as text/html"),
        ("text/html\r\nSet-Cookie: a=b", "must be a type such as text/html"),
        ("text/html; charset=utf-7", "not as utf-7"),
        (5, "must be a type such as text/html"),
        ("text/html, text/javascript", "must be a type such as text/html"),
    ],
)
def test_types_that_are_none_or_a_script_are_refused(kind: Any, words: str) -> None:
    assert words in refused(wm_content_type=kind, result="x")


def test_bytes_that_are_no_base64_are_a_clear_error() -> None:
    assert "must be base64" in refused(wm_content_type="image/png", result="not base64!")


# Over HTTP ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ann(client: AsyncClient, admin: Person) -> Caller:
    return Caller(client, admin)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


async def _work(queue: Queue, result: str, *, success: bool = True) -> UUID:
    while await queue.value(b"SELECT count(*) FROM job_queue") == 0:
        await asyncio.sleep(0.01)
    return (await finish_next(queue, result, success=success)).id


@pytest.mark.anyio
async def test_html_is_answered_in_a_sandbox_without_an_origin(ann: Caller, queue: Queue) -> None:
    await ann.deploy()
    page = "<script>fetch('/api/users/whoami')</script>"
    result = json.dumps({"windmill_content_type": "text/html", "result": page})
    response, job = await asyncio.gather(
        ann.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"}), _work(queue, result)
    )
    assert (response.status_code, response.text) == (200, page)
    assert response.headers["content-security-policy"] == POLICY
    assert "sandbox" in POLICY and "script-src" not in POLICY and "allow-" not in POLICY
    assert response.headers["x-content-type-options"] == "nosniff"
    # The stored result is what the script returned, keys and all.
    assert (await ann.get(f"jobs_u/completed/get_result/{job}")).text == result


@pytest.mark.anyio
async def test_a_failure_can_shape_its_answer(ann: Caller, queue: Queue) -> None:
    await ann.deploy()
    result = '{"wm_failure": "no", "wm_status_code": 422, "result": {"problem": "no"}}'
    response, _ = await asyncio.gather(
        ann.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"}), _work(queue, result, success=False)
    )
    assert (response.status_code, response.json()) == (422, {"problem": "no"})


@pytest.mark.anyio
@pytest.mark.parametrize("padding", [0, BLOB_ROW - 30, BLOB_ROW - 25, BLOB_ROW])
async def test_a_large_file_is_answered_as_one_wherever_its_keys_stand(ann: Caller, queue: Queue, padding: int) -> None:
    await ann.deploy()
    content = bytes(range(256)) * 4096
    body = f'"result": "{base64.b64encode(content).decode()}"'
    result = f'{{"pad": "{"x" * padding}", "wm_content_type": "application/pdf", {body}}}'
    response, _ = await asyncio.gather(ann.post(f"jobs/run_wait_result/p/{PATH}", {"name": "x"}), _work(queue, result))
    assert (response.headers["content-type"], response.content == content) == ("application/pdf", True)
