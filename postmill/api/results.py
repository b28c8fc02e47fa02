"""Results: the text that Postgres keeps, passed on; a large one is streamed from its rows."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from fastapi.responses import Response, StreamingResponse

from postmill.api.access import member
from postmill.api.body import new_router
from postmill.api.reply import reply
from postmill.api.services import Served, Services
from postmill.model.errors import NotFound
from postmill.model.user import Actor
from postmill.store import runs

router = new_router("/w/{workspace}/jobs_u/completed", "job")

Reader = Annotated[Actor, Depends(member("jobs:read"))]

_JSON = "application/json"
LONG = 64 * 1024
"""A longer result, in characters, is read in a thread."""


async def result_pieces(
    served: Services, actor: Actor, blob: UUID, before: bytes = b"", after: bytes = b""
) -> AsyncIterator[bytes]:
    """A large result, row by row. Whoever calls has checked that the actor may see the job."""
    async with served.database.transaction(actor) as tx:
        yield before
        async for piece in runs.blob(tx, blob):
            yield piece
        yield after


async def reply_response(served: Services, actor: Actor, job: UUID) -> Response | None:
    """The result as the answer to a webhook: shaped as its reply keys say; None while the job has not ended.

    Raises:
        NotFound: it was deleted (delete_after_secs).
    """
    async with served.database.transaction(actor) as tx:
        found = await runs.result(tx, actor, job)
        if found is None or found.deleted:
            text = ""
        elif not found.result_blob:
            text = found.result or ""
        elif await _mentions_keys(runs.blob(tx, job)):
            text = b"".join([piece async for piece in runs.blob(tx, job)]).decode()
        else:
            text = ""
    if len(text) <= LONG:
        shaped = reply(text, job)
    else:
        shaped = await asyncio.to_thread(reply, text, job)
    return shaped or _bare(served, actor, job, found)


async def _mentions_keys(pieces: AsyncIterator[bytes]) -> bool:
    """Whether a large result has to be read as a whole: the name of a key may stand across two pieces."""
    before = b""
    async for piece in pieces:
        if not before and not piece.lstrip(b" \t\r\n").startswith(b"{"):
            return False
        joined = before[-20:] + piece
        if any(mark in joined for mark in (b'"wm_', b'"windmill_')):
            return True
        before = piece
    return False


async def result_response(served: Services, actor: Actor, job: UUID) -> Response | None:
    """The bare result as JSON; None while the job has not ended.

    Raises:
        NotFound: it was deleted (delete_after_secs).
    """
    async with served.database.transaction(actor) as tx:
        found = await runs.result(tx, actor, job)
    return _bare(served, actor, job, found)


def _bare(served: Services, actor: Actor, job: UUID, found: runs.StoredResult | None) -> Response | None:
    if found is None:
        return None
    if found.deleted:
        raise NotFound(f"the result of job {job} was deleted, as its script says (delete_after_secs)")
    if found.result_blob:
        return StreamingResponse(result_pieces(served, actor, job), media_type=_JSON)
    return Response(found.result or "null", media_type=_JSON)


@router.get("/get_result/{id}")
async def get_completed_job_result(id: UUID, actor: Reader, served: Served) -> Response:
    """The bare result."""
    response = await result_response(served, actor, id)
    if response is None:
        raise NotFound(f"job {id} is not there, or has not ended")
    return response


@router.get("/get_result_maybe/{id}")
async def get_completed_job_result_maybe(id: UUID, actor: Reader, served: Served) -> Response:
    """`{"started", "completed", "success", "result"}`, all of them always."""
    async with served.database.transaction(actor) as tx:
        state = await runs.state(tx, actor, id)
        found = await runs.result(tx, actor, id)
    if state is None:
        raise NotFound(f"job {id}")
    started = "true" if state.running or state.completed else "false"
    if found is None:
        return Response(f'{{"started":{started},"completed":false,"success":null,"result":null}}', media_type=_JSON)
    success = "true" if found.status == "success" else "false"
    head = f'{{"started":true,"completed":true,"success":{success},"result":'
    if found.result_blob:
        return StreamingResponse(result_pieces(served, actor, id, head.encode(), b"}"), media_type=_JSON)
    return Response(f"{head}{found.result or 'null'}}}", media_type=_JSON)


@router.get("/get_timing/{id}")
async def get_completed_job_timing(id: UUID, actor: Reader, served: Served) -> dict[str, Any]:
    """When it was created and started, and how long it took in ms."""
    async with served.database.transaction(actor) as tx:
        found = await runs.timing(tx, actor, id)
    if found is None:
        raise NotFound(f"job {id} is not there, or has not ended")
    return found
