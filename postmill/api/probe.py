"""One question to the database at a time, whoever asks for our health."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel

from postmill.model.errors import Unavailable
from postmill.store import workers
from postmill.store.db import Database

PATIENCE_S = 2.0
REMEMBER_S = 5.0


class Status(BaseModel):
    """The whole instance, as this server sees it."""

    status: Literal["healthy", "degraded", "unhealthy"]
    """degraded: no worker is there, so that jobs wait."""
    checked_at: datetime
    database_healthy: bool
    workers_alive: int


@dataclass(slots=True)
class Probe:
    """Asks on behalf of all; a database that does not answer hangs nobody."""

    _running: asyncio.Task[int] | None = None
    _status: Status | None = None
    _until: float = 0.0

    async def workers_alive(self, database: Database) -> int | None:
        """How many workers there are; None: the database did not answer within two seconds."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(_workers_alive(database))
        # Not wait_for: a query that hangs takes its time to be cancelled, and we would wait for that.
        done, _ = await asyncio.wait({self._running}, timeout=PATIENCE_S)
        if not done:
            self._running.cancel()
            return None
        try:
            return self._running.result()
        except (Unavailable, asyncio.CancelledError):
            return None

    async def status(self, database: Database) -> Status:
        """The whole instance; at most five seconds old."""
        if self._status is None or time.monotonic() >= self._until:
            alive = await self.workers_alive(database)
            word: Literal["healthy", "degraded", "unhealthy"] = "healthy" if alive else "degraded"
            self._status = Status(
                status="unhealthy" if alive is None else word,
                checked_at=datetime.now(UTC),
                database_healthy=alive is not None,
                workers_alive=alive or 0,
            )
            self._until = time.monotonic() + REMEMBER_S
        return self._status


async def _workers_alive(database: Database) -> int:
    async with database.transaction() as tx:
        return await workers.count_alive(tx)
