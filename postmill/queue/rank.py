"""Virtual time: in what order the jobs of many workspaces are claimed.

Start-time fair queueing. A job's rank is one step after the later of two: the rank that is being served now, and the
highest rank that its own workspace has queued. 50,000 jobs of one workspace then stand in a line of their own, and a
newcomer's first job goes before all but the next of them, however fast or slow the jobs are. (A rank of "now + depth
times stride" would need a stride that fits the speed of the jobs: docs/decisions/rank.md.)

The queue's ranks are read once a second (`refresh`), never in a push: two servers may be a second apart, which costs a
little fairness and no row that every push must lock.
"""

import time

from postmill.store import jobs
from postmill.store.db import Connection


class Ranks:
    """What one server process knows of virtual time."""

    def __init__(self) -> None:
        self._served: float | None = None
        self._highest: dict[str, float] = {}
        self._pushed = False

    def next(self, workspace: str, weight: float = 1.0) -> float:
        """The rank of a job that is pushed now. A workspace of weight 2 gets twice the share."""
        # An empty queue is served at the time of the day, so that the ranks of several servers compare.
        served = time.time() if self._served is None else self._served
        rank = max(served, self._highest.get(workspace, 0.0)) + 1.0 / weight
        self._highest[workspace] = rank
        self._pushed = True
        return rank

    @property
    def stale(self) -> bool:
        """Whether something was pushed since the last `refresh`, or was queued then."""
        return self._pushed or bool(self._highest)

    async def refresh(self, tx: Connection) -> None:
        """Read the queue again."""
        self._pushed = False
        ranks = await jobs.queued_ranks(tx)
        self._highest = {workspace: highest for workspace, (_, highest) in ranks.items()}
        self._served = min((lowest for lowest, _ in ranks.values()), default=None)
