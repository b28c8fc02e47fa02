"""Retention and delete-after."""

import time

from postmill.queue.wake import Wake
from postmill.store import retention, workers
from postmill.store.db import Database

BATCH = 500
PERIOD_S = 5.0
REST_S = 60.0


class Prune:
    def __init__(self, database: Database, wake: Wake, retention_days: int) -> None:
        self._database = database
        self._wake = wake
        self._days = retention_days
        self._rest_at = 0.0

    async def sweep(self) -> float:
        async with self._database.transaction() as tx:
            emptied = await retention.delete_after(tx, BATCH)
        self._wake.changed(emptied)
        old = 0
        if time.monotonic() >= self._rest_at:
            async with self._database.transaction() as tx:
                if self._days:
                    old = await retention.old_jobs(tx, self._days, BATCH)
                await retention.small_things(tx)
                await workers.forget(tx)
            # A full batch means that there is more.
            self._rest_at = time.monotonic() + (0 if old >= BATCH else REST_S)
        return 0.0 if len(emptied) >= BATCH or old >= BATCH else PERIOD_S
