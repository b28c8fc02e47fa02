"""Drafts: one a person and item, of the version that they began with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postmill.store.db import Connection
from postmill.store.sql import load

SQL = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """`value` is the JSON text that was sent; `base_hash` the head when it was begun, None when there was none."""

    value: str
    base_hash: int | None
    saved_at: datetime


def _key(workspace: str, kind: str, path: str, email: str) -> dict[str, Any]:
    return {"workspace": workspace, "kind": kind, "path": path, "email": email}


async def get(tx: Connection, workspace: str, kind: str, path: str, email: str, *, lock: bool = False) -> Draft | None:
    """Somebody's draft; with `lock` nobody else writes it in this transaction's time."""
    key = _key(workspace, kind, path, email)
    if lock:
        await tx.execute(SQL["lock"], key)
    row = await (await tx.execute(SQL["get"], key)).fetchone()
    return Draft(**row) if row else None


async def save(
    tx: Connection, workspace: str, kind: str, path: str, email: str, *, value: str, base_hash: int | None
) -> datetime:
    """Write or replace; returns the time of it."""
    parameters = _key(workspace, kind, path, email) | {"value": value, "base_hash": base_hash}
    row = await (await tx.execute(SQL["save"], parameters)).fetchone()
    assert row is not None
    saved_at: datetime = row["saved_at"]
    return saved_at


async def head(tx: Connection, workspace: str, path: str) -> int | None:
    """The hash of what runs by this path."""
    row = await (await tx.execute(SQL["head"], {"workspace": workspace, "path": path})).fetchone()
    return row["hash"] if row else None


async def of_others(tx: Connection, workspace: str, kind: str, path: str, email: str) -> list[dict[str, Any]]:
    """`{username, saved_at}` of each other person's draft; the name is None for who is no member any more."""
    return await (await tx.execute(SQL["of_others"], _key(workspace, kind, path, email))).fetchall()


async def list_items(
    tx: Connection, workspace: str, email: str, *, all_users: bool, limit: int, offset: int
) -> list[dict[str, Any]]:
    """`{kind, path, summary, created_at, mine, usernames, draft_only}` of each item with a draft, newest first."""
    parameters = {
        "workspace": workspace,
        "email": email,
        "all_users": all_users,
        "limit": limit,
        "offset": offset,
    }
    return await (await tx.execute(SQL["list"], parameters)).fetchall()


async def email_of(tx: Connection, workspace: str, username: str) -> str | None:
    row = await (await tx.execute(SQL["email_of"], {"workspace": workspace, "username": username})).fetchone()
    return row["email"] if row else None


async def delete(tx: Connection, workspace: str, kind: str, paths: Sequence[str], email: str) -> int:
    """Somebody's drafts of these items; returns how many there were."""
    parameters = {"workspace": workspace, "kind": kind, "paths": list(paths), "email": email}
    return (await tx.execute(SQL["delete"], parameters)).rowcount
