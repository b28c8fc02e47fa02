"""Health, with a database that works, is gone, or hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

import postmill
from postmill.api import probe
from postmill.api.app import create_app
from postmill.api.services import Services
from postmill.model.errors import Unavailable
from postmill.store.db import Database
from tests.api.conftest import BASE

pytestmark = pytest.mark.anyio


class Broken:
    """A database that is gone, or that never answers; counts how often it was asked."""

    def __init__(self, hangs: bool) -> None:
        self.hangs = hangs
        self.asked = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        raise Unavailable
        yield


def over(app: FastAPI, broken: Broken) -> AsyncClient:
    services: Services = app.state.services
    services = replace(services, database=cast(Database, broken), probe=probe.Probe())
    return AsyncClient(transport=ASGITransport(create_app(services)), base_url=BASE)


async def test_a_server_with_a_database_is_ready_and_tells_of_its_workers(
    client: AsyncClient, services: Services
) -> None:
    assert (await client.get("/api/version")).text == f"v{postmill.__version__}"
    response = await client.get("/api/health")
    assert (response.status_code, response.json()) == (200, {"status": "healthy", "database_healthy": True})
    found = (await client.get("/api/health/status")).json()
    assert found.keys() == {"status", "checked_at", "database_healthy", "workers_alive"}
    assert (found["status"], found["workers_alive"]) == ("degraded", 0)
    async with services.database.transaction() as tx:
        await tx.execute(
            "INSERT INTO worker (name, instance, pid, ip, version, isolation, tags, slots, alive_until)"
            " VALUES ('w', 'i', 1, '', '', 'none', '{}', 1, clock() + interval '1 minute')"
        )
    assert (await client.get("/api/health/status")).json() == found
    fresh = await probe.Probe().status(services.database)
    assert (fresh.status, fresh.workers_alive) == ("healthy", 1)


async def test_without_a_database_a_server_is_not_ready_but_alive(bare_app: FastAPI) -> None:
    async with over(bare_app, Broken(hangs=False)) as client:
        response = await client.get("/api/health")
        assert (response.status_code, response.json()) == (503, {"status": "unhealthy", "database_healthy": False})
        response = await client.get("/api/health/status")
        assert (response.status_code, response.json()["status"]) == (503, "unhealthy")
        assert (await client.get("/api/health/live")).status_code == 200
        refused = await client.get("/api/users/whoami", headers={"Authorization": "Bearer pm_" + "a" * 43})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


async def test_a_database_that_hangs_hangs_nobody(bare_app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE_S", 0.05)
    broken = Broken(hangs=True)
    async with over(bare_app, broken) as client:
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(client.get("/api/health") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {503}
    assert broken.asked == 1


async def test_the_status_is_asked_for_once_in_five_seconds(bare_app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken(hangs=False)
    async with over(bare_app, broken) as client:
        for _ in range(5):
            assert (await client.get("/api/health/status")).status_code == 503
    assert broken.asked == 1
    assert probe.REMEMBER_S == 5
