"""Why a job waits: data that is there, as one reason and one sentence."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from postmill.store import runs
from postmill.store.db import Connection

Reason = Literal["scheduled", "limit", "suspended", "no_worker", "isolation", "worker_gone", "busy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """`message` is for people; `ahead` counts the jobs that go first (at most 1001)."""

    reason: Reason
    message: str
    ahead: int | None = None


async def why_it_waits(tx: Connection, workspace: str, job: UUID) -> Waiting | None:
    """None when it runs or has ended."""
    row = await runs.why(tx, workspace, job)
    if row is None or row["state"] == "running":
        return None
    return _reason(row)


def _utc(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _reason(row: dict[str, Any]) -> Waiting:
    tag = row["tag"]
    if row["state"] == "scheduled":
        return Waiting(reason="scheduled", message=f"Starts at {_utc(row['scheduled_for'])}.")
    if row["state"] == "suspended":
        until = f" until {_utc(row['suspend_until'])}" if row["suspend_until"] else ""
        return Waiting(reason="suspended", message=f"Waits for {row['suspend']} answers{until}.")
    if row["state"] == "held":
        key = row["concurrency_key"].partition("/")[2]
        window = f" within {row['window_s']} s" if row["window_s"] else ""
        return Waiting(
            reason="limit",
            message=f"The limit of {key} lets {row['slots']} run at once{window}; {row['slots_taken']} are taken.",
        )
    if not row["workers"]:
        if row["only_worker"]:
            return Waiting(reason="worker_gone", message=f"Only {row['only_worker']} may run it, and it is gone.")
        if row["refused"]:
            return Waiting(
                reason="isolation",
                message=f"A worker for the tag {tag} is there, but runs no jobs: {row['refused']}.",
            )
        return Waiting(
            reason="no_worker",
            message=f"No worker takes the tag {tag}: start one with POSTMILL_TAGS={tag}, or change the script's tag.",
        )
    ahead = row["ahead"]
    if not ahead:
        return Waiting(reason="busy", message=f"It is next; all slots for the tag {tag} are busy.", ahead=0)
    count = "over 1000 jobs go" if ahead > 1000 else f"{ahead} job{'s go' if ahead > 1 else ' goes'}"
    return Waiting(reason="busy", message=f"All slots for the tag {tag} are busy; {count} first.", ahead=ahead)
