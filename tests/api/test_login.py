"""Login, logout, cookies, and what another site may not do with them."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response

from postmill.api.app import create_app
from postmill.api.services import Services
from postmill.auth import limits
from postmill.auth.passwords import Passwords
from tests.api.conftest import BASE, PASSWORD, Clock, People, Person

pytestmark = pytest.mark.anyio


async def log_in(client: AsyncClient, email: str, password: str = PASSWORD, **headers: str) -> Response:
    return await client.post("/api/auth/login", json={"email": email, "password": password}, headers=headers)


async def test_a_login_gives_a_token_as_text_and_as_a_cookie(client: AsyncClient, admin: Person) -> None:
    response = await log_in(client, "  ANN@Example.com ")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    cookie = response.headers["set-cookie"].split("; ")
    assert cookie[0] == f"token={response.text}"
    assert {part.lower() for part in cookie[1:]} == {"httponly", "max-age=2592000", "path=/", "samesite=lax"}
    found = await client.get("/api/users/whoami", headers={"Cookie": cookie[0]})
    assert found.json()["email"] == admin.email


async def test_the_cookie_is_secure_where_the_address_is(services: Services, admin: Person, tmp_path: Path) -> None:
    settings = replace(services.settings, base_url="https://post.example/")
    app = create_app(replace(services, settings=settings), tmp_path)
    async with AsyncClient(transport=ASGITransport(app), base_url=BASE) as client:
        assert "Secure" in (await log_in(client, admin.email)).headers["set-cookie"]
        assert "Secure" in (await client.post("/api/auth/logout")).headers["set-cookie"]


async def test_each_login_is_a_new_session(client: AsyncClient, admin: Person) -> None:
    first = (await log_in(client, admin.email)).text
    second = (await log_in(client, admin.email, Cookie=f"token={first}")).text
    assert first != second


async def test_all_that_can_be_wrong_looks_the_same(
    client: AsyncClient, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people.add("off")
    await people.add("sso")
    async with people.database.transaction() as tx:
        await tx.execute("UPDATE account SET disabled = true WHERE email = 'off@example.com'")
        await tx.execute("UPDATE account SET password_hash = NULL WHERE email = 'sso@example.com'")
    hashed = 0
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, hash: str, password: str) -> bool:
        nonlocal hashed
        hashed += 1
        return bool(verify(self, hash, password))

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    answers = [
        await log_in(client, people.admin.email, "wrong password"),
        await log_in(client, "nobody@example.com"),
        await log_in(client, "off@example.com"),
        await log_in(client, "sso@example.com"),
        await log_in(client, people.admin.email, PASSWORD + "x" * 1000),
        await log_in(client, people.admin.email, ""),
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {
        (401, "Not authorized: wrong e-mail or password")
    }
    assert hashed == len(answers)


async def test_a_login_without_both_words_is_refused(client: AsyncClient, admin: Person) -> None:
    email = admin.email
    bodies: list[object] = [
        *({}, [], {"email": None, "password": None}, {"email": email}),
        {"email": [email], "password": {"$ne": 1}},
    ]
    for body in bodies:
        assert (await client.post("/api/auth/login", json=body)).status_code == 400


async def test_wrong_logins_run_out_and_come_back(client: AsyncClient, admin: Person, clock: Clock) -> None:
    statuses = [(await log_in(client, admin.email, "wrong password")).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    refused = await log_in(client, admin.email)
    assert refused.status_code == 429
    assert refused.text.startswith("Too many requests: ")
    clock.now += int(refused.headers["retry-after"])
    assert (await log_in(client, admin.email)).status_code == 200


async def test_a_hundred_tries_at_once_are_a_hundred(client: AsyncClient, admin: Person) -> None:
    answers = await asyncio.gather(*(log_in(client, admin.email, "wrong password") for _ in range(100)))
    assert sum(answer.status_code == 401 for answer in answers) == limits.PER_ACCOUNT


async def test_one_address_tries_fifty_times_over_all_accounts(
    client: AsyncClient, admin: Person, services: Services
) -> None:
    statuses = [(await log_in(client, f"user{number}@example.com")).status_code for number in range(60)]
    assert statuses == [401] * limits.PER_ADDRESS + [429] * 10


async def test_right_logins_use_up_nothing(client: AsyncClient, admin: Person) -> None:
    for _ in range(6):
        assert (await log_in(client, admin.email, "wrong password")).status_code == 401
        assert (await log_in(client, admin.email)).status_code == 200
    assert {(await log_in(client, admin.email)).status_code for _ in range(60)} == {200}


async def _from(services: Services, ui: Path, base_url: str | None, peer: str, forwarded: str) -> list[int]:
    settings = replace(services.settings, base_url=base_url)
    app = create_app(replace(services, settings=settings, logins=limits.LoginLimiter()), ui)
    statuses = []
    async with AsyncClient(transport=ASGITransport(app, client=(peer, 1)), base_url=BASE) as client:
        for number in range(12):
            headers = {"X-Forwarded-For": forwarded.format(number)}
            statuses.append((await log_in(client, "x@example.com", **headers)).status_code)
    return statuses


async def test_a_forwarded_address_is_believed_from_our_own_proxy_only(
    services: Services, admin: Person, tmp_path: Path
) -> None:
    ours = "https://post.example"
    for base_url, peer, forwarded, believed in (
        (ours, "127.0.0.1", "203.0.113.{}", True),
        (ours, "10.0.0.7", "9.9.9.9, 203.0.113.{}", True),
        (ours, "127.0.0.1", "203.0.113.{}, 9.9.9.9", False),
        (ours, "8.8.8.8", "203.0.113.{}", False),
        (ours, "127.0.0.1", "junk{}", False),
        (None, "127.0.0.1", "203.0.113.{}", False),
    ):
        statuses = await _from(services, tmp_path, base_url, peer, forwarded)
        assert (429 in statuses) is not believed, (base_url, peer, forwarded)


async def test_a_password_is_hashed_anew_when_the_parameters_changed(
    services: Services, admin: Person, tmp_path: Path
) -> None:
    passwords = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    app = create_app(replace(services, passwords=passwords), tmp_path)
    async with AsyncClient(transport=ASGITransport(app), base_url=BASE) as client:
        assert (await log_in(client, admin.email)).status_code == 200
        async with services.database.transaction() as tx:
            row = await (await tx.execute("SELECT password_hash FROM account")).fetchone()
        assert row is not None
        assert "m=16,t=2" in row["password_hash"]
        assert (await log_in(client, admin.email)).status_code == 200


async def test_a_logout_ends_the_session_at_once(client: AsyncClient, admin: Person) -> None:
    token = (await log_in(client, admin.email)).text
    client.cookies.clear()
    cookie = {"Cookie": f"token={token}"}
    assert (await client.get("/api/users/whoami", headers=cookie)).status_code == 200
    response = await client.post("/api/auth/logout", headers=cookie | {"Sec-Fetch-Site": "same-origin"})
    assert response.status_code == 200
    assert 'token=""' in response.headers["set-cookie"] and "Max-Age=0" in response.headers["set-cookie"]
    assert (await client.get("/api/users/whoami", headers=cookie)).status_code == 401


async def test_a_logout_without_a_session_is_fine_and_api_tokens_survive_it(client: AsyncClient, admin: Person) -> None:
    assert (await client.post("/api/auth/logout")).status_code == 200
    assert (await client.post("/api/auth/logout", headers={"Cookie": "token=rubbish"})).status_code == 200
    assert (await client.post("/api/auth/logout", headers=admin.bearer)).status_code == 200
    assert (await client.get("/api/users/whoami", headers=admin.bearer)).status_code == 200


async def test_the_cookie_acts_for_our_own_pages_only(client: AsyncClient, admin: Person) -> None:
    for number, (headers, status) in enumerate(
        [
            ({"Sec-Fetch-Site": "same-origin"}, 201),
            ({"Sec-Fetch-Site": "none"}, 201),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "cross-site", "Origin": BASE}, 403),
            ({"Origin": BASE}, 201),
            ({"Origin": "http://localhost:9000"}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "http://localhost:8000.evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": ""}, 403),
            # No browser: it says Origin with every POST. The contract's CLI sends the cookie like this.
            ({}, 201),
        ]
    ):
        sent = headers | {"Cookie": f"token={admin.token}"}
        body = {"id": f"w{number}", "name": "Another"}
        response = await client.post("/api/workspaces/create", headers=sent, json=body)
        assert response.status_code == status, headers
        # Reading is harmless: the answer stays in the browser.
        assert (await client.get("/api/users/whoami", headers=sent)).status_code == 200


async def test_a_bearer_needs_no_page(client: AsyncClient, admin: Person) -> None:
    headers = admin.bearer | {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
    body = {"id": "w2", "name": "Second"}
    assert (await client.post("/api/workspaces/create", headers=headers, json=body)).status_code == 201


async def test_another_site_cannot_send_a_form_to_the_login(client: AsyncClient, app: FastAPI, admin: Person) -> None:
    body = b'{"email": "ann@example.com", "password": "correct horse"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        response = await client.post("/api/auth/login", content=body, headers={"Content-Type": kind})
        assert response.status_code == 400
