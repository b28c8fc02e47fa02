"""Workers: who is there and what they do."""

from typing import Annotated, Any

from fastapi import Depends

from postmill.api.access import user
from postmill.api.body import new_router
from postmill.api.services import Served
from postmill.api.wire import utc
from postmill.model.user import Actor
from postmill.store import workers

router = new_router("/workers", "worker")

Reader = Annotated[Actor, Depends(user("workers:read"))]

MAX_PAGE = 1000
SINCE_S = 300
"""A worker that was silent for longer is not listed."""


@router.get("/list")
async def list_workers(
    actor: Reader, served: Served, page: int = 1, per_page: int = 100, ping_since: int = SINCE_S
) -> list[dict[str, Any]]:
    """Workers heard within `ping_since` seconds; `alive` is false when a lease has passed since."""
    limit = max(1, min(per_page, MAX_PAGE))
    async with served.database.transaction() as tx:
        offset = (max(1, min(page, 10**6)) - 1) * limit
        rows = await workers.list_alive(tx, max(1, min(ping_since, 10**6)), limit, offset)
    return [_wire(row, actor.super_admin) for row in rows]


def _wire(row: dict[str, Any], all_jobs: bool) -> dict[str, Any]:
    return {
        "worker": row["name"],
        "worker_instance": row["instance"],
        "worker_group": row["worker_group"],
        "last_ping": int(row["silent_s"]),
        "started_at": utc(row["started_at"]),
        "ip": row["ip"],
        "jobs_executed": row["jobs_executed"],
        "custom_tags": row["tags"],
        "wm_version": row["version"],
        "memory_usage": row["memory"],
        "wm_memory_usage": row["memory"],
        "occupancy_rate": row["running"] / row["slots"],
        "job_isolation": row["isolation"],
        "job_isolation_how": row["how"],
        "job_networks": row["networks"],
        "job_network_filtered_unavailable": row["no_filter"] or None,
        "job_limits_by": row["limits_by"],
        "refuses_jobs": row["refuses"] or None,
        "database": row["database"] or None,
        "draining": row["draining"],
        "alive": row["alive"],
        "slots": row["slots"],
        "running": row["running"],
        # A job's id is for those who may see every workspace.
        "last_job_id": str(row["last_job_id"]) if all_jobs and row["last_job_id"] else None,
        "last_job_workspace_id": row["last_job_workspace_id"] if all_jobs else None,
    }
