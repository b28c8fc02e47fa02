"""What is removed with time."""

from uuid import UUID

from postmill.store.db import Connection
from postmill.store.sql import load

SQL = load(__file__)


async def old_jobs(tx: Connection, days: int, count: int) -> int:
    """Delete at most `count` jobs that finished over `days` days ago, whole; returns how many."""
    rows = await (await tx.execute(SQL["old_jobs"], {"days": days, "count": count})).fetchall()
    if rows:
        await tx.execute(SQL["definitions"], {"ids": [row["id"] for row in rows]})
    return len(rows)


async def delete_after(tx: Connection, count: int) -> list[UUID]:
    """Empty at most `count` jobs whose delete_after_secs are over; returns which."""
    rows = await (await tx.execute(SQL["delete_after"], {"count": count})).fetchall()
    return [row["id"] for row in rows]


async def small_things(tx: Connection) -> None:
    """Expired cache entries, idempotency keys of yesterday, tokens that expired a week ago, keys of no job."""
    await tx.execute(SQL["small_things"])
