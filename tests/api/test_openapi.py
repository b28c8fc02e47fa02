"""The API's description of itself."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import yaml
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from postmill.api import access
from tests.api.conftest import BASE

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(bare_app: FastAPI) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=ASGITransport(bare_app), base_url=BASE) as found:
        yield found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


async def test_yaml_and_json_say_the_same(client: AsyncClient) -> None:
    text = await client.get("/api/openapi.yaml")
    assert text.headers["content-type"] == "application/yaml"
    document = (await client.get("/api/openapi.json")).json()
    assert yaml.safe_load(text.text) == document
    assert "&id" not in text.text
    assert document["servers"] == [{"url": "/api"}]
    assert document["paths"]["/users/whoami"]["get"]["operationId"] == "global_whoami"


async def test_every_route_is_described_once_and_says_whether_it_is_public(
    client: AsyncClient, bare_app: FastAPI
) -> None:
    document = (await client.get("/api/openapi.json")).json()
    found = dict(operations(document))
    rules = {
        name.replace(" /api", " ").replace(":path}", "}"): rule
        for name, rule in access.check(bare_app).items()
        if not name.startswith("WEBSOCKET") and "openapi" not in name
    }
    assert found.keys() == rules.keys()
    assert {name for name, operation in found.items() if operation.get("security") == []} == {
        name for name, rule in rules.items() if rule == "public"
    }
    names = [operation["operationId"] for operation in found.values()]
    assert len(names) == len(set(names))
    for name, operation in found.items():
        assert operation["description"], name
        assert "422" not in operation["responses"]
        assert operation["responses"]["default"]["content"].keys() == {"text/plain"}
        places = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert places == {part.strip("{}") for part in name.split("/") if part.startswith("{")}, name


async def test_every_schema_that_is_named_is_there(client: AsyncClient) -> None:
    text = (await client.get("/api/openapi.json")).text
    document = yaml.safe_load(text)
    schemas = document["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in schemas
