"""Keep the leases of what a worker runs."""

from postmill.model.job import Held, Pulse, WorkerInfo
from postmill.store import jobs, workers
from postmill.store.db import Connection


async def beat(tx: Connection, worker: WorkerInfo, pulse: Pulse, lease_s: float) -> Held:
    """Extend by `lease_s` from now; what is missing from the answer's `owned` belongs to somebody else."""
    await workers.beat(tx, worker, pulse, lease_s)
    if not pulse.running:
        return Held(owned=frozenset(), canceled=frozenset())
    return await jobs.beat(tx, pulse, lease_s)
