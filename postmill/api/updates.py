"""Follow a job: long-poll (`getupdate`) and server-sent events (`getupdate_sse`).

Both are held open until something changes, and read by cursor (`log_offset`, and `stream_offset` for a result that is
streamed; in characters): whoever comes back with the last offsets misses nothing and sees nothing twice.
"""

import asyncio
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
from postmill.store import runs, streams
from postmill.store.runs import LogPart

router = new_router("/w/{workspace}/jobs_u", "job")

Reader = Annotated[Actor, Depends(member("jobs:read"))]

HOLD_S = 1.0
"""The longest that a long-poll is held: clients of the contract ask again at once."""
STREAM_S = 60.0
"""The longest that a stream lasts; its reader comes back with its cursor."""
PING_S = 15.0
MAX_LOG = 1024 * 1024
"""Characters of log in one event."""
_RESULT_NEWS = frozenset({"new_result_stream", "progress"})
"""What is told to a reader of the result alone."""
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")
"""JSON may have line ends between its values, where a blank does as well; in an event they would end it."""


class Cursor(BaseModel):
    """What the reader knows already."""

    running: bool | None = None
    log_offset: Annotated[int, Query(ge=0, le=2**40)] = 0
    stream_offset: Annotated[int | None, Query(ge=0, le=2**40)] = None
    """None: from the beginning for a reader of events; a long-poll that does not name it is told nothing of the stream,
    which would be news each time."""
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
        self._stream_offset = cursor.stream_offset
        self._logs = not cursor.no_logs and not cursor.only_result
        self._progress = cursor.get_progress
        self.percent: int | None = None
        """As it was told last."""
        self.more = False
        """There is more than one event's worth."""
        self.completed = False

    async def news(self) -> dict[str, Any] | None:
        """The fields of an update, of which only those are there that say something new; None: the job is not there."""
        async with self._served.database.transaction(self._actor) as tx:
            # The state first: a log that is read after the end was seen is whole.
            state = await runs.state(tx, self._actor, self._job)
            if state is None:
                return None
            log, streamed = LogPart(), LogPart()
            if self._logs:
                log = _cut(await runs.log(tx, self._job, self._offset), self._offset)
                self._offset = log.offset
            if self._stream_offset is not None and state.stream_end > self._stream_offset:
                streamed = _cut(await streams.read(tx, self._job, self._stream_offset), self._stream_offset)
                self._stream_offset = streamed.offset
        found: dict[str, Any] = {}
        if state.running != self._running:
            found["running"] = self._running = state.running
        if log.text:
            found["new_logs"] = log.text
        if streamed.text:
            found |= {"new_result_stream": streamed.text, "stream_offset": self._stream_offset}
        if self._progress and state.progress != self.percent:
            found["progress"] = self.percent = state.progress
        # The end is told when the log and what was streamed have been read to their ends.
        self.more = log.more or streamed.more
        self.completed = state.completed and not self.more
        if self.completed:
            found |= {"completed": True, "running": False}
        if found:
            found |= {"log_offset": self._offset, "mem_peak": state.mem_peak, "attempts": state.attempts}
        return found


def _cut(part: LogPart, offset: int) -> LogPart:
    """What one event takes."""
    if len(part.text) <= MAX_LOG:
        return part
    return LogPart(text=part.text[:MAX_LOG], offset=offset + MAX_LOG, more=True)


@router.get("/getupdate/{id}")
async def get_job_updates(id: UUID, actor: Reader, cursor: Annotated[Cursor, Query()], served: Served) -> Response:
    """What is new since the cursor; held for up to a second while nothing is."""
    reader = Follower(served, actor, id, cursor)
    if cursor.get_progress:
        async with served.database.transaction(actor) as tx:
            known = await runs.state(tx, actor, id)
        # What it is now is part of every answer, and no news.
        reader.percent = known.progress if known else None
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
    if cursor.get_progress:
        found["progress"] = reader.percent
    return Response(json.dumps(found), media_type="application/json")


@router.get("/getupdate_sse/{id}")
async def get_job_updates_sse(
    id: UUID, actor: Reader, cursor: Annotated[Cursor, Query()], served: Served
) -> StreamingResponse:
    """The same as a stream of events: `update`, `ping`, `timeout` (come back with your cursor), `not_found`."""
    return event_stream(events(served, actor, id, cursor))


def event_stream(pieces: AsyncIterator[bytes]) -> StreamingResponse:
    """The answer whose body these events are."""
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(pieces, media_type="text/event-stream", headers=headers)


def event(type_: str, more: str = "") -> bytes:
    return f'data: {{"type":"{type_}"{more}}}'.encode("utf-8", "replace").translate(_ONE_LINE) + b"\n\n"


async def events(
    served: Services, actor: Actor, id: UUID, cursor: Cursor, *, pause_s: float = 0.0
) -> AsyncIterator[bytes]:
    """What happens to the job, as events; at least `pause_s` between two of them."""
    reader = Follower(served, actor, id, cursor.model_copy(update={"stream_offset": cursor.stream_offset or 0}))
    deadline = time.monotonic() + STREAM_S
    pinged = time.monotonic()
    with served.watchers.watch(id) as watch:
        while (left := deadline - time.monotonic()) > 0:
            watch.clear()
            found = await reader.news()
            if found is None:
                yield event("not_found")
                return
            if reader.completed:
                async for piece in _end(served, actor, id, found, cursor):
                    yield piece
                return
            if found and (not cursor.only_result or _RESULT_NEWS & found.keys()):
                yield event("update", "," + json.dumps(found)[1:-1])
                await asyncio.sleep(pause_s)
                if reader.more:
                    continue
            if time.monotonic() - pinged >= PING_S:
                pinged = time.monotonic()
                yield event("ping")
            await watch.wait(min(left, PING_S))
    yield event("timeout")


async def _end(served: Services, actor: Actor, id: UUID, found: dict[str, Any], cursor: Cursor) -> AsyncIterator[bytes]:
    """The last update, with the whole job or, in as many pieces as it is stored in, its result alone."""
    if not cursor.only_result:
        job = await job_json(served, actor, id, logs=False, code=False)
        yield event("update", f',{json.dumps(found)[1:-1]},"job":{job}')
        return
    async with served.database.transaction(actor) as tx:
        result = await runs.result(tx, actor, id)
    head = f'data: {{"type":"update",{json.dumps(found)[1:-1]},"only_result":'.encode()
    if result is not None and result.result_blob:
        async for piece in result_pieces(served, actor, id, head, b"}"):
            yield piece.translate(_ONE_LINE)
        yield b"\n\n"
        return
    yield event("update", f',{json.dumps(found)[1:-1]},"only_result":{(result and result.result) or "null"}')
