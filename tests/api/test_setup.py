"""The first start, over HTTP."""

import asyncio

import pytest
from httpx2 import AsyncClient, Response

from postmill.api.services import Services
from postmill.auth.setup import SECRET_NAME, ensure_admin, setup_link
from postmill.engine.examples import examples
from postmill.store import tokens
from tests.api.conftest import PASSWORD, Person

pytestmark = pytest.mark.anyio


def form(token: str, email: str = "first@example.com", **other: object) -> dict[str, object]:
    workspace = {"id": "home", "name": "Home"}
    return {"token": token, "email": email, "password": PASSWORD, "workspace": workspace} | other


async def link(services: Services) -> str:
    found = await setup_link(services.database)
    assert found is not None
    return found.removeprefix("/setup?token=")


async def test_the_link_makes_an_administrator_and_a_workspace_once(client: AsyncClient, services: Services) -> None:
    old = await link(services)
    token = await link(services)
    for shown, valid in ((token, True), (old, False), ("", False)):
        found = (await client.get("/api/auth/setup", params={"token": shown})).json()
        assert found == {"open": True, "valid": valid}
    refused = await client.post("/api/auth/setup", json=form(old))
    assert (refused.status_code, refused.text.split(":")[0]) == (403, "Permission denied")
    response = await client.post("/api/auth/setup", json=form(token))
    assert (response.status_code, f"token={response.text};" in response.headers["set-cookie"]) == (201, True)
    me = (await client.get("/api/w/home/users/whoami", headers={"Authorization": f"Bearer {response.text}"})).json()
    assert (me["username"], me["is_admin"], me["is_super_admin"]) == ("first", True, True)
    assert (await client.post("/api/auth/setup", json=form(token))).status_code == 409
    found = (await client.get("/api/auth/setup", params={"token": token})).json()
    assert found == {"open": False, "valid": False}
    assert await setup_link(services.database) is None
    async with services.database.transaction() as tx:
        row = await (await tx.execute("SELECT count(*) AS n FROM instance_secret WHERE name = 'setup'")).fetchone()
        assert row == {"n": 0}


async def test_fifty_calls_at_once_have_one_winner(client: AsyncClient, services: Services) -> None:
    token = await link(services)

    async def one(number: int) -> Response:
        workspace = {"id": f"home{number}", "name": "Home"}
        body = form(token, f"first{number}@example.com", workspace=workspace)
        return await client.post("/api/auth/setup", json=body)

    answers = await asyncio.gather(*(one(number) for number in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    async with services.database.transaction() as tx:
        for table in ("account", "workspace", "member", "token"):
            row = await (await tx.execute(f"SELECT count(*) AS n FROM {table}".encode())).fetchone()
            assert row == {"n": 1}, table


async def test_a_form_that_cannot_be_leaves_the_link_good(client: AsyncClient, services: Services) -> None:
    token = await link(services)
    for bad in (
        form(token, email="none"),
        form(token, password="short"),
        form(token, workspace={"id": "No", "name": "x"}),
        form(token, workspace=None),
        {"token": token},
    ):
        assert (await client.post("/api/auth/setup", json=bad)).status_code == 400
    assert (await client.post("/api/auth/setup", json=form(token))).status_code == 201


async def test_the_named_administrator_is_made_unattended_and_left_alone(
    client: AsyncClient, services: Services, admin: Person
) -> None:
    assert not await ensure_admin(services.database, admin.email, "another password", services.passwords)
    assert not await ensure_admin(services.database, "second@example.com", PASSWORD, services.passwords)
    response = await client.post("/api/auth/login", json={"email": admin.email, "password": PASSWORD})
    assert response.status_code == 200
    me = (await client.get("/api/w/main/users/whoami", headers=admin.bearer)).json()
    assert (me["username"], me["is_super_admin"]) == ("ann", True)
    assert await setup_link(services.database) is None


async def test_the_named_administrator_ends_an_open_link(client: AsyncClient, services: Services) -> None:
    token = await link(services)
    starts = await asyncio.gather(
        *(ensure_admin(services.database, "a@example.com", PASSWORD, services.passwords) for _ in range(8))
    )
    assert sorted(starts) == [False] * 7 + [True]
    async with services.database.transaction() as tx:
        assert await tokens.read_secret(tx, SECRET_NAME) is None
    assert (await client.post("/api/auth/setup", json=form(token))).status_code == 409


async def test_the_first_workspace_begins_with_the_examples_that_were_asked_for(
    client: AsyncClient, services: Services
) -> None:
    response = await client.post("/api/auth/setup", json=form(await link(services), examples=True))
    assert response.status_code == 201
    bearer = {"Authorization": f"Bearer {response.text}"}
    found = (await client.get("/api/w/home/scripts/list?include_without_main=true", headers=bearer)).json()
    wanted = {example.path: (example.language, example.summary) for example in examples()}
    assert {script["path"]: (script["language"], script["summary"]) for script in found} == wanted
    assert {"f/examples/hello", "f/examples/report", "f/examples/ten_seconds", "f/examples/progress"} <= set(wanted)


async def test_without_that_wish_it_begins_empty(client: AsyncClient, services: Services) -> None:
    response = await client.post("/api/auth/setup", json=form(await link(services)))
    bearer = {"Authorization": f"Bearer {response.text}"}
    assert (await client.get("/api/w/home/scripts/list", headers=bearer)).json() == []
