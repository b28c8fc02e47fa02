"""Workspaces and who is in them."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from postmill.model.user import Role
from postmill.store.db import Connection
from postmill.store.sql import load

SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class Membership:
    """A workspace, as one of its members sees it."""

    id: str
    name: str
    owner: str
    username: str
    role: Role
    disabled: bool


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a workspace."""

    email: str
    username: str
    role: Role
    disabled: bool
    """Here, or the whole account."""
    created_at: datetime
    super_admin: bool
    name: str | None


async def insert(tx: Connection, *, id: str, name: str, owner: str) -> bool:
    """Make a workspace. False: the id is taken."""
    return (await tx.execute(SQL["insert"], {"id": id, "name": name, "owner": owner})).rowcount == 1


async def exists(tx: Connection, id: str) -> bool:
    """Whether the id is taken, also by a deleted workspace."""
    row = await (await tx.execute(SQL["exists"], {"id": id})).fetchone()
    return row is not None and bool(row["found"])


async def name_of(tx: Connection, id: str) -> str | None:
    """What people call the workspace."""
    row = await (await tx.execute(SQL["name_of"], {"id": id})).fetchone()
    return None if row is None else str(row["name"])


async def of_account(tx: Connection, email: str, *, only: str | None = None) -> list[Membership]:
    """The workspaces that somebody is in, by id; with `only` at most that one."""
    async with tx.cursor(row_factory=class_row(Membership)) as cursor:
        await cursor.execute(SQL["of_account"], {"email": email, "only": only})
        return await cursor.fetchall()


async def add_member(tx: Connection, *, workspace: str, email: str, username: str, role: Role) -> bool:
    """Let an account in. False: it is in, or the username is taken."""
    cursor = await tx.execute(
        SQL["add_member"], {"workspace": workspace, "email": email, "username": username, "role": role}
    )
    return cursor.rowcount == 1


async def members(tx: Connection, workspace: str, *, limit: int, offset: int) -> list[Member]:
    """Who is in a workspace, by username."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(SQL["members"], {"workspace": workspace, "limit": limit, "offset": offset})
        return await cursor.fetchall()


async def member_by_email(tx: Connection, workspace: str, email: str) -> Member | None:
    """The member with this e-mail."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(SQL["member_by_email"], {"workspace": workspace, "email": email})
        return await cursor.fetchone()


async def member_by_username(tx: Connection, workspace: str, username: str) -> Member | None:
    """The member with this username."""
    async with tx.cursor(row_factory=class_row(Member)) as cursor:
        await cursor.execute(SQL["member_by_username"], {"workspace": workspace, "username": username})
        return await cursor.fetchone()
