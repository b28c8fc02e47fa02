"""Retention and delete-after."""

import time

from postmill.queue.wake import Wake
from postmill.store import retention
from postmill.store.db import Database

BATCH = 500
PERIOD_S = 5.0
SMALL_THINGS_S = 600.0


class Prune:
    def __init__(self, database: Database, wake: Wake, retention_days: int) -> None:
        self._database = database
        self._wake = wake
        self._days = retention_days
        self._small_things_at = 0.0

    async def sweep(self) -> float:
        async with self._database.transaction() as tx:
            emptied = await retention.delete_after(tx, BATCH)
        self._wake.changed(emptied)
        old = 0
        if self._days:
            async with self._database.transaction() as tx:
                old = await retention.old_jobs(tx, self._days, BATCH)
        if time.monotonic() >= self._small_things_at:
            self._small_things_at = time.monotonic() + SMALL_THINGS_S
            async with self._database.transaction() as tx:
                await retention.small_things(tx)
        return 0.0 if len(emptied) >= BATCH or old >= BATCH else PERIOD_S
