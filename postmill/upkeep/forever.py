"""Run a sweep again and again, whatever it meets."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from postmill.model.errors import Unavailable

log = logging.getLogger("postmill.upkeep")


async def forever(name: str, sweep: Callable[[], Awaitable[float]], *, pause_after_error_s: float = 2.0) -> None:
    """`sweep` returns how many seconds to wait before the next; an error is logged, and ends nothing."""
    while True:
        try:
            pause = await sweep()
        except Unavailable:
            pause = 1.0
        except Exception:
            log.exception("upkeep failed", extra={"loop": name})
            pause = pause_after_error_s
        # Servers that started together do not stay together.
        await asyncio.sleep(pause * random.uniform(0.9, 1.1))
