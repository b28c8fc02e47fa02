"""Text on its way to the platform: a job's log, or its streamed result. Written at once, then at most every 100 ms."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from postmill.model.errors import LostLease, Unavailable

PAUSE_S = 0.1
CHUNK = 256 * 1024
"""Characters in one row."""
RETRY_S = 0.5


class Report:
    """Collects text of one attempt. `say` is called in the event loop and never waits."""

    def __init__(
        self, append: Callable[[int, str], Awaitable[None]], position: int, on_lost: Callable[[], None]
    ) -> None:
        """`append(position, text)` writes; `on_lost` is called when the lease is lost."""
        self._append = append
        self._position = position
        self._on_lost = on_lost
        self._text: list[str] = []
        self._sender: asyncio.Task[None] | None = None
        self._lost = False
        self._closing = asyncio.Event()

    def say(self, text: str) -> None:
        """Add text."""
        if not text or self._lost:
            return
        # Postgres has no NUL in text; U+2400 is its picture.
        self._text.append(text.replace("\0", "\u2400"))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._text and not self._lost:
            text = "".join(self._text)
            self._text = [text[CHUNK:]] if len(text) > CHUNK else []
            chunk = text[:CHUNK]
            try:
                await self._append(self._position, chunk)
            except Unavailable:
                self._text.insert(0, chunk)
                await asyncio.sleep(RETRY_S)
                continue
            except LostLease:
                self._lost = True
                self._on_lost()
                return
            self._position += len(chunk)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), PAUSE_S)

    async def close(self) -> None:
        """Write what is left."""
        self._closing.set()
        if self._sender is not None:
            await self._sender
        await self._send()
