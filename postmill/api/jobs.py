"""Read, list and cancel jobs."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from postmill.api.access import member
from postmill.api.body import new_router, parse
from postmill.api.errors import explain
from postmill.api.log import log_pieces
from postmill.api.services import Served, Services
from postmill.engine import finish as engine
from postmill.model.errors import BadRequest, NotFound
from postmill.model.script import parse_hash
from postmill.model.user import Actor
from postmill.queue.waiting import why_it_waits
from postmill.store import runs
from postmill.store.filters import Filters

router = new_router("/w/{workspace}", "job")

Reader = Annotated[Actor, Depends(member("jobs:read"))]
Writer = Annotated[Actor, Depends(member("jobs:write"))]

MAX_PAGE = 1000
_JSON = "application/json"


class Cancel(BaseModel):
    """The body of a cancel; it may be left out."""

    model_config = ConfigDict(strict=True, extra="ignore")

    reason: Annotated[str, Query(max_length=1000)] | None = None


async def job_json(served: Services, actor: Actor, id: UUID, *, logs: bool, code: bool) -> str:
    """A job as the contract's JSON text, with why it waits.

    Raises:
        NotFound: not in this workspace, or not for these eyes.
    """
    async with served.database.transaction(actor) as tx:
        found = await runs.get(tx, actor, id, lease_s=served.settings.lease, logs=logs, code=code)
        if found is None:
            raise NotFound(f"job {id}")
    text, state = found
    if state not in ("queued", "waiting"):
        return text
    # As the system: the jobs before it may be those of other workspaces, and only their number is told.
    async with served.database.transaction() as tx:
        waiting = await why_it_waits(tx, actor.workspace or "", id)
    return f'{text[:-1]},"waiting":{json.dumps(asdict(waiting) if waiting else None)}}}'


@router.get("/jobs_u/get/{id}")
async def get_job(id: UUID, actor: Reader, served: Served, no_logs: bool = False, no_code: bool = False) -> Response:
    """A QueuedJob or a CompletedJob."""
    return Response(await job_json(served, actor, id, logs=not no_logs, code=not no_code), media_type=_JSON)


@router.get("/jobs_u/completed/get/{id}")
async def get_completed_job(id: UUID, actor: Reader, served: Served) -> Response:
    """A CompletedJob."""
    async with served.database.transaction(actor) as tx:
        found = await runs.get(tx, actor, id, lease_s=served.settings.lease)
    if found is None or found[1] in ("queued", "waiting", "running"):
        raise NotFound(f"job {id} is not there, or has not ended")
    return Response(found[0], media_type=_JSON)


@router.get("/jobs_u/get_args/{id}")
async def get_job_args(id: UUID, actor: Reader, served: Served) -> Response:
    """The arguments, as they were sent."""
    async with served.database.transaction(actor) as tx:
        args = await runs.args(tx, actor, id)
    if args is None:
        raise NotFound(f"job {id}")
    return Response(args, media_type=_JSON)


@router.get("/jobs_u/get_logs/{id}", response_class=PlainTextResponse)
async def get_job_logs(id: UUID, actor: Reader, served: Served) -> Response:
    """The whole log as text."""
    async with served.database.transaction(actor) as tx:
        if await runs.state(tx, actor, id) is None:
            raise NotFound(f"job {id}")
    return StreamingResponse(log_pieces(served, actor, id), media_type="text/plain; charset=utf-8")


@router.get("/jobs_u/get_root_job_id/{id}")
async def get_root_job_id(id: UUID, actor: Reader, served: Served) -> str:
    """The id of the run that this job belongs to; its own, when it was started by itself."""
    text = json.loads(await job_json(served, actor, id, logs=False, code=False))
    return str(text["root_job"] or text["id"])


async def _reason(request: Request) -> str:
    raw = await request.body()
    if not raw.strip():
        return ""
    value = parse(raw)
    try:
        return Cancel.model_validate({} if value is None else value).reason or ""
    except ValidationError as error:
        raise BadRequest(explain(list(error.errors()))) from None


@router.post("/jobs_u/queue/cancel/{id}", response_class=PlainTextResponse)
async def cancel_queued_job(id: UUID, actor: Writer, request: Request, served: Served) -> str:
    """Cancel: once this answers 200, the job ends as cancelled. 409 when it has ended already."""
    return await _cancel(served, actor, id, await _reason(request), force=False)


@router.post("/jobs_u/queue/force_cancel/{id}", response_class=PlainTextResponse)
async def force_cancel_queued_job(id: UUID, actor: Writer, request: Request, served: Served) -> str:
    """Cancel without waiting for the worker, which has then lost the job."""
    return await _cancel(served, actor, id, await _reason(request), force=True)


async def _cancel(served: Services, actor: Actor, id: UUID, reason: str, *, force: bool) -> str:
    async with served.database.transaction(actor) as tx:
        if await runs.state(tx, actor, id) is None:
            raise NotFound(f"job {id}")
    who = actor.username or actor.email
    await engine.cancel(served.database, served.wake, actor.workspace or "", id, who, reason, force=force)
    return str(id)


class ListQuery(BaseModel):
    """The filters of job lists. Unknown ones are refused, as they would show too much."""

    model_config = ConfigDict(extra="forbid")

    page: int = 1
    per_page: int = 30
    order_desc: bool = True
    created_by: str | None = None
    label: str | None = None
    worker: str | None = None
    parent_job: UUID | None = None
    script_path_exact: str | None = None
    script_path_start: str | None = None
    script_hash: str | None = None
    started_before: AwareDatetime | None = None
    started_after: AwareDatetime | None = None
    created_before: AwareDatetime | None = None
    created_after: AwareDatetime | None = None
    completed_before: AwareDatetime | None = None
    completed_after: AwareDatetime | None = None
    running: bool | None = None
    scheduled_for_before_now: bool | None = None
    suspended: bool | None = None
    job_kinds: str | None = None
    args: str | None = None
    result: str | None = None
    tag: str | None = None
    trigger_kind: str | None = None
    is_skipped: bool | None = None
    has_null_parent: bool | None = None
    is_flow_step: bool | None = None
    success: bool | None = None
    status: Literal["success", "failure", "canceled", "skipped"] | None = None
    token: str | None = None

    def chosen(self) -> dict[str, Any]:
        """Filter → value, as the store takes them.

        Raises:
            BadRequest: a value cannot be read.
        """
        plain = {"page", "per_page", "order_desc", "token"}
        values = {name: value for name, value in self.model_dump(exclude_none=True).items() if name not in plain}
        if "script_hash" in values:
            values["script_hash"] = parse_hash(values["script_hash"])
        if "job_kinds" in values:
            values["job_kinds"] = values["job_kinds"].split(",")
        for name in ("args", "result"):
            if name in values:
                parse(values[name].encode())
        for name, value in values.items():
            if isinstance(value, datetime) and not 1 < value.year < 9999:
                raise BadRequest(f"{name}: the year {value.year} is out of range")
        return values


Listed = Annotated[ListQuery, Query()]


async def _list(served: Services, actor: Actor, query: ListQuery, **more: bool) -> Response:
    per_page = max(1, min(query.per_page, MAX_PAGE))
    filters = Filters(
        workspace=actor.workspace or "",
        email=actor.email,
        admin=actor.is_admin,
        chosen=query.chosen() | more,
        limit=per_page,
        # 0 and 1 are both the first page: the CLI asks for 0.
        offset=(max(1, min(query.page, 10**6)) - 1) * per_page,
        ascending=not query.order_desc,
    )
    async with served.database.transaction(actor) as tx:
        return Response(await runs.list_jobs(tx, filters), media_type=_JSON)


@router.get("/jobs/list")
async def list_jobs(actor: Reader, query: Listed, served: Served) -> Response:
    """Queued, running and finished jobs, newest first."""
    return await _list(served, actor, query)


@router.get("/jobs/queue/list")
async def list_queue(actor: Reader, query: Listed, served: Served) -> Response:
    """What has not ended."""
    return await _list(served, actor, query, queued=True)


@router.get("/jobs/completed/list")
async def list_completed_jobs(actor: Reader, query: Listed, served: Served) -> Response:
    """What has ended."""
    return await _list(served, actor, query, queued=False)
