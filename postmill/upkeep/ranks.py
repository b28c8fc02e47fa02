"""Once a second, while something is queued: read what virtual time is worth."""

from postmill.queue.rank import Ranks
from postmill.store.db import Database

PERIOD_S = 1.0


class RefreshRanks:
    def __init__(self, database: Database, ranks: Ranks) -> None:
        self._database = database
        self._ranks = ranks

    async def sweep(self) -> float:
        if self._ranks.stale:
            async with self._database.transaction() as tx:
                await self._ranks.refresh(tx)
        return PERIOD_S
