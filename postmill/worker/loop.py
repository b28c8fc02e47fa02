"""The worker: keeps its slots busy, its leases alive, and itself honest.

Architecture Invariant: a worker counts its leases on its own monotonic clock, from before it sent the beat, and kills
its jobs FENCE_S before they are over. The dead-man's timer, a process of its own, does the same when the worker cannot.
"""

import asyncio
import contextlib
import logging
import resource
import time
from collections import deque
from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from postmill.executors.contract import EndReason, Limits
from postmill.model.errors import Unavailable
from postmill.model.job import ClaimedJob, Pulse
from postmill.settings import Settings
from postmill.worker.calls import Platform
from postmill.worker.slot import Running, Slot, Start

log = logging.getLogger("postmill.worker")

POLL_S = 5.0
"""How often an idle worker looks by itself, under the notifications."""
FENCE_S = 2.0
DEADMAN_S = 0.5
"""The timer waits for the worker, which can say why it kills."""
RETRY_S = 0.5
KILL_PATIENCE_S = 10.0


class DeadMan(Protocol):
    """The dead-man's timer as the loop sees it: one deadline for all that runs."""

    def extend(self, deadline: float) -> None: ...


def bounds(settings: Settings) -> Limits:
    """What a job has by default, and the most that its script may ask for."""
    return Limits(
        memory=settings.job_memory,
        pids=settings.job_pids,
        files=settings.job_files,
        disk=settings.job_disk,
        inodes=settings.job_inodes,
        result=settings.max_result,
        timeout=float(settings.job_timeout),
    )


class Worker:
    """Run with `run()`; `drain()` ends it."""

    def __init__(
        self, platform: Platform, settings: Settings, start: Start, deadman: DeadMan, *, refuses: str = ""
    ) -> None:
        """`refuses` is why it takes no jobs; it registers and beats all the same, so that this is seen."""
        self._refuses = refuses
        self._platform = platform
        self._settings = settings
        self._deadman = deadman
        self._running: dict[UUID, Running] = {}
        self._slots = [
            Slot(number, platform, start, bounds(settings), settings.max_log, self._running, self._fenced)
            for number in range(settings.slots)
        ]
        self._free = list(self._slots)
        self._tasks: set[asyncio.Task[None]] = set()
        self._hint = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._missed_hint = False
        self._canceled_early: deque[UUID] = deque(maxlen=256)
        self._executed = 0
        self._deadline = time.monotonic() + settings.lease - FENCE_S

    # What others tell the worker ------------------------------------------------------------------------------------

    def work(self) -> None:
        """There may be something to claim."""
        self._hint.set()

    def cancel(self, jobs: Iterable[UUID]) -> None:
        """These are to be cancelled, if they are ours, or turn out to be by a claim that is under way."""
        for job in jobs:
            if entry := self._running.get(job):
                entry.kill("canceled")
            else:
                self._canceled_early.append(job)

    def drain(self) -> None:
        """Stop claiming; jobs get the grace, then they are handed back. A second call ends the grace."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()
        self._hint.set()

    # The loop -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until drained: every job has then ended or was handed back, and the worker has signed off."""
        await self._register()
        if self._refuses:
            log.error("this worker runs no jobs", extra={"why": self._refuses})
        keepers = [asyncio.create_task(self._beat_on()), asyncio.create_task(self._fence())]
        try:
            await self._claim_on()
            await self._wait_for_jobs()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            with contextlib.suppress(Unavailable):
                await self._platform.beat(self._pulse(leaving=True))

    async def _register(self) -> None:
        while True:
            try:
                return await self._beat()
            except Unavailable:
                await asyncio.sleep(RETRY_S)

    async def _claim_on(self) -> None:
        if self._refuses:
            await self._stopping.wait()
        while not self._stopping.is_set():
            # Cleared before the look, never after it: a hint that comes in between is not lost.
            self._hint.clear()
            wanted = len(self._free)
            jobs: list[ClaimedJob] = []
            if wanted:
                try:
                    if not self._may_claim():
                        await self._beat()
                    jobs = await self._platform.claim(wanted)
                except Unavailable:
                    await asyncio.sleep(RETRY_S)
                    continue
                for job in jobs:
                    self._occupy(job)
            else:
                self._missed_hint = True
            if len(jobs) < wanted or not wanted:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hint.wait(), POLL_S)

    def _may_claim(self) -> bool:
        """What is claimed after a silence would be fenced at once: a beat must come first."""
        return not self._stopping.is_set() and time.monotonic() < self._deadline - DEADMAN_S

    def _occupy(self, job: ClaimedJob) -> None:
        slot = self._free.pop(0)
        task = asyncio.create_task(self._work_in(slot, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work_in(self, slot: Slot, job: ClaimedJob) -> None:
        """This job, and those that its finishes bring."""
        following: ClaimedJob | None = job
        try:
            while following is not None:
                canceled = following.id in self._canceled_early
                claimed = await slot.run(following, lambda: int(self._may_claim()), canceled=canceled)
                self._executed += 1
                following = claimed[0] if claimed else None
        except Exception:
            # The job's lease runs out, and another worker takes it.
            log.exception("a slot failed", extra={"job": str(job.id)})
        finally:
            self._free.append(slot)
            if self._missed_hint or self._stopping.is_set():
                self._missed_hint = False
                self._hint.set()

    async def _wait_for_jobs(self) -> None:
        hurry = asyncio.create_task(self._hurry.wait())
        deadline = time.monotonic() + self._settings.grace
        while self._tasks and not hurry.done() and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait([*self._tasks, hurry], timeout=left, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        self._kill_all("shutdown")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=KILL_PATIENCE_S)

    # Leases ---------------------------------------------------------------------------------------------------------

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(self._settings.beat)
            with contextlib.suppress(Unavailable):
                await self._beat()

    async def _beat(self) -> None:
        sent = time.monotonic()
        pulse = self._pulse()
        held = await self._platform.beat(pulse)
        if time.monotonic() >= self._deadline:
            # The dead-man's timer may have been faster than this answer.
            self._kill_all("lost_lease")
        self._deadline = sent + self._settings.lease - FENCE_S
        self._deadman.extend(self._deadline + DEADMAN_S)
        for job, lease in pulse.running.items():
            entry = self._running.get(job)
            if entry is None or entry.job.lease != lease:
                continue
            if job not in held.owned:
                entry.kill("lost_lease")
            elif job in held.canceled:
                entry.kill("canceled")

    def _fenced(self) -> bool:
        return time.monotonic() >= self._deadline

    async def _fence(self) -> None:
        while True:
            await asyncio.sleep(max(0.05, self._deadline - time.monotonic()))
            if time.monotonic() >= self._deadline and self._running:
                self._kill_all("lost_lease")

    def _kill_all(self, reason: EndReason) -> None:
        for entry in list(self._running.values()):
            entry.kill(reason)

    def _pulse(self, *, leaving: bool = False) -> Pulse:
        return Pulse(
            memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            jobs_executed=self._executed,
            draining=self._stopping.is_set(),
            leaving=leaving,
            running={job: entry.job.lease for job, entry in self._running.items()},
        )
