"""Fixtures that every room shares: one embedded Postgres for each test process, a clean database for each test."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from postmill.environments.python import PythonEnvironments
from postmill.executors.registry import Executors
from postmill.sandbox.servers import Sandbox
from postmill.settings import Settings
from postmill.store import migrate
from postmill.store.db import Database
from postmill.store.embedded import Embedded

_TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migration'"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Four slots, and nothing of them left afterwards."""
    made = Sandbox(4)
    yield made
    await made.close()


@pytest.fixture
def executors(sandbox: Sandbox, tmp_path: Path) -> Executors:
    """Every language, with an empty cache of packages."""
    return Executors(sandbox, PythonEnvironments.of(Settings(home=tmp_path)))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of the owner of a running embedded Postgres, or TEST_DATABASE_URL (an empty database of its owner)."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given is not None:
        yield given
        return
    # Short: a socket's path has a limit.
    home = Path(tempfile.mkdtemp(prefix="pg"))
    server = Embedded(home)
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
async def logins(postgres: str) -> migrate.Logins:
    """The migrated database's two roles."""
    found = await migrate.roles(postgres)
    await migrate.migrate(found.system_url)
    return found


@pytest.fixture(scope="session")
def owner(postgres: str, logins: migrate.Logins) -> Iterator[psycopg.Connection]:
    """A connection that may empty every table in any order."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


@pytest.fixture
def clean(owner: psycopg.Connection, logins: migrate.Logins) -> migrate.Logins:
    """The same, with every table empty. (TRUNCATE makes a file for each table and index: 100 ms instead of 5.)"""
    tables = [row[0] for row in owner.execute(_TABLES)]
    owner.execute(";".join(f"DELETE FROM {table}" for table in tables).encode())
    return logins


@pytest.fixture
async def database(clean: migrate.Logins) -> AsyncIterator[Database]:
    """Both pools on the empty database."""
    async with Database.connect(clean.system_url, clean.api_url) as found:
        yield found
