"""Bodies: bounded, and JSON that means one thing only. No database is asked."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from httpx2 import ASGITransport, AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from postmill.api.access import public
from postmill.api.body import new_router, parse
from postmill.model.errors import BadRequest
from tests.api.conftest import BASE

pytestmark = pytest.mark.anyio

MEGABYTE = 1024 * 1024


@pytest.fixture
async def client(bare_app: FastAPI) -> AsyncIterator[AsyncClient]:
    router = new_router("/test", "test")

    @router.post("/echo", dependencies=[public])
    async def echo(body: dict[str, Any] | list[Any]) -> Any:
        return body

    @router.post("/raw", dependencies=[public])
    async def raw(request: Request) -> int:
        return len(await request.body())

    @router.post("/any", dependencies=[public])
    async def any_json(request: Request) -> Any:
        return await request.json()

    bare_app.include_router(router, prefix="/api")
    async with AsyncClient(transport=ASGITransport(bare_app), base_url=BASE) as found:
        yield found


HOSTILE: dict[str, bytes] = {
    "a million deep": b"[" * 1_000_000,
    "objects a million deep": b'{"a":' * 200_000,
    "closed and 1,000 deep": b"[" * 1000 + b"]" * 1000,
    "digits": b"[" + b"1" * 2_000_000 + b"]",
    "NaN": b"[NaN]",
    "infinity": b"[-Infinity]",
    "beyond a double": b"[1e309]",
    "a long exponent": b"[-1e" + b"9" * 1_000_000 + b"]",
    "half a surrogate pair": b'["\\ud800"]',
    "the other half": b'["\\udfff"]',
    "a surrogate in UTF-8": b'["\xed\xa0\x80"]',
    "a key twice": b'{"a": 1, "b": {"c": 1, "c": 2}}',
    "a key twice, once escaped": b'{"a": 1, "\\u0061": 2}',
    "NUL": b'["a\\u0000b"]',
    "NUL in a key": b'{"\\u0000": 1}',
    "NUL after an escaped backslash": b'["\\\\\\u0000"]',
    "a raw control character": b'["\n"]',
    "no UTF-8": b'["\xff"]',
    "UTF-16": '["a"]'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf[]",
    "cut off": b'{"a":\n [1,',
    "trailing": b"[] []",
    "backslashes": b'["' + b"\\" * 1_999_900 + b'\\u0000"',
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("address", ["/api/test/echo", "/api/test/any", "/api/auth/login"])
async def test_hostile_json_is_refused(client: AsyncClient, name: str, address: str) -> None:
    begun = time.monotonic()
    response = await client.post(address, content=HOSTILE[name], headers={"Content-Type": "application/json"})
    assert (response.status_code, response.text.split(":")[0]) == (400, "Bad request")
    assert len(response.content) < 500
    # Generous: what is quadratic takes minutes.
    assert time.monotonic() - begun < 10


async def test_a_syntax_error_is_located(client: AsyncClient) -> None:
    response = await client.post(
        "/api/test/echo", content=b'{"a":\n [1,}', headers={"Content-Type": "application/json"}
    )
    assert "line 2 column 5" in response.text


@pytest.mark.parametrize(
    "text",
    [
        b'{"__proto__": {"a": 1}, "constructor": 2}',
        b'["\\ud83d\\ude00", "\\\\u0000", -0.0, 1e-400, 123456789012345678901234567890]',
        b"[" * 190 + b"]" * 190,
        b'{"a": {"b": 1}, "c": {"b": 1}}',
    ],
)
async def test_odd_but_sound_json_comes_back_as_it_went(client: AsyncClient, text: bytes) -> None:
    response = await client.post("/api/test/echo", content=text, headers={"Content-Type": "application/json"})
    assert response.status_code == 200
    assert response.json() == json.loads(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_what_json_prints_is_read_alike(value: Any) -> None:
    text = json.dumps(value).encode()
    try:
        assert parse(text) == value
    except BadRequest:
        assert "\\u0000" in text.decode()


@given(st.text('{}[]":,\\u0aeE+-.19dn tfrul\n', max_size=40))
def test_whatever_comes_is_a_value_or_a_bad_request(text: str) -> None:
    try:
        parse(text.encode())
    except BadRequest as error:
        assert "the body" in error.message


async def _chunks(size: int, announced: int = 65536) -> AsyncIterator[bytes]:
    for begin in range(0, size, announced):
        yield b" " * min(announced, size - begin)


@pytest.mark.parametrize("address", ["/api/test/echo", "/api/test/raw"])
async def test_a_body_over_the_limit_is_refused_announced_or_not(client: AsyncClient, address: str) -> None:
    headers = {"Content-Type": "application/json"}
    announced = await client.post(address, content=b" " * (2 * MEGABYTE + 1), headers=headers)
    streamed = await client.post(address, content=_chunks(3 * MEGABYTE), headers=headers)
    for response in (announced, streamed):
        assert response.status_code == 413
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert "the limit is 2097152" in response.text and "POSTMILL_MAX_BODY" in response.text
    assert "has 2097153 bytes" in announced.text


async def test_a_body_of_just_the_limit_is_taken(client: AsyncClient) -> None:
    for content in (b" " * 2 * MEGABYTE, _chunks(2 * MEGABYTE)):
        response = await client.post("/api/test/raw", content=content)
        assert (response.status_code, response.json()) == (200, 2 * MEGABYTE)


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "1.5", ""])
async def test_a_length_that_is_none_is_refused(client: AsyncClient, length: str) -> None:
    response = await client.post("/api/test/raw", headers={"Content-Length": length})
    assert response.status_code == 400


@pytest.mark.parametrize("address", ["/api/w/main%00/users/list", "/api/users/whoami?token=%00", "/%00"])
async def test_nul_in_an_address_is_refused(client: AsyncClient, address: str) -> None:
    response = await client.get(address)
    assert (response.status_code, "U+0000" in response.text) == (400, True)
