"""The token of a running job: its owner's rights, in its workspace, while it runs."""

from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from postmill.api import access
from postmill.api.services import Services
from postmill.auth.instance import job_token_key
from postmill.auth.job_tokens import job_token
from postmill.store.db import Database
from tests.api.conftest import People, Person
from tests.api.test_access import routes

pytestmark = pytest.mark.anyio


async def run(database: Database, owner: str, workspace: str = "main", lease: int = 3) -> UUID:
    """A job that a worker has claimed."""
    job = uuid4()
    async with database.transaction() as tx:
        await tx.execute(
            "INSERT INTO job (id, workspace_id, kind, language, content, args, tag, created_by, permissioned_as,"
            " email, scheduled_for, timeout_s)"
            " VALUES (%s, %s, 'preview', 'bash', '', '{}', 'bash', 'x', 'u/x', %s, clock(), 60)",
            (job, workspace, owner),
        )
        await tx.execute(
            "INSERT INTO job_queue (id, workspace_id, state, scheduled_for, priority, rank, tag, worker, lease,"
            " lease_until, started_at) VALUES (%s, %s, 'running', clock(), 0, 0, 'bash', 'w', %s, clock(), clock())",
            (job, workspace, lease),
        )
    return job


def bearer(services: Services, job: UUID, lease: int = 3, workspace: str = "main") -> dict[str, str]:
    return {"Authorization": f"Bearer {job_token(services.job_token_key, job, lease, workspace)}"}


async def test_a_job_has_its_owners_rights_in_its_workspace(
    client: AsyncClient, services: Services, people: People
) -> None:
    bob = await people.add("bob", "operator")
    job = bearer(services, await run(people.database, bob.email))
    me = (await client.get("/api/w/main/users/whoami", headers=job)).json()
    assert (me["email"], me["operator"], me["is_admin"]) == (bob.email, True, False)
    assert (await client.post("/api/w/main/workspaces/add_user", headers=job)).status_code == 403
    response = await client.get("/api/users/whoami", headers=job)
    assert (response.status_code, response.json()["email"]) == (200, bob.email)


async def test_a_super_admins_job_is_an_administrator_of_one_workspace(
    client: AsyncClient, services: Services, people: People, app: FastAPI
) -> None:
    await people.add("eve", "admin", workspace="other")
    job = bearer(services, await run(people.database, people.admin.email))
    me = (await client.get("/api/w/main/users/whoami", headers=job)).json()
    assert (me["is_admin"], me["is_super_admin"]) == (True, False)
    assert not (await client.get("/api/users/whoami", headers=job)).json()["super_admin"]
    assert (await client.get("/api/w/other/users/whoami", headers=job)).status_code == 401
    for method, path, rule in routes(app):
        if rule != "public" and "/w/" not in path and path != "/api/users/whoami":
            assert (await client.request(method, path, headers=job)).status_code == 403, (method, path)
    assert "POST /api/users/tokens/create" in access.check(app)


async def test_a_token_ends_with_its_lease(client: AsyncClient, services: Services, people: People) -> None:
    job = await run(people.database, people.admin.email)
    good = bearer(services, job)
    for forged in (
        bearer(services, job, lease=4),
        bearer(services, job, workspace="other"),
        bearer(services, uuid4()),
        {"Authorization": good["Authorization"][:-1] + ("0" if good["Authorization"][-1] != "0" else "1")},
        {"Authorization": f"Bearer {job_token(b'x' * 32, job, 3, 'main')}"},
        {"Authorization": f"Bearer pmj_{job.hex}_{2**40}_{'0' * 64}"},
    ):
        assert (await client.get("/api/w/main/users/whoami", headers=forged)).status_code == 401
        assert (await client.get("/api/users/whoami", headers=forged)).status_code == 401
    assert (await client.get("/api/w/main/users/whoami", headers=good)).status_code == 200
    async with people.database.transaction() as tx:
        await tx.execute("UPDATE job_queue SET lease = 4")
    response = await client.get("/api/w/main/users/whoami", headers=good)
    assert (response.status_code, "has ended" in response.text) == (401, True)
    again = bearer(services, job, lease=4)
    assert (await client.get("/api/w/main/users/whoami", headers=again)).status_code == 200
    for ending in (
        "UPDATE job_queue SET state = 'available', worker = NULL, lease_until = NULL, started_at = NULL",
        "DELETE FROM job_queue",
    ):
        async with people.database.transaction() as tx:
            await tx.execute(ending.encode())
        assert (await client.get("/api/w/main/users/whoami", headers=again)).status_code == 401


async def test_a_job_loses_its_rights_with_its_owner(client: AsyncClient, services: Services, people: People) -> None:
    bob, cat = await people.add("bob"), await people.add("cat")
    theirs = [bearer(services, await run(people.database, person.email)) for person in (bob, cat)]
    nobodys = bearer(services, await run(people.database, "nobody@example.com"))
    async with people.database.transaction() as tx:
        await tx.execute("UPDATE account SET disabled = true WHERE email = %s", (bob.email,))
        await tx.execute("DELETE FROM member WHERE email = %s", (cat.email,))
    for token in (*theirs, nobodys):
        assert (await client.get("/api/w/main/users/whoami", headers=token)).status_code == 401


async def test_the_instance_makes_its_key_once(services: Services, admin: Person) -> None:
    assert await job_token_key(services.database) == services.job_token_key
    assert len(services.job_token_key) == 32
