"""Accounts, workspaces, and who is in them."""

import asyncio

import pytest
from httpx2 import AsyncClient

from tests.api.conftest import PASSWORD, People, Person

pytestmark = pytest.mark.anyio


async def test_whoami_in_the_contracts_words(client: AsyncClient, people: People) -> None:
    bob = await people.add("bob", "operator")
    everywhere = (await client.get("/api/users/whoami", headers=bob.bearer)).json()
    required = {"email", "login_type", "super_admin", "verified", "first_time_user", "role_source", "disabled"}
    assert required <= set(everywhere)
    assert (everywhere["email"], everywhere["super_admin"]) == (bob.email, False)
    here = (await client.get("/api/w/main/users/whoami", headers=bob.bearer)).json()
    required = {
        *("email", "username", "is_admin", "is_super_admin", "created_at", "operator", "disabled"),
        *("folders", "folders_read", "folders_owners"),
    }
    assert required <= set(here)
    assert (here["username"], here["operator"], here["is_admin"]) == ("bob", True, False)
    assert here["created_at"].endswith("Z")


async def test_members_are_listed_and_found_by_username(client: AsyncClient, people: People) -> None:
    bob = await people.add("bob")
    await people.add("eve", workspace="other")
    rows = (await client.get("/api/w/main/users/list", headers=bob.bearer)).json()
    assert [row["username"] for row in rows] == ["ann", "bob"]
    assert (await client.get("/api/w/main/users/get/ann", headers=bob.bearer)).json() == rows[0]
    response = await client.get("/api/w/main/users/username_to_email/ann", headers=bob.bearer)
    assert (response.text, response.headers["content-type"]) == (people.admin.email, "text/plain; charset=utf-8")
    for address in ("get/eve", "username_to_email/eve"):
        response = await client.get(f"/api/w/main/users/{address}", headers=bob.bearer)
        assert (response.status_code, response.text) == (404, "Not found: no user 'eve' in workspace 'main'")


