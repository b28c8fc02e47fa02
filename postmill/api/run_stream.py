"""Run a script and follow what it streams: one request, answered with events."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi.responses import StreamingResponse

from postmill.api.arguments import Args
from postmill.api.body import new_router
from postmill.api.run import DESCRIBED, HashRunner, Options, Runner, check_hash_scope, check_queue
from postmill.api.services import Served, Services
from postmill.api.updates import Cursor, event, event_stream, events
from postmill.model.script import parse_hash
from postmill.model.user import Actor

router = new_router("/w/{workspace}/jobs/run_and_stream", "job")

PollDelay = Annotated[int | None, Query(ge=0, le=5000)]
"""Milliseconds between two events, at least; everything that happened meanwhile is in the next one."""


@router.post("/p/{path:path}", openapi_extra=DESCRIBED)
async def run_and_stream_script_by_path(
    path: str,
    actor: Runner,
    args: Args,
    options: Options,
    served: Served,
    queue_limit: int | None = None,
    poll_delay_ms: PollDelay = None,
) -> StreamingResponse:
    """Run the newest version and answer with events: the streamed result as it comes, and the result at the end."""
    await check_queue(served, actor, path, queue_limit)
    return _follow(served, actor, await served.starter.run_path(actor, path, args, options), poll_delay_ms)


@router.get("/p/{path:path}", openapi_extra=DESCRIBED)
async def run_and_stream_script_by_path_get(
    path: str,
    actor: Runner,
    args: Args,
    options: Options,
    served: Served,
    queue_limit: int | None = None,
    poll_delay_ms: PollDelay = None,
) -> StreamingResponse:
    """The same with the arguments in `?payload=`."""
    return await run_and_stream_script_by_path(path, actor, args, options, served, queue_limit, poll_delay_ms)


@router.post("/h/{hash}", openapi_extra=DESCRIBED)
async def run_and_stream_script_by_hash(
    hash: str, actor: HashRunner, args: Args, options: Options, served: Served, poll_delay_ms: PollDelay = None
) -> StreamingResponse:
    """Run one version and answer with events."""
    await check_hash_scope(served, actor, hash)
    return _follow(served, actor, await served.starter.run_hash(actor, parse_hash(hash), args, options), poll_delay_ms)


@router.get("/h/{hash}", openapi_extra=DESCRIBED)
async def run_and_stream_script_by_hash_get(
    hash: str, actor: HashRunner, args: Args, options: Options, served: Served, poll_delay_ms: PollDelay = None
) -> StreamingResponse:
    """The same with the arguments in `?payload=`."""
    return await run_and_stream_script_by_hash(hash, actor, args, options, served, poll_delay_ms)


def _follow(served: Services, actor: Actor, job: UUID, poll_delay_ms: int | None) -> StreamingResponse:
    return event_stream(_events(served, actor, job, (poll_delay_ms or 0) / 1000))


async def _events(served: Services, actor: Actor, job: UUID, pause_s: float) -> AsyncIterator[bytes]:
    # With the id, so that who is cut off can go on with getupdate_sse.
    yield event("ping", f',"job_id":"{job}"')
    async for piece in events(served, actor, job, Cursor(only_result=True), pause_s=pause_s):
        yield piece
