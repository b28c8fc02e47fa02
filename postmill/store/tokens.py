"""Tokens, and the secrets of the instance. Only hashes of tokens come here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from psycopg.rows import class_row

from postmill.model.user import Role
from postmill.store.db import Connection
from postmill.store.sql import load

SQL = load(__file__)

Kind = Literal["session", "api"]


@dataclass(frozen=True, slots=True)
class Found:
    """What one look at a token's hash told."""

    prefix: str
    kind: Kind
    scopes: list[str] | None
    read_only: bool
    bound_to: str | None
    expiration: datetime | None
    expired: bool
    stale: bool
    """Not marked as used within the last minute."""
    email: str
    super_admin: bool
    account_disabled: bool
    workspace: str | None
    """The workspace asked for, when it exists."""
    username: str | None
    role: Role | None
    """None: not a member of it."""
    member_disabled: bool


@dataclass(frozen=True, slots=True)
class RunningJob:
    """Whose rights a running job has."""

    workspace: str
    email: str
    permissioned_as: str
    super_admin: bool
    account_disabled: bool
    username: str | None
    role: Role | None
    member_disabled: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A token as its owner sees it, in the contract's words."""

    token_prefix: str
    label: str | None
    expiration: datetime | None
    created_at: datetime
    last_used_at: datetime
    scopes: list[str] | None
    email: str
    workspace_id: str | None
    read_only: bool


async def identify(tx: Connection, hash: bytes, workspace: str | None) -> Found | None:
    """Who holds this token, and what they are in `workspace`; None: nobody does."""
    async with tx.cursor(row_factory=class_row(Found)) as cursor:
        await cursor.execute(SQL["identify"], {"hash": hash, "workspace": workspace})
        return await cursor.fetchone()


async def touch(tx: Connection, hash: bytes, *, idle: timedelta, longest: timedelta) -> None:
    """Mark as used now, and move a session's expiration `idle` ahead, never beyond `longest` after its start."""
    await tx.execute(SQL["touch"], {"hash": hash, "idle": idle, "longest": longest})


async def running_job(tx: Connection, job: UUID, lease: int) -> RunningJob | None:
    """The job, if it runs under this lease now."""
    async with tx.cursor(row_factory=class_row(RunningJob)) as cursor:
        await cursor.execute(SQL["running_job"], {"job": job, "lease": lease})
        return await cursor.fetchone()


async def insert(
    tx: Connection,
    *,
    hash: bytes,
    prefix: str,
    email: str,
    kind: Kind,
    label: str | None = None,
    workspace_id: str | None = None,
    scopes: list[str] | None = None,
    read_only: bool = False,
    expiration: datetime | None = None,
    lasts: timedelta | None = None,
) -> bool:
    """Keep a token; it ends at `expiration`, or after `lasts`, or never. False: its prefix is taken."""
    cursor = await tx.execute(
        SQL["insert"],
        {
            "hash": hash,
            "prefix": prefix,
            "email": email,
            "kind": kind,
            "label": label,
            "workspace_id": workspace_id,
            "scopes": scopes,
            "read_only": read_only,
            "expiration": expiration,
            "lasts": lasts,
        },
    )
    return cursor.rowcount == 1


async def list_of(
    tx: Connection, email: str, *, bound_to: str | None, exclude_sessions: bool, limit: int, offset: int
) -> list[Token]:
    """Somebody's tokens, newest first; with `bound_to` those of one workspace only."""
    async with tx.cursor(row_factory=class_row(Token)) as cursor:
        await cursor.execute(
            SQL["list_of"],
            {
                "email": email,
                "bound_to": bound_to,
                "exclude_sessions": exclude_sessions,
                "limit": limit,
                "offset": offset,
            },
        )
        return await cursor.fetchall()


async def delete_by_prefix(tx: Connection, email: str, prefix: str, *, bound_to: str | None) -> bytes | None:
    """Delete one's own token; returns its hash, or None when there is none."""
    cursor = await tx.execute(SQL["delete_by_prefix"], {"email": email, "prefix": prefix, "bound_to": bound_to})
    row = await cursor.fetchone()
    return None if row is None else bytes(row["hash"])


async def delete_session(tx: Connection, hash: bytes) -> None:
    """Log out. An API token is left alone."""
    await tx.execute(SQL["delete_session"], {"hash": hash})


async def make_secret(tx: Connection, name: str, value: bytes) -> bytes:
    """Keep `value` under `name` unless there is one already; returns the one that is kept."""
    await tx.execute(SQL["make_secret"], {"name": name, "value": value})
    row = await (await tx.execute(SQL["read_secret"], {"name": name})).fetchone()
    if row is None:
        raise LookupError(f"the secret {name!r} was deleted meanwhile")
    return bytes(row["value"])


async def read_secret(tx: Connection, name: str) -> bytes | None:
    """The secret of this name."""
    row = await (await tx.execute(SQL["read_secret"], {"name": name})).fetchone()
    return None if row is None else bytes(row["value"])


async def replace_secret(tx: Connection, name: str, value: bytes) -> None:
    """Keep `value` under `name`, whatever was there."""
    await tx.execute(SQL["replace_secret"], {"name": name, "value": value})


async def spend_secret(tx: Connection, name: str, value: bytes) -> bool:
    """Delete the secret if it is `value`; of many callers at once one is told True."""
    return (await tx.execute(SQL["spend_secret"], {"name": name, "value": value})).rowcount == 1


async def delete_secret(tx: Connection, name: str) -> None:
    """Delete the secret of this name, if there is one."""
    await tx.execute(SQL["delete_secret"], {"name": name})
