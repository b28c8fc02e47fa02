"""Concurrency limits: hold a job, free its slot, promote the next.

A job with a limit is pushed as `held`; `promote` fills the free slots of its key, at push, at each finish and, as the
net under both, from an upkeep sweep. The key's row is the lock under which slots are counted, so that N workers that
finish at once promote N jobs and not N squared.
"""

from uuid import UUID

from postmill.model.job import Limit
from postmill.store import limits
from postmill.store.db import Connection, Cursor


async def admit(tx: Connection, limit: Limit) -> None:
    """After the push of a job with this limit: it, or a better one, gets a slot if there is one."""
    await limits.declare_key(tx, limit)
    await limits.promote(tx, limit.key)


async def leave(tx: Connection, key: str, job: UUID) -> Cursor:
    """A job of `key` has ended: free its slot and fill what is free. The answer is for `promoted_tags`."""
    await limits.lock_key(tx, key)
    await limits.leave(tx, job)
    return await limits.promote(tx, key)


async def fill(tx: Connection, key: str) -> list[str]:
    """Forget slots whose window is over, and promote; returns the tags of what was promoted."""
    await limits.lock_key(tx, key)
    await limits.forget_windows(tx, key)
    return await limits.promoted_tags(await limits.promote(tx, key))
