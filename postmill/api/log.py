"""A job's log, piece by piece, so that a long one never stands in memory whole."""

from collections.abc import AsyncIterator
from uuid import UUID

from postmill.api.services import Services
from postmill.model.user import Actor
from postmill.store import runs


async def log_pieces(served: Services, actor: Actor, job: UUID) -> AsyncIterator[bytes]:
    """From the beginning to what is there now. Whoever calls has checked that the actor may see the job."""
    offset = 0
    while True:
        async with served.database.transaction(actor) as tx:
            text, offset = await runs.log(tx, job, offset)
        if not text:
            return
        yield text.encode("utf-8", "replace")
