"""Workers: who is there, what they take, when they were last heard."""

from dataclasses import asdict
from typing import Any

from postmill.model.job import Pulse, WorkerInfo
from postmill.store.db import Connection
from postmill.store.sql import load

SQL = load(__file__)


async def beat(tx: Connection, worker: WorkerInfo, pulse: Pulse, lease_s: float) -> None:
    """Register, stay alive for another `lease_s` seconds, or sign off."""
    await tx.execute(
        SQL["beat"],
        asdict(worker)
        | {
            "tags": list(worker.tags),
            "networks": list(worker.networks),
            "lease_s": lease_s,
            "memory": pulse.memory,
            "jobs_executed": pulse.jobs_executed,
            "draining": pulse.draining,
            "leaving": pulse.leaving,
        },
    )


async def forget(tx: Connection) -> int:
    """Remove what was dead for an hour; returns how many."""
    return (await tx.execute(SQL["forget"])).rowcount


async def list_alive(tx: Connection, since_s: float, limit: int, offset: int) -> list[dict[str, Any]]:
    """Rows of `worker` with `silent_s`, `alive`, `running`, `last_job_id`; last heard within `since_s` seconds."""
    return await (
        await tx.execute(SQL["list_alive"], {"since_s": since_s, "limit": limit, "offset": offset})
    ).fetchall()


async def count_alive(tx: Connection) -> int:
    row = await (await tx.execute(SQL["count_alive"])).fetchone()
    assert row is not None
    return int(row["workers"])
