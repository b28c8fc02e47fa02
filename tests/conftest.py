"""Fixtures that every room shares: one embedded Postgres for each test process, a clean database for each test."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from postmill.store import migrate
from postmill.store.db import Database
from postmill.store.embedded import Embedded

_EMPTY = """
SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') || ' CASCADE'
FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migration'
"""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


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


@pytest.fixture
async def clean(postgres: str, logins: migrate.Logins) -> migrate.Logins:
    """The same, with every table empty."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        row = connection.execute(_EMPTY).fetchone()
        assert row is not None
        connection.execute(row[0])
    return logins


@pytest.fixture
async def database(clean: migrate.Logins) -> AsyncIterator[Database]:
    """Both pools on the empty database."""
    async with Database.connect(clean.system_url, clean.api_url) as found:
        yield found
