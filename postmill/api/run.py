"""Run a script or a preview: at once with the job's id, or waiting for its result."""

import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from postmill.api.access import developer, member
from postmill.api.arguments import Args
from postmill.api.body import new_router
from postmill.api.results import reply_response
from postmill.api.services import Served, Services
from postmill.auth.permissions import check_actor_scope
from postmill.engine.start import Arguments, RunOptions
from postmill.model.errors import BadRequest, NotFound, TooManyRequests
from postmill.model.job import new_id
from postmill.model.json_text import raw_members
from postmill.model.script import parse_hash, print_hash
from postmill.model.user import Actor
from postmill.store import runs, scripts

router = new_router("/w/{workspace}/jobs", "job")

Runner = Annotated[Actor, Depends(member("jobs:run:scripts:{path}"))]
HashRunner = Annotated[Actor, Depends(member("jobs:run:scripts", path_follows=True))]
Previewer = Annotated[Actor, Depends(developer("jobs:run:previews"))]

MAX_AHEAD_S = 10 * 366 * 86400


class RunQuery(BaseModel):
    """The query parameters that all routes which run something share; other ones are somebody else's."""

    model_config = ConfigDict(extra="ignore")

    scheduled_for: AwareDatetime | None = None
    scheduled_in_secs: Annotated[int, Field(ge=0, le=MAX_AHEAD_S)] = 0
    tag: Annotated[str | None, Field(max_length=200)] = None
    job_id: UUID | None = None
    parent_job: UUID | None = None
    root_job: UUID | None = None
    cache_ttl: Annotated[int | None, Field(gt=0, le=MAX_AHEAD_S)] = None
    timeout: Annotated[int | None, Field(gt=0, le=MAX_AHEAD_S)] = None
    invisible_to_owner: bool = False
    retry: str | None = None
    idempotency_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None
    """A header, in truth: Idempotency-Key."""


async def _options(request: Request) -> RunOptions:
    # By hand and not as a dozen parameters, which FastAPI takes 0.3 ms to find absent: this is the hot route.
    key = request.headers.get("idempotency-key")
    if not request.url.query and key is None:
        return _NOTHING
    try:
        query = RunQuery.model_validate({**request.query_params, "idempotency_key": key})
    except ValidationError as error:
        raise RequestValidationError([{**each, "loc": ("query", *each["loc"])} for each in error.errors()]) from None
    if query.retry is not None:
        raise BadRequest("retry: not available in this version of Postmill; leave it out")
    return RunOptions(
        scheduled_for=_not_far(query.scheduled_for),
        scheduled_in_s=query.scheduled_in_secs,
        tag=query.tag or None,
        job_id=query.job_id,
        parent_job=query.parent_job,
        root_job=query.root_job,
        cache_ttl_s=query.cache_ttl,
        timeout_s=query.timeout,
        invisible_to_owner=query.invisible_to_owner,
        idempotency_key=query.idempotency_key,
    )


_NOTHING = RunOptions()


