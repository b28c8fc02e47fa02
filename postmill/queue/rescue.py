"""Jobs whose worker fell silent: run them again, or end those that cannot be."""

from dataclasses import dataclass, field
from uuid import UUID

from postmill.model.job import MAX_DEATHS, Result, failure
from postmill.queue.finish import Ending, finish
from postmill.store import jobs
from postmill.store.db import Connection

BATCH = 500


@dataclass(slots=True)
class Rescued:
    """What one sweep did."""

    again: list[UUID] = field(default_factory=list)
    ended: list[UUID] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    """Of what can be claimed again."""


async def rescue(tx: Connection) -> Rescued:
    """At most BATCH jobs whose lease is over; rows that another server works on are left to it."""
    done = Rescued()
    for row in await jobs.expired(tx, BATCH):
        if row["canceled_by"] is None and row["deaths"] + 1 < MAX_DEATHS:
            tag = await jobs.rescue(tx, row["id"], row["lease"])
            if tag is not None:
                done.again.append(row["id"])
                done.tags.add(tag)
            continue
        message = (
            f"{MAX_DEATHS} workers died while they ran this job (the last: {row['worker']}); it is not tried again"
        )
        await finish(
            tx,
            Ending(id=row["id"], lease=row["lease"], concurrency_key=row["concurrency_key"]),
            Result(status="failure", result=failure("Poisoned", message), end_reason="poisoned"),
        )
        done.ended.append(row["id"])
    for row in await jobs.lost_workers(tx, BATCH):
        message = "the worker that held this flow's directory is gone"
        await finish(
            tx,
            Ending(id=row["id"], lease=row["lease"], running=False, concurrency_key=row["concurrency_key"]),
            Result(status="failure", result=failure("SameWorkerLost", message), end_reason="same_worker_lost"),
        )
        done.ended.append(row["id"])
    return done
