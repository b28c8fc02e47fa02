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
            part = await runs.log(tx, job, offset)
        if part.text:
            yield part.text.encode("utf-8", "replace")
        if not part.more:
            return
        offset = part.offset
