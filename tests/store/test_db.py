"""Transactions, the two roles, and the clock."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from postmill.model.user import Actor
from postmill.store import migrate
from postmill.store.db import Database

pytestmark = pytest.mark.anyio


async def test_the_api_role_sees_rows_of_its_own_workspace_only(database: Database) -> None:
    async with database.transaction() as tx:
        for name in ("one", "two"):
            await tx.execute("INSERT INTO workspace (id, name, owner) VALUES (%s, %s, 'x')", (name, name))
            await tx.execute(
                "INSERT INTO script (workspace_id, hash, path, content, language, created_by)"
                " VALUES (%s, 1, 'u/a/b', '', 'bash', 'a')",
                (name,),
            )
    async with database.transaction(Actor("a@b.c", workspace="one")) as tx:
        rows = await (await tx.execute("SELECT workspace_id FROM script")).fetchall()
        assert [row["workspace_id"] for row in rows] == ["one"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.transaction(Actor("a@b.c", workspace="one")) as tx:
            await tx.execute(
                "INSERT INTO script (workspace_id, hash, path, content, language, created_by)"
                " VALUES ('two', 2, 'u/a/c', '', 'bash', 'a')"
            )


async def test_the_actor_does_not_stay_on_the_connection(clean: migrate.Logins) -> None:
    async with Database.connect(clean.system_url, clean.api_url, size=1) as database:
        async with database.transaction(Actor("a@b.c", workspace="one")):
            pass
        async with database.transaction(Actor("a@b.c")) as tx:
            row = await (await tx.execute("SELECT actor_workspace() AS w")).fetchone()
            assert row == {"w": None}


@pytest.mark.parametrize("table", ["instance_secret", "migration"])
async def test_the_api_role_cannot_read_what_is_not_granted(database: Database, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.transaction(Actor("a@b.c", workspace="one")) as tx:
            await tx.execute(f"SELECT * FROM {table}".encode())


async def test_the_api_role_cannot_take_a_lease(database: Database) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.transaction(Actor("a@b.c", workspace="one")) as tx:
            await tx.execute("UPDATE job_queue SET lease = 1")


async def test_an_error_in_a_pipeline_undoes_all_of_it(database: Database) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        async with database.transaction(pipeline=True) as tx:
            await tx.execute("INSERT INTO workspace (id, name, owner) VALUES ('lost', 'lost', 'x')")
            await tx.execute("SELECT 1 / 0")
            await tx.execute("INSERT INTO workspace (id, name, owner) VALUES ('late', 'late', 'x')")
    async with database.transaction() as tx:
        assert await (await tx.execute("SELECT id FROM workspace")).fetchall() == []


async def test_an_exception_of_the_caller_undoes_the_transaction(database: Database) -> None:
    with pytest.raises(KeyError):
        async with database.transaction() as tx:
            await tx.execute("INSERT INTO workspace (id, name, owner) VALUES ('lost', 'lost', 'x')")
            raise KeyError
    async with database.transaction() as tx:
        assert await (await tx.execute("SELECT id FROM workspace")).fetchall() == []


async def test_tests_can_move_the_clock(clean: migrate.Logins) -> None:
    async with Database.connect(clean.system_url, clock_offset=timedelta(days=400)) as database:
        async with database.transaction() as tx:
            row = await (await tx.execute("SELECT clock() AS now")).fetchone()
    assert row is not None
    assert row["now"] - datetime.now(UTC) > timedelta(days=399)


async def test_migrating_twice_does_nothing_and_a_changed_file_is_refused(
    logins: migrate.Logins, postgres: str
) -> None:
    assert await migrate.migrate(logins.system_url) == []
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("UPDATE migration SET sha256 = 'x' || sha256 WHERE name = '0001_first'")
    try:
        with pytest.raises(migrate.MigrationError, match="migrations never change"):
            await migrate.migrate(logins.system_url)
    finally:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("UPDATE migration SET sha256 = substr(sha256, 2) WHERE name = '0001_first'")


async def test_connections_that_the_server_closed_are_not_handed_out(clean: migrate.Logins, postgres: str) -> None:
    async with Database.connect(clean.system_url, size=4) as database:
        async with AsyncExitStack() as all_at_once:
            for _ in range(4):
                await all_at_once.enter_async_context(database.transaction())
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'postmill system'"
            )
        for _ in range(4):
            async with database.transaction(pipeline=True) as tx:
                await tx.execute("SELECT 1")