async def test_an_account_is_made_once_and_can_log_in(client: AsyncClient, admin: Person) -> None:
    body = {"email": "New@Example.com", "password": PASSWORD, "super_admin": False, "name": "New"}
    answers = await asyncio.gather(
        *(client.post("/api/users/create", headers=admin.bearer, json=body) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    response = await client.post("/api/auth/login", json={"email": "new@example.com", "password": PASSWORD})
    assert response.status_code == 200
    headers = {"Authorization": f"Bearer {response.text}"}
    client.cookies.clear()
    assert (await client.get("/api/workspaces/list", headers=headers)).json() == []
    assert (await client.get("/api/w/main/users/list", headers=headers)).status_code == 404


async def test_an_account_that_cannot_be_is_refused(client: AsyncClient, admin: Person) -> None:
    good = {"email": "new@example.com", "password": PASSWORD, "super_admin": False}
    for bad in (
        {"email": "no address"},
        {"email": "@"},
        {"email": "a@" + "b" * 255},
        {"password": "short"},
        {"password": "é" * 501},
        {"password": None},
        {"super_admin": "no"},
        {"is_admin": True},
    ):
        response = await client.post("/api/users/create", headers=admin.bearer, json=good | bad)
        assert response.status_code == 400, bad
        assert response.text.startswith("Bad request: ")


async def test_an_account_is_let_into_a_workspace(client: AsyncClient, people: People) -> None:
    await people.add("bob", None)
    async with people.database.transaction() as tx:
        await tx.execute("INSERT INTO account (email) VALUES ('bob@other.org'), ('-@other.org')")

    async def add(**body: object) -> tuple[int, str]:
        response = await client.post("/api/w/main/workspaces/add_user", headers=people.admin.bearer, json=body)
        return response.status_code, response.text

    assert await add(email="bob@example.com", is_admin=False, operator=True) == (
        201,
        "Added user bob@example.com as bob",
    )
    assert await add(email="bob@other.org", is_admin=True) == (201, "Added user bob@other.org as bob2")
    assert (await add(email="-@other.org", is_admin=False, username="bob"))[0] == 409
    assert (await add(email="-@other.org", is_admin=False, username="../x"))[0] == 400
    assert await add(email="-@other.org", is_admin=False) == (201, "Added user -@other.org as user")
    assert (await add(email="bob@other.org", is_admin=True))[0] == 409
    assert (await add(email="nobody@example.com", is_admin=True))[0] == 404
    assert (await add(email="bob@other.org", is_admin=True, operator=True))[0] == 400
    rows = (await client.get("/api/w/main/users/list", headers=people.admin.bearer)).json()
    assert {row["username"]: (row["is_admin"], row["operator"]) for row in rows} == {
        "ann": (True, False),
        "bob": (False, True),
        "bob2": (True, False),
        "user": (False, False),
    }


async def test_a_workspace_is_made_once(client: AsyncClient, people: People) -> None:
    admin = people.admin.bearer
    body = {"id": "ops", "name": "Operations", "username": "boss"}
    answers = await asyncio.gather(*(client.post("/api/workspaces/create", headers=admin, json=body) for _ in range(8)))
    assert sorted((answer.status_code, answer.text) for answer in answers)[0] == (201, "Created workspace ops")
    assert sorted(answer.status_code for answer in answers)[1:] == [409] * 7
    assert (await client.get("/api/w/ops/workspaces/get_workspace_name", headers=admin)).text == "Operations"
    assert (await client.get("/api/w/ops/users/whoami", headers=admin)).json()["username"] == "boss"
    for bad in ({"id": "Ops"}, {"id": ""}, {"id": "a/b"}, {"id": "x" * 51}, {"name": ""}, {"username": "-"}):
        good = {"id": "fresh", "name": "Fresh"}
        response = await client.post("/api/workspaces/create", headers=admin, json=good | bad)
        assert response.status_code == 400, bad
    bob = await people.add("bob")
    response = await client.post("/api/workspaces/create", headers=bob.bearer, json={"id": "bobs", "name": "x"})
    assert response.status_code == 403


async def test_whether_an_id_is_taken_is_json(client: AsyncClient, people: People) -> None:
    bob = await people.add("bob")
    for id, taken in (("main", b"true"), ("nope", b"false")):
        response = await client.post("/api/workspaces/exists", headers=bob.bearer, json={"id": id})
        assert (response.content, response.headers["content-type"]) == (taken, "application/json")


async def test_ones_workspaces_come_with_ones_role(client: AsyncClient, people: People) -> None:
    oz = await people.add("oz", "operator")
    await people.add("eve", workspace="other")
    rows = (await client.get("/api/workspaces/list", headers=oz.bearer)).json()
    assert rows == [{"id": "main", "name": "main", "owner": people.admin.email}]
    found = (await client.get("/api/workspaces/users", headers=oz.bearer)).json()
    assert found["email"] == oz.email
    (row,) = found["workspaces"]
    required = {"id", "name", "username", "color", "is_dev_workspace", "disabled", "role", "capabilities"}
    assert required <= set(row)
    assert (row["username"], row["role"], row["capabilities"]["code"]) == ("oz", "operator", False)
    found = (await client.get("/api/workspaces/users", headers=people.admin.bearer)).json()
    assert [one["id"] for one in found["workspaces"]] == ["main", "other"]
    assert found["workspaces"][0]["capabilities"]["code"]


async def test_no_answer_holds_a_hash_or_a_token(client: AsyncClient, people: People) -> None:
    bob = await people.add("bob")
    for address in (
        "/api/users/whoami",
        "/api/w/main/users/list",
        "/api/w/main/users/whoami",
        "/api/users/tokens/list",
        "/api/workspaces/users",
    ):
        response = await client.get(address, headers=bob.bearer)
        assert response.status_code == 200
        assert "argon2" not in response.text and bob.token not in response.text
