"""The six calls through which a worker knows the platform."""

from typing import Protocol

from postmill.executors.contract import Task
from postmill.model.job import ClaimedJob, Held, Pulse, Result


class Platform(Protocol):
    """Every call may raise Unavailable: the platform does not answer, and asking again is safe."""

    async def claim(self, count: int) -> list[ClaimedJob]:
        """At most `count` jobs, each with a lease that began when the call was sent."""

    async def beat(self, pulse: Pulse) -> Held:
        """Say that the worker is alive, and keep the leases of what it runs. The first beat registers the worker."""

    async def append_log(self, job: ClaimedJob, position: int, text: str) -> None:
        """Write a piece of log at `position` (characters). Raises LostLease."""

    async def append_stream(self, job: ClaimedJob, position: int, text: str) -> None:
        """Write a piece of the streamed result, as `append_log`. Raises LostLease."""

    async def finish(self, job: ClaimedJob, result: Result | None, claim_next: int) -> list[ClaimedJob]:
        """End the job (None: hand it back, not run to its end) and claim up to `claim_next`. Raises LostLease."""

    async def resolve(self, job: ClaimedJob) -> Task:
        """All that running it needs. Raises BadRequest when something it names is not there."""
