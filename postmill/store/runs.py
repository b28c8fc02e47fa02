"""Jobs as people and clients see them. JSON documents are passed on as the text that Postgres keeps."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from postmill.model.user import Actor
from postmill.store.db import Connection
from postmill.store.filters import Filters
from postmill.store.sql import load

SQL = load(__file__)
LOG_PIECES = 16
"""Rows of log in one answer; a row has at most 256 k characters."""


def _who(actor: Actor, job: UUID) -> dict[str, Any]:
    return {"id": job, "workspace": actor.workspace, "email": actor.email, "admin": actor.is_admin}


async def get(
    tx: Connection, actor: Actor, job: UUID, *, lease_s: float, logs: bool = True, code: bool = True
) -> tuple[str, str] | None:
    """The job as JSON text (the contract's QueuedJob or CompletedJob), and its state."""
    parameters = {
        "with_args": True,
        "with_result": True,
        "with_logs": logs,
        "with_code": code,
        "lease_s": lease_s,
    }
    row = await (await tx.execute(SQL["get"], _who(actor, job) | parameters)).fetchone()
    return (row["job"], row["state"]) if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What changes while one watches. `mem_peak` in kB."""

    running: bool
    completed: bool
    status: str
    attempts: int
    mem_peak: int | None
    progress: int | None
    """Percent; None when the job said nothing of it."""
    stream_end: int
    """Characters of the streamed result."""
    parent_job: UUID | None


async def state(tx: Connection, actor: Actor, job: UUID) -> State | None:
    row = await (await tx.execute(SQL["state"], _who(actor, job))).fetchone()
    return State(**row) if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """A finished job's result: JSON text, or in `blob` where it is large (the text is then its description)."""

    result: str | None
    result_blob: bool
    status: str
    deleted: bool


async def result(tx: Connection, actor: Actor, job: UUID) -> StoredResult | None:
    """None while it is not finished."""
    row = await (await tx.execute(SQL["result"], _who(actor, job))).fetchone()
    return StoredResult(**row) if row else None


async def blob(tx: Connection, blob_id: UUID) -> AsyncIterator[bytes]:
    """The pieces of a large result, of which each is read when it is asked for."""
    seq = 0
    while row := await (await tx.execute(SQL["blob_row"], {"id": blob_id, "seq": seq})).fetchone():
        yield row["bytes"]
        seq += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """A stretch of log or of a streamed result; `offset` is where the next one begins, `more` whether it is there."""

    text: str = ""
    offset: int = 0
    more: bool = False


async def log(tx: Connection, job: UUID, offset: int) -> LogPart:
    """The log from character `offset` on; at most LOG_PIECES pieces."""
    # One row more than is given tells whether that was all.
    rows = await (await tx.execute(SQL["log"], {"id": job, "offset": offset, "pieces": LOG_PIECES + 1})).fetchall()
    return part_of(rows, offset)


def part_of(rows: list[dict[str, Any]], offset: int) -> LogPart:
    """What of the pieces (one row more than are given) stands from `offset` on."""
    text = "".join(row["content"] for row in rows[:LOG_PIECES])
    if not rows:
        return LogPart(text="", offset=offset, more=False)
    start = rows[0]["position"]
    end = max(offset, start + len(text))
    return LogPart(text=text[max(0, offset - start) :], offset=end, more=len(rows) > LOG_PIECES)


async def args(tx: Connection, actor: Actor, job: UUID) -> str | None:
    row = await (await tx.execute(SQL["args"], _who(actor, job))).fetchone()
    return row["args"] if row else None


async def list_jobs(tx: Connection, filters: Filters) -> str:
    """A JSON array, newest first unless the filters say otherwise."""
    statement = SQL["list"].replace(b"{filters}", filters.where()).replace(b"{order}", filters.order())
    row = await (await tx.execute(statement, filters.parameters())).fetchone()
    assert row is not None
    return str(row["jobs"])


async def why(tx: Connection, workspace: str, job: UUID) -> dict[str, Any] | None:
    """What can keep a queued job waiting; None when it is not queued."""
    return await (await tx.execute(SQL["why"], {"id": job, "workspace": workspace})).fetchone()


async def count_by_path(tx: Connection, workspace: str, path: str) -> int:
    """Jobs of a script that are queued and do not run yet."""
    row = await (await tx.execute(SQL["count_by_path"], {"workspace": workspace, "path": path})).fetchone()
    assert row is not None
    return int(row["queued"])


async def timing(tx: Connection, actor: Actor, job: UUID) -> dict[str, Any] | None:
    """`{created_at, started_at, duration_ms}` of a finished job."""
    return await (await tx.execute(SQL["timing"], _who(actor, job))).fetchone()
