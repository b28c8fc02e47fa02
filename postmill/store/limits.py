"""Concurrency limits: keys, their slots, and who is next."""

from uuid import UUID

from postmill.model.job import Limit
from postmill.store.db import Connection, Cursor
from postmill.store.sql import load

SQL = load(__file__)


async def declare_key(tx: Connection, limit: Limit) -> None:
    """Keep the limit of the latest push, and lock its row."""
    await tx.execute(SQL["declare_key"], {"key": limit.key, "slots": limit.slots, "window_s": limit.window_s})


async def lock_key(tx: Connection, key: str) -> None:
    await tx.execute(SQL["lock_key"], {"key": key})


async def promote(tx: Connection, key: str) -> Cursor:
    """Fill the free slots of a key that is locked; `promoted_tags` reads the answer."""
    return await tx.execute(SQL["promote"], {"key": key})


async def promoted_tags(cursor: Cursor) -> list[str]:
    return [row["tag"] for row in await cursor.fetchall()]


async def leave(tx: Connection, job: UUID) -> None:
    """Give up the slot of a job that has ended; its key is locked."""
    await tx.execute(SQL["leave"], {"id": job})


async def forget_windows(tx: Connection, key: str) -> None:
    await tx.execute(SQL["forget_windows"], {"key": key})


async def waiting_keys(tx: Connection) -> Cursor:
    """Rows `{key}`: where a slot became free without anybody noticing."""
    return await tx.execute(SQL["waiting_keys"])
