"""Every two seconds: jobs of silent workers run again, or end as poisoned."""

import logging

from postmill.failpoint import failpoint
from postmill.queue import rescue as queue_rescue
from postmill.queue.wake import Wake
from postmill.store import dependencies, jobs
from postmill.store.db import Database

log = logging.getLogger("postmill.upkeep")

PERIOD_S = 2.0


class Rescue:
    """The sweep; `PERIOD_S` is scaled with the lease where tests shorten it."""

    def __init__(self, database: Database, wake: Wake, period_s: float = PERIOD_S) -> None:
        self._database = database
        self._wake = wake
        self._period_s = period_s

    async def sweep(self) -> float:
        async with self._database.transaction() as tx:
            if not await jobs.anything_to_rescue(tx):
                return self._period_s
            done = await queue_rescue.rescue(tx)
            for job in done.ended:
                await dependencies.settle(tx, job)
            failpoint("in_rescue")
        if done.again or done.ended:
            log.warning("rescued", extra={"again": [str(job) for job in done.again], "ended": len(done.ended)})
            self._wake.work(done.tags)
            self._wake.changed(done.again)
            self._wake.ended(done.ended)
        # A full batch means that there is more.
        return 0.0 if len(done.again) + len(done.ended) >= queue_rescue.BATCH else self._period_s
