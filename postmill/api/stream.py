"""Who waits for which job: one LISTEN connection for the process, one event for each watcher.

A watcher clears its event before it reads, never after: what happens in between wakes it again. A notification may be
lost, so that nobody waits for one longer than the poll interval.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from uuid import UUID

from postmill.store.listen import ENDED

POLL_S = 2.0
"""Under the notifications."""
POLL_ALONE_S = 0.25
"""While there is no connection that listens."""


class Watch:
    """One watcher of one job."""

    def __init__(self, watchers: "Watchers", only_end: bool) -> None:
        self._watchers = watchers
        self.only_end = only_end
        self.event = asyncio.Event()

    def clear(self) -> None:
        """Before each read."""
        self.event.clear()

    async def wait(self, at_most: float) -> None:
        """Until something may have changed, `at_most` seconds or one poll."""
        poll = POLL_S if self._watchers.listening else POLL_ALONE_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.event.wait(), max(0.0, min(at_most, poll)))


class Watchers:
    """All watchers of this process; `on_payload` and `on_connection` are for `store.listen`."""

    def __init__(self) -> None:
        self._watches: dict[str, set[Watch]] = {}
        self.listening = False

    @contextlib.contextmanager
    def watch(self, job: UUID, *, only_end: bool = False) -> Iterator[Watch]:
        """Watch a job for as long as the block runs; with `only_end` its log and state wake nobody."""
        key, found = str(job), Watch(self, only_end)
        self._watches.setdefault(key, set()).add(found)
        try:
            yield found
        finally:
            others = self._watches[key]
            others.discard(found)
            if not others:
                del self._watches[key]

    def on_payload(self, channel: str, jobs: list[str]) -> None:
        for item in jobs:
            job = item.removesuffix(ENDED)
            for watch in self._watches.get(job, ()):
                if item != job or not watch.only_end:
                    watch.event.set()

    def on_connection(self, listening: bool) -> None:
        """All look, as anything may have been missed."""
        self.listening = listening
        for watches in self._watches.values():
            for watch in watches:
                watch.event.set()
