"""How far a job is, as it says itself."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.responses import PlainTextResponse
from pydantic import Field

from postmill.api.access import member
from postmill.api.body import Body, new_router
from postmill.api.services import Served
from postmill.engine import progress as engine
from postmill.model.errors import BadRequest, NotFound
from postmill.model.user import Actor
from postmill.store import runs

router = new_router("/w/{workspace}/job_metrics", "job")

Reader = Annotated[Actor, Depends(member("jobs:read"))]
Writer = Annotated[Actor, Depends(member("jobs:write"))]

MOST = 99
"""Only the end is more."""


class Progress(Body):
    """`percent` is 0 to 100, of which 100 counts as 99 until the end. `flow_job_id`: the job that started this one."""

    percent: int = Field(ge=0, le=100)
    flow_job_id: UUID | None = Field(default=None, strict=False)


@router.post("/set_progress/{id}", response_class=PlainTextResponse)
async def set_job_progress(id: UUID, body: Progress, actor: Writer, served: Served) -> str:
    """Say how far a running job is; the answer is what stands then, as progress never goes back."""
    async with served.database.transaction(actor) as tx:
        state = await runs.state(tx, actor, id)
    if state is None:
        raise NotFound(f"job {id}")
    if body.flow_job_id not in (None, state.parent_job):
        raise BadRequest(f"flow_job_id: {body.flow_job_id} did not start this job")
    percent = min(body.percent, MOST)
    return str(await engine.set_progress(served.database, served.wake, actor.workspace or "", id, percent))


@router.get("/get_progress/{id}")
async def get_job_progress(id: UUID, actor: Reader, served: Served) -> int | None:
    """Percent; null when the job has said nothing of it."""
    async with served.database.transaction(actor) as tx:
        state = await runs.state(tx, actor, id)
    if state is None:
        raise NotFound(f"job {id}")
    return state.progress