def _described() -> dict[str, Any]:
    """The parameters for the OpenAPI document."""
    properties = RunQuery.model_json_schema()["properties"]
    header = properties.pop("idempotency_key")
    parameters = [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
    return {"parameters": [*parameters, {"name": "Idempotency-Key", "in": "header", "schema": header}]}


DESCRIBED = _described()


def _not_far(time_: datetime | None) -> datetime | None:
    if time_ is not None and not 1970 <= time_.year <= 2200:
        raise BadRequest("scheduled_for must be between the years 1970 and 2200")
    return time_


Options = Annotated[RunOptions, Depends(_options)]


class Preview(BaseModel):
    """The body of `jobs/run/preview`."""

    model_config = ConfigDict(strict=True, extra="ignore")

    content: str | None = None
    language: str | None = None
    path: str | None = None
    script_hash: str | None = None
    args: dict[str, Any] | None = None
    tag: str | None = None
    kind: str | None = None
    lock: str | None = None


@router.post("/run/p/{path:path}", status_code=201, response_class=PlainTextResponse, openapi_extra=DESCRIBED)
async def run_script_by_path(path: str, actor: Runner, args: Args, options: Options, served: Served) -> str:
    """Queue a run of the newest version; the answer is the job's id."""
    return str(await served.starter.run_path(actor, path, args, options))


@router.post("/run/h/{hash}", status_code=201, response_class=PlainTextResponse, openapi_extra=DESCRIBED)
async def run_script_by_hash(hash: str, actor: HashRunner, args: Args, options: Options, served: Served) -> str:
    """Queue a run of one version; the answer is the job's id."""
    await check_hash_scope(served, actor, hash)
    return str(await served.starter.run_hash(actor, parse_hash(hash), args, options))


@router.post("/run/preview", status_code=201, response_class=PlainTextResponse, openapi_extra=DESCRIBED)
async def run_script_preview(
    body: Preview, actor: Previewer, options: Options, request: Request, served: Served
) -> str:
    """Queue a run of code that is not deployed; the answer is the job's id."""
    return str(await _preview(served, actor, body, await _preview_arguments(body, request), options))


@router.post("/run_wait_result/p/{path:path}", openapi_extra=DESCRIBED)
async def run_wait_result_script_by_path(
    path: str, actor: Runner, args: Args, options: Options, served: Served, queue_limit: int | None = None
) -> Response:
    """Run the newest version and answer with its result, as its reply keys say; 504 when it takes too long."""
    await check_queue(served, actor, path, queue_limit)
    return await _wait(served, actor, options, lambda chosen: served.starter.run_path(actor, path, args, chosen))


@router.get("/run_wait_result/p/{path:path}", openapi_extra=DESCRIBED)
async def run_wait_result_script_by_path_get(
    path: str, actor: Runner, args: Args, options: Options, served: Served, queue_limit: int | None = None
) -> Response:
    """The same with the arguments in `?payload=`."""
    return await run_wait_result_script_by_path(path, actor, args, options, served, queue_limit)


@router.post("/run_wait_result/h/{hash}", openapi_extra=DESCRIBED)
async def run_wait_result_script_by_hash(
    hash: str, actor: HashRunner, args: Args, options: Options, served: Served
) -> Response:
    """Run one version and answer with its result."""
    await check_hash_scope(served, actor, hash)
    return await _wait(
        served, actor, options, lambda chosen: served.starter.run_hash(actor, parse_hash(hash), args, chosen)
    )


@router.post("/run_wait_result/preview", openapi_extra=DESCRIBED)
async def run_script_preview_and_wait_result(
    body: Preview, actor: Previewer, options: Options, request: Request, served: Served
) -> Response:
    """Run code that is not deployed and answer with its result."""
    arguments = await _preview_arguments(body, request)
    return await _wait(served, actor, options, lambda chosen: _preview(served, actor, body, arguments, chosen))


async def check_hash_scope(served: Services, actor: Actor, hash_: str) -> None:
    """A scope may name paths: find the one that this version stands at."""
    if actor.scopes is None:
        return
    async with served.database.transaction(actor) as tx:
        script = await scripts.version(tx, actor.workspace or "", parse_hash(hash_))
    if script is None:
        raise NotFound(f"script version {print_hash(parse_hash(hash_))}")
    check_actor_scope(actor, "jobs:run:scripts", script.path)


async def check_queue(served: Services, actor: Actor, path: str, queue_limit: int | None) -> None:
    if queue_limit is None:
        return
    async with served.database.transaction(actor) as tx:
        queued = await runs.count_by_path(tx, actor.workspace or "", path)
    if queued >= queue_limit:
        raise TooManyRequests(f"{queued} runs of {path} are queued, which is over queue_limit={queue_limit}")


async def _preview_arguments(body: Preview, request: Request) -> Arguments:
    """The arguments with the text as it was sent: key order, and numbers as they were written."""
    if body.args is None:
        return Arguments(values={}, text="{}")
    return Arguments(values=body.args, text=raw_members((await request.body()).decode())["args"])


async def _preview(served: Services, actor: Actor, body: Preview, arguments: Arguments, options: RunOptions) -> UUID:
    if body.content is None or body.language is None:
        raise BadRequest("a preview needs content and language")
    if body.kind not in (None, "code", "identity") or body.script_hash is not None:
        raise BadRequest("kind and script_hash: not available in previews of this version; leave them out")
    if options.cache_ttl_s is not None:
        raise BadRequest("cache_ttl: the result of a preview is not kept; leave it out")
    chosen = replace(options, tag=options.tag or body.tag)
    return await served.starter.run_preview(actor, body.language, body.content, body.path, arguments, chosen)


async def _wait(
    served: Services, actor: Actor, options: RunOptions, start: Callable[[RunOptions], Awaitable[UUID]]
) -> Response:
    """Start, then wait for the end or the instance's patience. The job is watched before it exists."""
    job = options.job_id or new_id()
    deadline = time.monotonic() + served.settings.wait_timeout
    with contextlib.ExitStack() as watched:
        watch = watched.enter_context(served.watchers.watch(job, only_end=True))
        started = await start(replace(options, job_id=job))
        if started != job:
            # An earlier request with the same Idempotency-Key: it may have ended long ago.
            watch = watched.enter_context(served.watchers.watch(started, only_end=True))
            watch.event.set()
        while (left := deadline - time.monotonic()) > 0:
            await watch.wait(left)
            watch.clear()
            response = await reply_response(served, actor, started)
            if response is not None:
                return response
    seconds = f"{served.settings.wait_timeout:g}"
    address = f"/api/w/{actor.workspace}/jobs_u/completed/get_result_maybe/{started}"
    return PlainTextResponse(f"Timeout: job {started} goes on after {seconds} s; ask again: GET {address}", 504)
