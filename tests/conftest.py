"""Fixtures that every room shares: one embedded Postgres for each test process, a clean database for each test."""

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
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the owner of a running embedded Postgres. Its directory is short: a socket's path has a limit."""
    home = Path(tmp_path_factory.mktemp("pg"))
    server = Embedded(home)
    try:
        yield server.start()
    finally:
        server.stop()


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
