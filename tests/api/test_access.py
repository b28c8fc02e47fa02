"""Who gets in: every route, swept; and the rules that keep a server from starting."""

import re
from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse
from httpx2 import AsyncClient
from starlette.types import Message

from postmill.api import access
from postmill.api.access import developer, member, public, user
from postmill.api.body import new_router
from postmill.auth.tokens import Wish
from postmill.model.user import Actor
from tests.api.conftest import People, Person

pytestmark = pytest.mark.anyio

# Everything that a stranger may call. A route that is not here answers them 401.
PUBLIC = {
    "GET /api/version",
    "GET /api/health",
    "GET /api/health/live",
    "GET /api/health/status",
    "GET /api/openapi.json",
    "GET /api/openapi.yaml",
    "POST /api/auth/login",
    "POST /api/auth/logout",
    "GET /api/auth/setup",
    "POST /api/auth/setup",
}


def routes(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Method, path with something in each place, and rule."""
    for name, rule in access.check(app).items():
        method, path = name.split(" ")
        path = path.replace("{workspace}", "main")
        yield method, re.sub(r"\{\w+:path\}", "f/a/b", re.sub(r"\{\w+\}", "x", path)), rule


def test_the_public_routes_are_the_written_ones(bare_app: FastAPI) -> None:
    assert {name for name, rule in access.check(bare_app).items() if rule == "public"} == PUBLIC


async def test_every_other_route_is_closed_to_strangers(client: AsyncClient, app: FastAPI, admin: Person) -> None:
    answers = {}
    for method, path, rule in routes(app):
        if rule != "public" and method != "WEBSOCKET":
            answers[f"{method} {path}"] = (await client.request(method, path)).status_code
    assert len(answers) > 10
    assert {name: status for name, status in answers.items() if status != 401} == {}


async def test_no_suffix_of_the_address_opens_a_route(client: AsyncClient, app: FastAPI, admin: Person) -> None:
    suffixes = ("?/api/version", "?x=/api/health", "/../version", "/..%2fversion", "%2f..%2fhealth", ";/health/live")
    for method, path, rule in routes(app):
        if rule == "public" or method == "WEBSOCKET":
            continue
        for suffix in suffixes:
            status = (await client.request(method, path + suffix)).status_code
            assert status in (401, 404, 405), (method, path, suffix)


async def test_administrators_routes_are_closed_to_others(client: AsyncClient, app: FastAPI, people: People) -> None:
    bob, oz = await people.add("bob", "developer"), await people.add("oz", "operator")
    swept = 0
    for method, path, rule in routes(app):
        if rule.split(" ")[0] in ("admin", "super_admin"):
            swept += 1
            for person in (bob, oz):
                assert (await client.request(method, path, headers=person.bearer)).status_code == 403, (method, path)
    assert swept >= 3


async def test_another_workspace_looks_like_none(client: AsyncClient, app: FastAPI, people: People) -> None:
    eve = await people.add("eve", "admin", workspace="other")
    for method, path, rule in routes(app):
        if "/w/main" in path and rule != "public" and method != "WEBSOCKET":
            foreign = await client.request(method, path, headers=eve.bearer)
            missing = await client.request(method, path.replace("/w/main", "/w/nope"), headers=eve.bearer)
            assert foreign.status_code == missing.status_code == 404, (method, path)
            assert foreign.text.replace("main", "nope") == missing.text


async def test_the_workspace_is_the_one_of_the_path(client: AsyncClient, people: People) -> None:
    eve = await people.add("eve", "admin", workspace="other")
    headers = eve.bearer | {"X-Workspace": "other", "Workspace": "other"}
    response = await client.get("/api/w/main/users/list?workspace=other&workspace_id=other", headers=headers)
    assert response.status_code == 404


async def test_a_super_admin_enters_every_workspace_that_there_is(client: AsyncClient, people: People) -> None:
    await people.add("eve", "admin", workspace="other")
    async with people.database.transaction() as tx:
        await tx.execute("DELETE FROM member WHERE email = %s AND workspace_id = 'other'", (people.admin.email,))
    found = (await client.get("/api/w/other/users/whoami", headers=people.admin.bearer)).json()
    assert (found["is_admin"], found["non_member"], found["username"]) == (True, True, people.admin.email)
    assert (await client.get("/api/w/nope/users/whoami", headers=people.admin.bearer)).status_code == 404


async def test_what_is_no_token_is_refused(client: AsyncClient, admin: Person) -> None:
    unknown = "pm_" + "a" * 43
    for secret in ("", "null", "Bearer", "pm_", unknown, unknown[:-1] + "!", "pmj_1_1_1", "' OR 1=1 --", "x" * 5000):
        for response in (
            await client.get("/api/users/whoami", headers={"Authorization": f"Bearer {secret}"}),
            await client.get("/api/users/whoami", params={"token": secret}),
        ):
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.text.startswith("Not authorized: ")


async def test_header_then_cookie_then_query_and_the_first_one_counts(client: AsyncClient, people: People) -> None:
    bob = await people.add("bob")
    ann, bad = people.admin, "pm_" + "b" * 43

    async def who(header: str | None, cookie: str | None, query: str | None) -> str:
        headers = {"Authorization": f"Bearer {header}"} if header else {}
        headers |= {"Cookie": f"token={cookie}"} if cookie else {}
        response = await client.get("/api/users/whoami", headers=headers, params={"token": query} if query else {})
        return str(response.json()["email"]) if response.status_code == 200 else str(response.status_code)

    assert await who(ann.token, bob.token, bob.token) == ann.email
    assert await who(None, ann.token, bob.token) == ann.email
    assert await who(None, None, bob.token) == bob.email
    assert await who(bad, ann.token, ann.token) == "401"
    assert await who(None, bad, ann.token) == "401"


async def test_a_read_only_token_reads(client: AsyncClient, people: People) -> None:
    reader = await people.with_token(people.admin.email, Wish(read_only=True))
    assert (await client.get("/api/w/main/users/list", headers=reader.bearer)).status_code == 200
    response = await client.post("/api/workspaces/create", headers=reader.bearer, json={"id": "w2", "name": "w"})
    assert (response.status_code, "read-only" in response.text) == (403, True)


async def test_get_routes_that_act_are_closed_to_read_only_tokens_and_to_other_sites(
    client: AsyncClient, app: FastAPI, people: People
) -> None:
    router = new_router("/w/{workspace}", "test")

    @router.get("/act")
    async def act(actor: Annotated[Actor, Depends(member("jobs:run"))]) -> str:
        return actor.email

    app.include_router(router, prefix="/api")
    reader = await people.with_token(people.admin.email, Wish(read_only=True))
    assert (await client.get("/api/w/main/act", headers=reader.bearer)).status_code == 403
    cookie = {"Cookie": f"token={people.admin.token}"}
    assert (await client.get("/api/w/main/act", headers=cookie)).status_code == 403
    assert (await client.get("/api/w/main/act", headers=cookie | {"Sec-Fetch-Site": "cross-site"})).status_code == 403
    assert (await client.get("/api/w/main/act", headers=cookie | {"Sec-Fetch-Site": "same-origin"})).status_code == 200
    assert (await client.get("/api/w/main/act", headers=people.admin.bearer)).status_code == 200


def _with(app: FastAPI, router: APIRouter) -> FastAPI:
    app.include_router(router, prefix="/api")
    return app


def test_a_route_without_a_rule_keeps_the_server_from_starting(bare_app: FastAPI) -> None:
    router = new_router("/secret", "test")

    @router.get("/door")
    async def door() -> str:
        return "open"

    with pytest.raises(RuntimeError, match=r"GET /api/secret/door: no rule"):
        access.check(_with(bare_app, router))


def test_a_websocket_without_a_rule_keeps_the_server_from_starting(bare_app: FastAPI) -> None:
    router = new_router("", "test")

    @router.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()

    with pytest.raises(RuntimeError, match="WEBSOCKET /api/socket: no rule"):
        access.check(_with(bare_app, router))


def test_a_router_of_another_make_keeps_the_server_from_starting(bare_app: FastAPI) -> None:
    router = APIRouter(prefix="/lax")
    router.add_api_route("/x", _nothing, dependencies=[public])
    with pytest.raises(RuntimeError, match=r"/api/lax/x: make its router with"):
        access.check(_with(bare_app, router))


def test_a_mount_keeps_the_server_from_starting(bare_app: FastAPI) -> None:
    bare_app.mount("/files", PlainTextResponse("x"))
    with pytest.raises(RuntimeError, match="cannot say who may call it"):
        access.check(bare_app)


@pytest.mark.parametrize(
    ("path", "dependencies", "text"),
    [
        ("/w/{workspace}/x", [Depends(user("users:read"))], "the route is about one workspace"),
        ("/x", [Depends(member("users:read"))], "the route names none"),
        ("/x", [Depends(user("cake:eat"))], "'cake' is none of"),
        ("/x", [Depends(user("scripts:read:{path}"))], "the address has no 'path'"),
        ("/x", [public, Depends(user())], "public, and not public"),
    ],
)
def test_a_rule_that_does_not_suit_its_route_keeps_the_server_from_starting(
    bare_app: FastAPI, path: str, dependencies: list[object], text: str
) -> None:
    router = new_router("", "test")
    router.add_api_route(path, _nothing, dependencies=dependencies)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=text):
        access.check(_with(bare_app, router))


async def _nothing() -> None:
    return None


async def _shake_hands(app: FastAPI, path: str, headers: dict[str, str]) -> list[Message]:
    """What a server says to a websocket's handshake."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 8000),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    await app(scope, receive, send)
    return sent


async def test_websockets_go_through_the_same_door(app: FastAPI, people: People) -> None:
    router = new_router("/w/{workspace}", "test")

    @router.websocket("/socket")
    async def socket(websocket: WebSocket, actor: Annotated[Actor, Depends(developer("jobs:read"))]) -> None:
        await websocket.accept()
        await websocket.close()

    app.include_router(router, prefix="/api")
    ann, host = people.admin, {"Host": "localhost:8000"}
    for headers, expected in (
        ({}, 401),
        ({"Cookie": f"token={ann.token}", "Origin": "http://evil.example"}, 403),
        ({"Cookie": f"token={ann.token}", "Origin": "null"}, 403),
    ):
        sent = await _shake_hands(app, "/api/w/main/socket", host | headers)
        assert (sent[0]["type"], sent[0].get("status")) == ("websocket.http.response.start", expected)
    for headers in (ann.bearer, {"Cookie": f"token={ann.token}", "Origin": "http://localhost:8000"}):
        sent = await _shake_hands(app, "/api/w/main/socket", host | headers)
        assert sent[0]["type"] == "websocket.accept"
    assert (await _shake_hands(app, "/api/nowhere", host))[0]["type"] == "websocket.close"


async def test_a_scope_with_a_path_opens_that_item_only(client: AsyncClient, app: FastAPI, people: People) -> None:
    router = new_router("/w/{workspace}", "test")

    @router.post("/run/p/{path:path}")
    async def run(request: Request, actor: Annotated[Actor, Depends(member("jobs:run:scripts:{path}"))]) -> str:
        return str(request.path_params["path"])

    @router.post("/run/h/{hash}")
    async def run_hash(actor: Annotated[Actor, Depends(member("jobs:run:scripts"))]) -> str:
        return "ran"

    @router.post("/preview")
    async def preview(actor: Annotated[Actor, Depends(developer("jobs:run:previews"))]) -> str:
        return "ran"

    @router.post("/unscoped")
    async def unscoped(actor: access.Member) -> str:
        return "ran"

    app.include_router(router, prefix="/api")

    async def allowed(scopes: tuple[str, ...] | None) -> list[str]:
        person = await people.with_token(people.admin.email, Wish(scopes=scopes))
        addresses = ["run/p/f/ops/clean", "run/p/f/ops/wipe", "run/p/f/ops/*", "run/h/1", "preview", "unscoped"]
        statuses = {
            address: (await client.post(f"/api/w/main/{address}", headers=person.bearer)).status_code
            for address in addresses
        }
        assert set(statuses.values()) <= {200, 403}
        return [address for address, status in statuses.items() if status == 200]

    every = ["run/p/f/ops/clean", "run/p/f/ops/wipe", "run/p/f/ops/*"]
    assert await allowed(("jobs:run:scripts:f/ops/clean",)) == ["run/p/f/ops/clean"]
    assert await allowed(("jobs:run:scripts:f/ops/*",)) == ["run/p/f/ops/clean", "run/p/f/ops/wipe"]
    assert await allowed(("jobs:run:scripts",)) == [*every, "run/h/1"]
    assert await allowed(("jobs:run",)) == [*every, "run/h/1", "preview"]
    assert await allowed(("*:*",)) == [*every, "run/h/1", "preview"]
    assert await allowed(("jobs:read", "scripts:write")) == []
    assert await allowed(()) == []
    assert await allowed(("cake:eat", "nonsense", "")) == []
    assert await allowed(None) == [*every, "run/h/1", "preview", "unscoped"]
