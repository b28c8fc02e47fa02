"""How far a job is, as it says itself."""

from uuid import UUID

from postmill.store.db import Connection
from postmill.store.sql import load

SQL = load(__file__)


async def set_percent(tx: Connection, workspace: str, job: UUID, percent: int) -> int | None:
    """What it is then: the highest that was said; None when the job does not run."""
    parameters = {"id": job, "workspace": workspace, "percent": percent}
    row = await (await tx.execute(SQL["set"], parameters)).fetchone()
    return row["percent"] if row else None
