"""What a server and a worker process have in common: a migrated database, signals, tasks beside the main one."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine

from postmill.model.errors import Unavailable
from postmill.settings import Settings
from postmill.store import embedded, migrate

RETRY_S = 0.1
PATIENCE_S = 3.0
"""Before a process that waits for its database says so."""


def database_url(settings: Settings) -> str:
    """DATABASE_URL, or the embedded database of this home."""
    return settings.database_url or embedded.url(settings.home)


async def migrated_logins(settings: Settings) -> migrate.Logins:
    """The two roles of a migrated database; waits for the database for as long as it takes."""
    deadline = time.monotonic() + PATIENCE_S
    told = False
    while True:
        try:
            logins = await migrate.roles(database_url(settings))
            await migrate.migrate(logins.system_url)
            return logins
        except Unavailable as error:
            if not told and time.monotonic() > deadline:
                print(f"waiting for the database: {error.message}", file=sys.stderr, flush=True)
                told = True
            await asyncio.sleep(RETRY_S)


def on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` at SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


@contextlib.asynccontextmanager
async def beside(*coroutines: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run coroutines beside the block."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
