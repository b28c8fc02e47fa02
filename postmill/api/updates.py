"""Follow a job: long-poll (`getupdate`) and server-sent events (`getupdate_sse`).

Both are held open until something changes, and read by cursor (`log_offset`, in characters): whoever comes back with
the last offset misses nothing and sees nothing twice.
"""

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from postmill.api.access import member
from postmill.api.body import new_router
from postmill.api.jobs import job_json
from postmill.api.results import result_pieces
from postmill.api.services import Served, Services
from postmill.model.errors import NotFound
from postmill.model.user import Actor
from postmill.store import runs

router = new_router("/w/{workspace}/jobs_u", "job")

Reader = Annotated[Actor, Depends(member("jobs:read"))]

HOLD_S = 1.0
"""The longest that a long-poll is held: clients of the contract ask again at once."""
STREAM_S = 60.0
"""The longest that a stream lasts; its reader comes back with its cursor."""
PING_S = 15.0
MAX_LOG = 1024 * 1024
"""Characters of log in one event."""
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
"""JSON may have line ends between its values, where a blank does as well; in an event they would end it."""


class Cursor(BaseModel):
    """What the reader knows already."""

    running: bool | None = None
    log_offset: Annotated[int, Query(ge=0, le=2**40)] = 0
    stream_offset: int | None = None
    no_logs: bool = False
    get_progress: bool = False
    only_result: bool = False
    fast: bool = False
    token: str | None = None


class Follower:
    """One reader of one job: what is new since its cursor."""

    def __init__(self, served: Services, actor: Actor, job: UUID, cursor: Cursor) -> None:
        self._served = served
        self._actor = actor
        self._job = job
        self._running = cursor.running
        self._offset = cursor.log_offset
        self._logs = not cursor.no_logs and not cursor.only_result
        self.completed = False

    async def news(self) -> dict[str, Any] | None:
        """The fields of an update, of which only those are there that say something new; None: the job is not there."""
        async with self._served.database.transaction(self._actor) as tx:
            # The state first: a log that is read after the end was seen is whole.
            state = await runs.state(tx, self._actor, self._job)
            if state is None:
                return None
            text, more = "", False
            if self._logs:
                part = await runs.log(tx, self._job, self._offset)
                text, more = part.text[:MAX_LOG], part.more or len(part.text) > MAX_LOG
                self._offset = self._offset + MAX_LOG if len(part.text) > MAX_LOG else part.offset
        found: dict[str, Any] = {}
        if state.running != self._running:
            found["running"] = self._running = state.running
        if text:
            found |= {"new_logs": text, "log_offset": self._offset}
        # The end is told when the log has been read to its end.
        self.completed = state.completed and not more
        if self.completed:
            found |= {"completed": True, "running": False}
        if found:
            found |= {"log_offset": self._offset, "mem_peak": state.mem_peak, "attempts": state.attempts}
        return found


@router.get("/getupdate/{id}")
async def get_job_updates(id: UUID, actor: Reader, cursor: Annotated[Cursor, Query()], served: Served) -> Response:
    """What is new since the cursor; held for up to a second while nothing is."""
    reader = Follower(served, actor, id, cursor)
    deadline = time.monotonic() + HOLD_S
    with served.watchers.watch(id) as watch:
        while True:
            watch.clear()
            found = await reader.news()
            if found is None:
                raise NotFound(f"job {id}")
            left = deadline - time.monotonic()
            if found or left <= 0:
                break
            await watch.wait(left)
    found = {"running": bool(cursor.running), "completed": False, "log_offset": cursor.log_offset} | found
    return Response(json.dumps(found), media_type="application/json")


@router.get("/getupdate_sse/{id}")
async def get_job_updates_sse(
    id: UUID, actor: Reader, cursor: Annotated[Cursor, Query()], served: Served
) -> StreamingResponse:
    """The same as a stream of events: `update`, `ping`, `timeout` (come back with your cursor), `not_found`."""
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(served, actor, id, cursor), media_type="text/event-stream", headers=headers)


def _event(type_: str, more: str = "") -> bytes:
    return f'data: {{"type":"{type_}"{more}}}'.encode("utf-8", "replace").translate(_ONE_LINE) + b"\n\n"


async def _events(served: Services, actor: Actor, id: UUID, cursor: Cursor) -> AsyncIterator[bytes]:
    reader = Follower(served, actor, id, cursor)
    deadline = time.monotonic() + STREAM_S
    pinged = time.monotonic()
    with served.watchers.watch(id, only_end=cursor.only_result) as watch:
        while (left := deadline - time.monotonic()) > 0:
            watch.clear()
            found = await reader.news()
            if found is None:
                yield _event("not_found")
                return
            if reader.completed:
                async for piece in _end(served, actor, id, found, cursor):
                    yield piece
                return
            if found and not cursor.only_result:
                yield _event("update", "," + json.dumps(found)[1:-1])
                if "new_logs" in found:
                    # There may be more than one event's worth.
                    continue
            if time.monotonic() - pinged >= PING_S:
                pinged = time.monotonic()
                yield _event("ping")
            await watch.wait(min(left, PING_S))
    yield _event("timeout")


async def _end(served: Services, actor: Actor, id: UUID, found: dict[str, Any], cursor: Cursor) -> AsyncIterator[bytes]:
    """The last update, with the whole job or, in as many pieces as it is stored in, its result alone."""
    if not cursor.only_result:
        job = await job_json(served, actor, id, logs=False, code=False)
        yield _event("update", f',{json.dumps(found)[1:-1]},"job":{job}')
        return
    async with served.database.transaction(actor) as tx:
        result = await runs.result(tx, actor, id)
    head = f'data: {{"type":"update",{json.dumps(found)[1:-1]},"only_result":'.encode()
    if result is not None and result.result_blob:
        async for piece in result_pieces(served, actor, id, head, b"}"):
            yield piece.translate(_ONE_LINE)
        yield b"\n\n"
        return
    yield _event("update", f',{json.dumps(found)[1:-1]},"only_result":{(result and result.result) or "null"}')
