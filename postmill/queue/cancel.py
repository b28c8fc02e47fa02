"""Cancel: a mark on the row that every transition looks at. An accepted cancel ends in `canceled`, always."""

from dataclasses import dataclass
from uuid import UUID

from postmill.model.errors import Conflict, NotFound
from postmill.model.job import Result, failure
from postmill.queue.finish import Ending, finish
from postmill.store import jobs
from postmill.store.db import Connection
from postmill.store.limits import promoted_tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled:
    """What is left to tell others."""

    running: bool
    """Its worker has to kill it."""
    promoted: list[str]
    """Tags of what its slot let in."""


async def cancel(tx: Connection, workspace: str, job: UUID, who: str, reason: str, *, force: bool = False) -> Canceled:
    """Mark the job; one that nobody runs ends here.

    With `force` a running job ends here too, without waiting for its worker, which has then lost its lease.

    Raises:
        Conflict: it has finished already.
        NotFound: there is no such job in this workspace.
    """
    row = await jobs.lock_queued(tx, workspace, job)
    if row is None:
        if await jobs.completed_lease(tx, job) is not None:
            raise Conflict(f"job {job} has finished already")
        raise NotFound(f"job {job}")
    await jobs.request_cancel(tx, job, who, reason)
    running = bool(row["state"] == "running")
    if running and not force:
        return Canceled(running=True, promoted=[])
    ending = Ending(id=job, lease=row["lease"], running=running, concurrency_key=row["concurrency_key"])
    # The status and the result are written by the statement itself, from the mark.
    cursor = await finish(tx, ending, Result(status="canceled", result=failure("Canceled", reason)))
    return Canceled(running=running, promoted=await promoted_tags(cursor) if cursor is not None else [])
