"""Wake those who wait: one NOTIFY for all that happened within 5 ms, the first at once, outside any transaction.

Inside the pushing transaction a NOTIFY costs two thirds of the throughput (Postgres takes one lock for all of them at
commit); here it is sent after, on a connection of its own turn, and a lost one costs one slow poll.
"""

import asyncio
from collections.abc import Iterable
from uuid import UUID

from postmill.model.errors import Unavailable
from postmill.store.db import Database
from postmill.store.listen import CANCEL, CHANGED, ENDED, WORK, payloads

PAUSE_S = 0.005


class Wake:
    """Collects what changed in this process and tells the others."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # A dictionary for its order: who waited first is told first.
        self._pending: dict[str, dict[str, None]] = {}
        self._sender: asyncio.Task[None] | None = None

    def work(self, tags: Iterable[str]) -> None:
        """There is something to claim."""
        self._add(WORK, tags)

    def changed(self, jobs: Iterable[UUID]) -> None:
        """These jobs have a new log or state."""
        self._add(CHANGED, map(str, jobs))

    def ended(self, jobs: Iterable[UUID]) -> None:
        """These jobs have a result."""
        self._add(CHANGED, (f"{job}{ENDED}" for job in jobs))

    def cancel(self, jobs: Iterable[UUID]) -> None:
        """The workers of these jobs are to kill them."""
        self._add(CANCEL, map(str, jobs))

    def _add(self, channel: str, items: Iterable[str]) -> None:
        wanted = dict.fromkeys(items)
        if not wanted:
            return
        self._pending.setdefault(channel, {}).update(wanted)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._pending:
            pending, self._pending = self._pending, {}
            messages = [(channel, text) for channel, items in pending.items() for text in payloads(items)]
            try:
                await self._database.notify(messages)
            except Unavailable:
                # Whoever waits polls; a hint about a database that is away is worth nothing.
                return
            await asyncio.sleep(PAUSE_S)

    async def close(self) -> None:
        """Send what is left."""
        if self._sender is not None:
            await self._sender
