"""The workers page: how each holds its jobs, and why one takes none."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient

from postmill.model.job import Pulse, WorkerInfo
from postmill.queue.beat import beat
from postmill.store.db import Database
from tests.api.caller import Caller
from tests.api.conftest import Person

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ann(client: AsyncClient, admin: Person) -> AsyncIterator[Caller]:
    yield Caller(client, admin)


async def register(store: Database, name: str, **more: Any) -> None:
    values: dict[str, Any] = {"instance": "host", "pid": 1, "ip": "127.0.0.1", "version": "0", "slots": 2}
    info = WorkerInfo(name=name, **values | {"isolation": "L3", "tags": ("bash",)} | more)
    async with store.transaction() as tx:
        await beat(tx, info, Pulse(memory=1, jobs_executed=0, draining=False, running={}), 15.0)


async def listed(client: AsyncClient, ann: Caller) -> dict[str, dict[str, Any]]:
    response = await client.get("/api/workers/list", headers=ann.person.bearer)
    assert response.status_code == 200
    return {row["worker"]: row for row in response.json()}


async def test_a_worker_shows_how_it_holds_its_jobs(client: AsyncClient, ann: Caller, database: Database) -> None:
    await register(
        database,
        "wk-1",
        isolation="L3",
        how="root",
        networks=("host", "filtered", "none"),
        limits_by="cgroup v2 (memory, pids, cpu)",
        database="reachable by jobs, protected by its password",
    )
    await register(database, "wk-2", isolation="L1", how="user", networks=("host",), no_filter="no root")
    found = await listed(client, ann)
    one, two = found["wk-1"], found["wk-2"]
    assert (one["job_isolation"], one["job_isolation_how"]) == ("L3", "root")
    assert one["job_networks"] == ["host", "filtered", "none"]
    assert one["job_limits_by"] == "cgroup v2 (memory, pids, cpu)"
    assert one["database"] == "reachable by jobs, protected by its password"
    assert (one["job_network_filtered_unavailable"], one["refuses_jobs"]) == (None, None)
    assert (two["job_isolation"], two["job_networks"]) == ("L1", ["host"])
    assert (two["job_network_filtered_unavailable"], two["database"]) == ("no root", None)


async def _waiting(ann: Caller, job: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await ann.job(job))["waiting"]
    return found


async def test_a_job_that_only_too_weak_workers_could_run_waits_and_says_so(
    client: AsyncClient, ann: Caller, database: Database
) -> None:
    why = "it offers isolation L1, and this instance demands L3 (POSTMILL_MIN_ISOLATION)"
    await register(database, "wk-1", isolation="L1", refuses=why)
    assert (await listed(client, ann))["wk-1"]["refuses_jobs"] == why
    job = await ann.preview()
    waiting = await _waiting(ann, job)
    assert waiting["reason"] == "isolation"
    assert why in waiting["message"]
    await register(database, "other", tags=("python3",), refuses="another reason")
    assert why in (await _waiting(ann, job))["message"]
    await register(database, "wk-2")
    assert (await _waiting(ann, job))["reason"] == "busy"


async def test_a_worker_for_other_tags_is_no_reason(ann: Caller, database: Database) -> None:
    await register(database, "wk-1", tags=("python3",), refuses="it is weak")
    assert (await _waiting(ann, await ann.preview()))["reason"] == "no_worker"
