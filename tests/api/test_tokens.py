"""One's own tokens: made, listed, deleted, and never wider than the one that asks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response

from postmill.api.app import create_app
from postmill.api.services import Services
from postmill.auth.sessions import REMEMBER_S, Remembered
from postmill.auth.tokens import Wish
from tests.api.conftest import BASE, PASSWORD, Clock, People, Person

pytestmark = pytest.mark.anyio


async def create(client: AsyncClient, person: Person, **body: object) -> Response:
    return await client.post("/api/users/tokens/create", headers=person.bearer, json=body)


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


async def test_a_token_is_made_listed_used_and_deleted(client: AsyncClient, people: People) -> None:
    bob = await people.add("bob")
    response = await create(client, bob, label="CI", expiration=in_days(7), scopes=["users:read"], workspace_id="main")
    assert (response.status_code, response.headers["content-type"]) == (201, "text/plain; charset=utf-8")
    made = Person(bob.email, response.text)
    assert (await client.get("/api/w/main/users/whoami", headers=made.bearer)).status_code == 200
    rows = (await client.get("/api/users/tokens/list", headers=bob.bearer)).json()
    assert {row["token_prefix"] for row in rows} == {bob.token[:10], made.token[:10]}
    (row,) = [row for row in rows if row["token_prefix"] == made.token[:10]]
    assert (row["label"], row["scopes"], row["workspace_id"], row["read_only"]) == ("CI", ["users:read"], "main", False)
    assert made.token not in str(rows)
    address = f"/api/users/tokens/delete/{made.token[:10]}"
    assert (await client.delete(address, headers=people.admin.bearer)).status_code == 404
    assert (await client.delete(address, headers=bob.bearer)).status_code == 200
    assert (await client.get("/api/w/main/users/whoami", headers=made.bearer)).status_code == 401
    assert (await client.delete(address, headers=bob.bearer)).status_code == 404


async def test_sessions_are_left_out_and_pages_begin_at_zero_or_one(client: AsyncClient, people: People) -> None:
    bob = await people.add("bob")
    await client.post("/api/auth/login", json={"email": bob.email, "password": PASSWORD})
    client.cookies.clear()

    async def prefixes(query: str) -> list[str]:
        rows = (await client.get(f"/api/users/tokens/list?{query}", headers=bob.bearer)).json()
        return [row["token_prefix"] for row in rows]

    assert await prefixes("exclude_ephemeral=true") == [bob.token[:10]]
    both = await prefixes("")
    assert len(both) == 2
    assert await prefixes("page=0&per_page=1") == await prefixes("page=1&per_page=1") == both[:1]
    assert await prefixes("page=2&per_page=1") == both[1:]
    assert await prefixes("page=3&per_page=1") == []
    response = await client.get("/api/users/tokens/list?page=-1", headers=bob.bearer)
    assert (response.status_code, "query.page" in response.text) == (400, True)


async def test_a_token_makes_no_wider_one(client: AsyncClient, people: People) -> None:
    email = people.admin.email
    scoped = await people.with_token(email, Wish(scopes=("tokens:write", "scripts:read:f/a/*")))
    bound = await people.with_token(email, Wish(workspace_id="main"))
    reader = await people.with_token(email, Wish(read_only=True))
    short = await people.with_token(email, Wish(expiration=datetime.now(UTC) + timedelta(days=1)))
    refused: list[tuple[Person, dict[str, object]]] = [
        (scoped, {}),
        (scoped, {"scopes": None}),
        (scoped, {"scopes": ["*:*"]}),
        (scoped, {"scopes": ["scripts:read"]}),
        (scoped, {"scopes": ["scripts:read:f/*"]}),
        (scoped, {"scopes": ["scripts:write:f/a/b"]}),
        (scoped, {"scopes": ["scripts:read:f/a/b", "users:read"]}),
        (bound, {}),
        (bound, {"workspace_id": "other"}),
        (reader, {}),
        (reader, {"read_only": True}),
        (short, {}),
        (short, {"expiration": in_days(2)}),
    ]
    for person, body in refused:
        response = await create(client, person, **body)
        assert (response.status_code, response.text.split(":")[0]) == (403, "Permission denied"), body
    allowed: list[tuple[Person, dict[str, object]]] = [
        (scoped, {"scopes": []}),
        (scoped, {"scopes": ["scripts:read:f/a/b,f/a/c*", "tokens:read"]}),
        (bound, {"workspace_id": "main", "scopes": ["users:read"]}),
        (short, {"expiration": in_days(0.5)}),
    ]
    for person, body in allowed:
        assert (await create(client, person, **body)).status_code == 201, body


async def test_a_session_may_make_a_token_that_lasts(client: AsyncClient, admin: Person) -> None:
    token = (await client.post("/api/auth/login", json={"email": admin.email, "password": PASSWORD})).text
    client.cookies.clear()
    assert (await create(client, Person(admin.email, token))).status_code == 201


async def test_a_token_for_one_workspace_is_good_there_only(client: AsyncClient, people: People) -> None:
    await people.add("eve", "admin", workspace="other")
    bound = await people.with_token(people.admin.email, Wish(workspace_id="main"))
    assert (await client.get("/api/w/main/users/list", headers=bound.bearer)).status_code == 200
    assert (await client.get("/api/w/other/users/list", headers=bound.bearer)).status_code == 404
    rows = (await client.get("/api/workspaces/list", headers=bound.bearer)).json()
    assert [row["id"] for row in rows] == ["main"]
    tokens = (await client.get("/api/users/tokens/list", headers=bound.bearer)).json()
    assert [row["token_prefix"] for row in tokens] == [bound.token[:10]]
    address = f"/api/users/tokens/delete/{people.admin.token[:10]}"
    assert (await client.delete(address, headers=bound.bearer)).status_code == 404
    me = (await client.get("/api/users/whoami", headers=bound.bearer)).json()
    assert (me["email"], me["super_admin"]) == (people.admin.email, False)
    response = await client.post("/api/workspaces/create", headers=bound.bearer, json={"id": "w3", "name": "w"})
    assert response.status_code == 403


async def test_a_token_for_a_foreign_workspace_cannot_be_made(client: AsyncClient, people: People) -> None:
    bob = await people.add("bob")
    await people.add("eve", workspace="other")
    for workspace in ("other", "nope"):
        response = await create(client, bob, workspace_id=workspace)
        assert (response.status_code, response.text.startswith("Not found: workspace")) == (404, True)
    assert (await create(client, people.admin, workspace_id="other")).status_code == 201


async def test_what_cannot_be_meant_is_refused(client: AsyncClient, admin: Person) -> None:
    for body in (
        {"scopes": ["cake:eat"]},
        {"scopes": [""]},
        {"scopes": ["scripts:read:f/*/b"]},
        {"scopes": ["scripts:read"] * 101},
        {"scopes": "scripts:read"},
        {"expiration": "2020-01-01T00:00:00Z"},
        {"expiration": "9999-12-31T23:59:59-23:59"},
        {"expiration": "2040-01-01T00:00:00"},
        {"expiration": 5},
        {"readonly": True},
        {"read_only": 1},
        {"label": "x" * 256},
    ):
        assert (await create(client, admin, **body)).status_code == 400, body


async def test_scopes_that_another_version_kept_allow_nothing(client: AsyncClient, people: People) -> None:
    person = await people.with_token(people.admin.email, Wish(scopes=("cake:eat", "users", "", "users:read:")))
    assert (await client.get("/api/users/whoami", headers=person.bearer)).status_code == 403


async def test_an_expired_token_is_refused(client: AsyncClient, people: People) -> None:
    async with people.database.transaction() as tx:
        await tx.execute("UPDATE token SET expiration = clock() - interval '1 second'")
    response = await client.get("/api/users/whoami", headers=people.admin.bearer)
    assert (response.status_code, "expired" in response.text) == (401, True)


async def test_a_revoked_right_ends_within_seconds_on_every_replica(
    client: AsyncClient, services: Services, people: People, app: FastAPI, clock: Clock
) -> None:
    bob, cat, dan = await people.add("bob"), await people.add("cat"), await people.add("dan", "admin")
    far_clock = Clock()
    replica = create_app(replace(services, remembered=Remembered(far_clock)))
    async with AsyncClient(transport=ASGITransport(replica), base_url=BASE) as far:

        async def everywhere(person: Person, method: str = "GET", path: str = "users/whoami") -> list[int]:
            address = f"/api/w/main/{path}"
            return [(await one.request(method, address, headers=person.bearer)).status_code for one in (client, far)]

        for person in (bob, cat, dan):
            assert await everywhere(person) == [200, 200]
        await client.delete(f"/api/users/tokens/delete/{bob.token[:10]}", headers=bob.bearer)
        assert (await everywhere(bob))[0] == 401
        async with people.database.transaction() as tx:
            await tx.execute("UPDATE account SET disabled = true WHERE email = %s", (cat.email,))
            await tx.execute("UPDATE member SET role = 'operator' WHERE email = %s", (dan.email,))
        clock.now += REMEMBER_S
        far_clock.now += REMEMBER_S
        assert await everywhere(bob) == [401, 401]
        assert await everywhere(cat) == [401, 401]
        assert await everywhere(dan, "POST", "workspaces/add_user") == [403, 403]
        async with people.database.transaction() as tx:
            await tx.execute("UPDATE member SET disabled = true WHERE email = %s", (dan.email,))
        clock.now += REMEMBER_S
        far_clock.now += REMEMBER_S
        assert await everywhere(dan) == [403, 403]
        assert REMEMBER_S < 5


async def test_answers_are_remembered_for_a_moment(client: AsyncClient, people: People, services: Services) -> None:
    for _ in range(3):
        assert (await client.get("/api/users/whoami", headers=people.admin.bearer)).status_code == 200
    assert len(services.remembered) == 1
    await client.get("/api/users/whoami", headers={"Authorization": "Bearer pm_" + "x" * 43})
    await client.get("/api/w/nope/users/whoami", headers=people.admin.bearer)
    assert len(services.remembered) == 1
