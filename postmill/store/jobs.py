"""A job's life in Postgres: one function a statement of jobs.sql. Each takes an open transaction."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any
from uuid import UUID

from psycopg import errors

from postmill.model.errors import LostLease
from postmill.model.job import BLOB_ROW, ClaimedJob, Held, NewJob, Pulse, Status
from postmill.store.db import Connection, Cursor
from postmill.store.sql import load

SQL = load(__file__)
_CLAIMED = tuple(field.name for field in fields(ClaimedJob))


def _parameters(job: NewJob) -> dict[str, Any]:
    values = {field.name: getattr(job, field.name) for field in fields(job)}
    limit = values.pop("limit")
    return values | {
        "concurrency_key": limit.key if limit else None,
        "labels": list(job.labels),
        "envs": list(job.envs),
    }


async def push(tx: Connection, job: NewJob, rank: float) -> None:
    await tx.execute(SQL["push"], _parameters(job) | {"rank": rank})


async def push_cached(tx: Connection, job: NewJob) -> bool:
    """Whether the result cache held an answer, so that the job is finished already."""
    return (await tx.execute(SQL["push_cached"], _parameters(job))).rowcount == 1


async def remember_request(tx: Connection, workspace: str, key: str, job: UUID, request_hash: bytes) -> bool:
    """Whether this is the first request with this key; a concurrent one is waited for."""
    cursor = await tx.execute(
        SQL["remember_request"],
        {"workspace_id": workspace, "key": key, "job_id": job, "request_hash": request_hash},
    )
    return cursor.rowcount == 1


async def remembered_request(tx: Connection, workspace: str, key: str) -> tuple[UUID, bytes] | None:
    """The job of the first request with this key, and the hash of that request."""
    cursor = await tx.execute(SQL["remembered_request"], {"workspace_id": workspace, "key": key})
    row = await cursor.fetchone()
    return (row["job_id"], row["request_hash"]) if row else None


async def queued_ranks(tx: Connection) -> dict[str, tuple[float, float]]:
    """Workspace → (lowest, highest) rank of what can be claimed."""
    rows = await (await tx.execute(SQL["queued_ranks"])).fetchall()
    return {row["workspace_id"]: (row["lowest"], row["highest"]) for row in rows}


class Claim:
    """A claim that was sent; `jobs()` reads the answer, after COMMIT where it was pipelined."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    async def jobs(self) -> list[ClaimedJob]:
        return [ClaimedJob(**{name: row[name] for name in _CLAIMED}) for row in await self._cursor.fetchall()]


async def claim(tx: Connection, worker: str, tags: Iterable[str], count: int, lease_s: float) -> Claim:
    await tx.execute(SQL["plan_anew"])
    return Claim(
        await tx.execute(SQL["claim"], {"worker": worker, "tags": list(tags), "count": count, "lease_s": lease_s})
    )


async def beat(tx: Connection, pulse: Pulse, lease_s: float) -> Held:
    cursor = await tx.execute(
        SQL["beat"],
        {
            "ids": list(pulse.running),
            "leases": list(pulse.running.values()),
            "lease_s": lease_s,
        },
    )
    rows = await cursor.fetchall()
    return Held(
        owned=frozenset(row["id"] for row in rows),
        canceled=frozenset(row["id"] for row in rows if row["canceled"]),
    )


async def append_log(tx: Connection, job: UUID, lease: int, position: int, content: str) -> None:
    """Raises LostLease."""
    try:
        await tx.execute(SQL["append_log"], {"id": job, "lease": lease, "position": position, "content": content})
    except errors.DivisionByZero as error:
        raise LostLease() from error


async def finish(
    tx: Connection,
    job: UUID,
    lease: int,
    *,
    running: bool,
    status: Status,
    result: str,
    result_blob: bool = False,
    end_reason: str | None = None,
    memory_peak: int = 0,
    labels: Iterable[str] = (),
) -> None:
    """Move the job to `job_completed`. Not the owner any more: division by zero, which ends the pipeline."""
    await tx.execute(
        SQL["finish"],
        {
            "id": job,
            "lease": lease,
            "running": running,
            "status": status,
            "result": result,
            "result_blob": result_blob,
            "end_reason": end_reason,
            "memory_peak": memory_peak,
            "labels": list(labels),
        },
    )


async def store_blob(tx: Connection, blob: UUID, data: bytes) -> None:
    for seq in range(0, len(data), BLOB_ROW):
        await tx.execute(SQL["store_blob"], {"id": blob, "seq": seq // BLOB_ROW, "bytes": data[seq : seq + BLOB_ROW]})


async def drop_blob_of_canceled(tx: Connection, job: UUID) -> None:
    await tx.execute(SQL["drop_blob_of_canceled"], {"id": job})


async def remember_result(tx: Connection, job: UUID) -> None:
    await tx.execute(SQL["remember_result"], {"id": job})


async def push_again(tx: Connection, job: UUID, new_id: UUID, pause_s: float) -> None:
    await tx.execute(SQL["push_again"], {"id": job, "new_id": new_id, "pause_s": pause_s})


async def completed_lease(tx: Connection, job: UUID) -> int | None:
    """The lease under which the job was finished; None while it is not."""
    row = await (await tx.execute(SQL["completed_lease"], {"id": job})).fetchone()
    return row["lease"] if row else None


async def hand_back(tx: Connection, job: UUID, lease: int) -> str | None:
    """The job's tag, or None when it was no longer the worker's or is to be cancelled."""
    row = await (await tx.execute(SQL["hand_back"], {"id": job, "lease": lease})).fetchone()
    return row["tag"] if row else None


async def lock_queued(tx: Connection, workspace: str, job: UUID) -> dict[str, Any] | None:
    """`{id, state, lease, concurrency_key, canceled_by}`, locked; None when it is not queued."""
    return await (await tx.execute(SQL["lock_queued"], {"id": job, "workspace_id": workspace})).fetchone()


async def request_cancel(tx: Connection, job: UUID, canceled_by: str, reason: str) -> None:
    await tx.execute(SQL["request_cancel"], {"id": job, "canceled_by": canceled_by, "reason": reason})


async def expired(tx: Connection, count: int) -> list[dict[str, Any]]:
    """Running jobs whose lease is over, locked: `{id, lease, worker, canceled_by, concurrency_key, deaths}`."""
    return await (await tx.execute(SQL["expired"], {"count": count})).fetchall()


async def anything_to_rescue(tx: Connection) -> bool:
    """Whether `expired` or `lost_workers` may find something: one cheap look."""
    row = await (await tx.execute(SQL["anything_to_rescue"])).fetchone()
    return row is not None and bool(row["found"])


async def rescue(tx: Connection, job: UUID, lease: int) -> str | None:
    """The job's tag when it can be claimed again."""
    row = await (await tx.execute(SQL["rescue"], {"id": job, "lease": lease})).fetchone()
    return row["tag"] if row else None


async def lost_workers(tx: Connection, count: int) -> list[dict[str, Any]]:
    """Jobs that only a dead worker may run, locked: `{id, lease, concurrency_key}`."""
    return await (await tx.execute(SQL["lost_workers"], {"count": count})).fetchall()


async def due(tx: Connection, count: int) -> Cursor:
    """Make claimable, or hold, what was scheduled for now; rows `{tag, concurrency_key}`."""
    return await tx.execute(SQL["due"], {"count": count})


async def next_due(tx: Connection) -> Cursor:
    """One row `{seconds}`: until the next scheduled job is due; None without one."""
    return await tx.execute(SQL["next_due"])
