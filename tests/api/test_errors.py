"""Errors as text, and what becomes of those that nobody expected."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from fastapi import FastAPI, Query
from fastapi.responses import StreamingResponse
from httpx2 import ASGITransport, AsyncClient

from postmill.api.access import public
from postmill.api.body import new_router
from postmill.model import errors
from tests.api.conftest import BASE

pytestmark = pytest.mark.anyio

EXPECTED = {
    "BadRequest": (400, "Bad request"),
    "NotAuthorized": (401, "Not authorized"),
    "PermissionDenied": (403, "Permission denied"),
    "NotFound": (404, "Not found"),
    "Conflict": (409, "Conflict"),
    "LostLease": (409, "Conflict"),
    "TooLarge": (413, "Too large"),
    "TooManyRequests": (429, "Too many requests"),
    "Unavailable": (503, "Unavailable"),
}


@pytest.fixture
async def client(bare_app: FastAPI) -> AsyncIterator[AsyncClient]:
    router = new_router("/test", "test")

    @router.get("/raise/{name}", dependencies=[public])
    async def raise_it(name: str) -> None:
        raise vars(errors)[name]("what happened; what helps \ud800")

    @router.get("/fault", dependencies=[public])
    async def fault() -> None:
        raise LookupError("the secret word is swordfish")

    @router.get("/half", dependencies=[public])
    async def half() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half"
            raise LookupError("broken off")

        return StreamingResponse(pieces())

    @router.get("/number", dependencies=[public])
    async def number(n: Annotated[int, Query(ge=1)], m: int = 0) -> int:
        return n + m

    bare_app.include_router(router, prefix="/api")
    async with AsyncClient(transport=ASGITransport(bare_app), base_url=BASE) as found:
        yield found


@pytest.mark.parametrize("name", EXPECTED)
async def test_each_error_has_its_status_and_is_text(client: AsyncClient, name: str) -> None:
    response = await client.get(f"/api/test/raise/{name}")
    status, prefix = EXPECTED[name]
    assert (response.status_code, response.text) == (status, f"{prefix}: what happened; what helps ?")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert ("www-authenticate" in response.headers) == (status == 401)
    assert ("retry-after" in response.headers) == (status in (429, 503))


def test_every_error_of_the_tree_is_decided_upon() -> None:
    kinds = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.PostmillError)
    }
    assert kinds - set(EXPECTED) == {"PostmillError", "SandboxError"}


@pytest.mark.parametrize("address", ["/api/test/fault", "/api/test/raise/SandboxError"])
async def test_a_fault_of_ours_tells_the_log_and_not_the_caller(
    client: AsyncClient, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    with caplog.at_level(logging.ERROR, "postmill.api"):
        response = await client.get(f"{address}?token=pm_secret")
    assert response.status_code == 500
    (record,) = caplog.records
    entry = json.loads(record.getMessage())
    assert response.text == f"Internal error (request {entry['request']})"
    assert (entry["event"], entry["method"], entry["path"]) == ("unhandled", "GET", address)
    assert entry["error"] in ("LookupError", "SandboxError")
    assert "test_errors.py" in entry["traceback"] or "what happened" in entry["traceback"]
    assert "pm_secret" not in record.getMessage()
    assert "\n" not in record.getMessage()
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_half_an_answer_breaks_off(client: AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(LookupError):
        await client.get("/api/test/half")
    assert len(caplog.records) == 1


async def test_every_wrong_place_is_named_and_nothing_repeated(client: AsyncClient) -> None:
    response = await client.get("/api/test/number?n=0&m=swordfish")
    assert (response.status_code, response.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert response.text.startswith("Bad request: query.n: input should be greater than or equal to 1; query.m: ")
    assert "swordfish" not in response.text
    body = {f"key{number}\n\x1b" + "x" * 1000: 1 for number in range(100)}
    response = await client.post("/api/auth/login", json=body)
    assert response.status_code == 400
    assert "and 82 more" in response.text
    assert len(response.text) < 5000 and response.text.isprintable()


async def test_an_address_that_is_none_and_a_method_that_is_none(client: AsyncClient) -> None:
    response = await client.get("/api/nothing")
    assert (response.status_code, response.text.split(":")[0]) == (404, "Not found")
    response = await client.get("/api/auth/login")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.text == "Bad request: GET is not a method of this address"
    assert (await client.get("/api/version/")).status_code == 404
    for address in ("/docs", "/redoc", "/openapi.json"):
        assert "swagger" not in (await client.get(address)).text.lower()


async def test_every_answer_of_the_api_is_inert_in_a_browser(client: AsyncClient) -> None:
    for address in ("/api/version", "/api/nothing", "/api/users/whoami", "/api/test/fault", "/api/test/number"):
        headers = (await client.get(address)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
