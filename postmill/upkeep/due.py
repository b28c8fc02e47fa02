"""What is scheduled becomes claimable when its time has come; limits whose window is over let the next one in."""

from postmill.queue import limits
from postmill.queue.wake import Wake
from postmill.store import jobs
from postmill.store import limits as stored_limits
from postmill.store.db import Database

BATCH = 1000
PERIOD_S = 1.0


class Due:
    def __init__(self, database: Database, wake: Wake) -> None:
        self._database = database
        self._wake = wake

    async def sweep(self) -> float:
        # One round trip: this is most of what an idle server does.
        async with self._database.transaction(pipeline=True) as tx:
            became_due = await jobs.due(tx, BATCH)
            waiting = await stored_limits.waiting_keys(tx)
            next_one = await jobs.next_due(tx)
        due = await became_due.fetchall()
        keys = {row["concurrency_key"] for row in due if row["concurrency_key"] is not None}
        keys.update(row["key"] for row in await waiting.fetchall())
        row = await next_one.fetchone()
        next_due = row["seconds"] if row else None
        tags = {row["tag"] for row in due if row["concurrency_key"] is None}
        for key in keys:
            # One transaction a key: two of their locks are never held at once.
            async with self._database.transaction() as tx:
                tags.update(await limits.fill(tx, key))
        if tags:
            self._wake.work(tags)
        if len(due) >= BATCH:
            return 0.0
        return PERIOD_S if next_due is None else min(PERIOD_S, max(0.01, next_due))
