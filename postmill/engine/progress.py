"""A running job says how far it is."""

from uuid import UUID

from postmill.model.errors import Conflict
from postmill.queue.wake import Wake
from postmill.store import progress
from postmill.store.db import Database


async def set_progress(database: Database, wake: Wake, workspace: str, job: UUID, percent: int) -> int:
    """Returns what stands then: it never goes back.

    Raises:
        Conflict: the job does not run.
    """
    async with database.transaction() as tx:
        stands = await progress.set_percent(tx, workspace, job, percent)
    if stands is None:
        raise Conflict(f"job {job} does not run: only a running job has progress to tell")
    wake.changed([job])
    return stands
