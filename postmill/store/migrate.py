"""Migrations: numbered plain SQL, forward only, one transaction a file, under one advisory lock.

`roles()` makes the two login roles first; their passwords are derived from DATABASE_URL's own, so that every process
that knows it can log in as them, and nothing has to be kept.
"""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from postmill.model.errors import PostmillError, Unavailable

SYSTEM = "postmill_system"
API = "postmill_api"
DIRECTORY = Path(__file__).parent / "migrations"
WALL = Path(__file__).parent / "wall.sql"
_LOCK = 0x706F73746D696C6C  # "postmill"
LEAST_VERSION = 150000


class MigrationError(PostmillError):
    """The database cannot be brought to this version."""


@dataclass(frozen=True, slots=True)
class Logins:
    """How the two pools log in."""

    system_url: str
    api_url: str
    advice: str | None = None
    """SQL for the database's administrator, when the roles could not be made ("second wall off")."""


def _password(url: str, role: str) -> str:
    secret = str(conninfo_to_dict(url).get("password") or "")
    return hmac.new(f"postmill:{secret}".encode(), role.encode(), hashlib.sha256).hexdigest()


def role_url(url: str, role: str) -> str:
    """`url` logging in as `role`."""
    return make_conninfo(url, user=role, password=_password(url, role))


async def roles(url: str) -> Logins:
    """How to log in as the two roles, which are made or refreshed where they cannot yet; else as `url`'s own user.

    Raises:
        MigrationError: the server is older than 15.
        Unavailable: no answer.
    """
    try:
        connection = await AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        raise Unavailable(f"the database does not answer: {error}") from error
    async with connection:
        if connection.info.server_version < LEAST_VERSION:
            raise MigrationError(
                f"Postgres {connection.info.server_version // 10000} is too old: Postmill needs 15 or newer"
            )
        if await _can_log_in(role_url(url, SYSTEM)) and await _can_log_in(role_url(url, API)):
            return Logins(role_url(url, SYSTEM), role_url(url, API))
        database = connection.info.dbname
        statements = [
            sql.SQL("GRANT CREATE, CONNECT ON DATABASE {} TO {}").format(
                sql.Identifier(database), sql.Identifier(SYSTEM)
            ),
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), sql.Identifier(API)),
            sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(sql.Identifier(SYSTEM)),
        ]
        try:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                for role in (SYSTEM, API):
                    await _make_role(connection, role, _password(url, role))
                for statement in statements:
                    await connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            advice = "\n".join(
                [f"CREATE ROLE {role} LOGIN PASSWORD '{_password(url, role)}';" for role in (SYSTEM, API)]
                + [statement.as_string(connection) + ";" for statement in statements]
                + [f"REASSIGN OWNED BY {sql.Identifier(connection.info.user).as_string(connection)} TO {SYSTEM};"]
            )
            return Logins(url, url, advice)
    return Logins(role_url(url, SYSTEM), role_url(url, API))


async def _can_log_in(url: str) -> bool:
    try:
        async with await AsyncConnection.connect(url, autocommit=True, connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


async def _make_role(connection: AsyncConnection, role: str, password: str) -> None:
    cursor = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,))
    verb = sql.SQL("ALTER" if cursor.rowcount else "CREATE")
    await connection.execute(
        sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, sql.Identifier(role), sql.Literal(password))
    )


def migrations() -> list[Path]:
    """The files, oldest first."""
    return sorted(DIRECTORY.glob("[0-9][0-9][0-9][0-9]_*.sql"))


async def migrate(system_url: str) -> list[str]:
    """Apply what is missing, as the owner; returns the names applied. Safe to run from many processes at once.

    Raises:
        MigrationError: a file that was applied has changed since, or the database is newer than this program.
    """
    async with await AsyncConnection.connect(system_url, autocommit=True, connect_timeout=5) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, sha256 text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        cursor = await connection.execute("SELECT name, sha256 FROM migration")
        known = {str(row[0]): str(row[1]) for row in await cursor.fetchall()}
        files = migrations()
        if newer := sorted(set(known) - {file.stem for file in files} - {WALL.stem}):
            raise MigrationError(f"the database has {newer[-1]}, which this version does not know: upgrade Postmill")
        applied = []
        for file in files:
            text = file.read_bytes()
            digest = hashlib.sha256(text).hexdigest()
            if file.stem in known:
                if known[file.stem] != digest:
                    raise MigrationError(f"{file.stem} was applied with other contents; migrations never change")
                continue
            async with connection.transaction():
                await connection.execute(text)
                await connection.execute("INSERT INTO migration VALUES (%s, %s)", (file.stem, digest))
            applied.append(file.stem)
        await _build_wall(connection, known.get(WALL.stem))
        return applied


async def _build_wall(connection: AsyncConnection, built: str | None) -> None:
    """Apply wall.sql when it has changed; nothing without the role that it is for. (It locks: not at each start.)"""
    text = WALL.read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    role = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (API,))
    if built == digest or not role.rowcount:
        return
    async with connection.transaction():
        await connection.execute(text)
        await connection.execute(
            "INSERT INTO migration VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256",
            (WALL.stem, digest),
        )
