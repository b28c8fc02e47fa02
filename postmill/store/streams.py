"""Streamed results: pieces of text beside the log, read by cursor like it."""

from uuid import UUID

from psycopg import errors

from postmill.model.errors import LostLease
from postmill.store.db import Connection
from postmill.store.runs import LOG_PIECES, LogPart, part_of
from postmill.store.sql import load

SQL = load(__file__)


async def append(tx: Connection, job: UUID, lease: int, position: int, content: str) -> None:
    """Raises LostLease."""
    try:
        await tx.execute(SQL["append"], {"id": job, "lease": lease, "position": position, "content": content})
    except errors.DivisionByZero as error:
        raise LostLease() from error


async def read(tx: Connection, job: UUID, offset: int) -> LogPart:
    """The stream from character `offset` on; at most LOG_PIECES pieces."""
    rows = await (await tx.execute(SQL["read"], {"id": job, "offset": offset, "pieces": LOG_PIECES + 1})).fetchall()
    return part_of(rows, offset)
