"""One job after another in one slot: resolve, start, watch, report."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from uuid import UUID

from postmill.executors.contract import EndReason, Limits, OnOutput, Outcome, Run, Task
from postmill.executors.met import log_cut
from postmill.failpoint import failpoint
from postmill.model.errors import LostLease, PostmillError, Unavailable
from postmill.model.job import ClaimedJob, Result, failure
from postmill.worker.calls import Platform
from postmill.worker.ending import masked_error, result_of, too_long
from postmill.worker.output import Output
from postmill.worker.report import Report

log = logging.getLogger("postmill.worker")

RETRY_S = 0.2
RETRY_AT_MOST_S = 2.0
LONG = 64 * 1024
"""A longer result, in characters, is read in a thread: the event loop has beats to send."""

Start = Callable[[Task, Limits, int, OnOutput], Awaitable[Run]]
"""`executors.registry.start`: (task, limits, slot, on_output) → the run."""


@dataclass(slots=True)
class Running:
    """A job in a slot, as the loop sees it."""

    job: ClaimedJob
    run: Run | None = None
    starting: asyncio.Future[Run] | None = None
    """Under way: packages may have to be installed first."""
    ended_early: EndReason | None = None
    """Asked for before the process was there."""
    lost: bool = False
    """The lease may be over: whatever killed the process, it is not the job's failure."""

    def kill(self, reason: EndReason) -> None:
        self.lost = self.lost or reason == "lost_lease"
        if self.run is not None:
            self.run.kill(reason)
        elif self.ended_early is None:
            self.ended_early = reason
            if self.starting is not None:
                self.starting.cancel()


class Slot:
    """Runs jobs one at a time.

    `running` is the loop's table of all its slots; `fenced` tells whether the worker's leases may be over.
    """

    def __init__(
        self,
        number: int,
        platform: Platform,
        start: Start,
        limits: Limits,
        max_log: int,
        running: dict[UUID, Running],
        fenced: Callable[[], bool],
    ) -> None:
        self.number = number
        self._platform = platform
        self._start = start
        self._limits = limits
        self._max_log = max_log
        self._running = running
        self._fenced = fenced

    async def run(self, job: ClaimedJob, claim_next: Callable[[], int], *, canceled: bool = False) -> list[ClaimedJob]:
        """Run one job to its end; returns what was claimed in the same round trip as its finish."""
        entry = self._running[job.id] = Running(job, ended_early="canceled" if canceled else None)
        try:
            result = await self._attempt(entry)
            return await self._report(entry, result, claim_next)
        finally:
            self._running.pop(job.id, None)

    async def _attempt(self, entry: Running) -> Result | None:
        """The result; None when the job is not ours any more or is to be handed back."""
        output = self._output(entry)
        if entry.job.attempts > 1:
            output.note(f"attempt {entry.job.attempts}: an earlier one did not end and may have taken effect")
        try:
            task = await self._resolve(entry)
            output.hide(task.secrets)
            output.bound(task.options.log)
            outcome = masked_error(await self._run(entry, task, output), task.secrets)
        except PostmillError as error:
            name = "SandboxError" if type(error).__name__ == "SandboxError" else "BadRequest"
            outcome = Outcome(ok=False, result=failure(name, error.message), end_reason="not_started")
        finally:
            output.end()
            await output.close()
        if outcome.end_reason in ("shutdown", "lost_lease") or (entry.lost and not outcome.ok):
            return None
        return await self._result(outcome, output)

    def _output(self, entry: Running) -> Output:
        job, platform = entry.job, self._platform

        def lost() -> None:
            entry.kill("lost_lease")

        return Output(
            Report(lambda position, text: platform.append_log(job, position, text), job.log_position, lost),
            Report(lambda position, text: platform.append_stream(job, position, text), job.stream_position, lost),
            max_log=self._max_log,
            max_stream=self._limits.result,
            on_full=lambda: entry.kill("result_limit"),
        )

    async def _result(self, outcome: Outcome, output: Output) -> Result:
        if output.full:
            # It may have ended by itself before it was killed.
            outcome = too_long(outcome, self._limits.result)
        if output.cut:
            outcome = log_cut(outcome, output.max_log)
        arguments = (outcome, output.streamed, self._limits.result)
        if len(outcome.result) + len(output.streamed or "") <= LONG:
            result, notes = result_of(*arguments)
        else:
            result, notes = await asyncio.to_thread(result_of, *arguments)
        for note in notes:
            output.note(note)
        await output.close()
        return result

    async def _resolve(self, entry: Running) -> Task:
        while True:
            try:
                return await self._platform.resolve(entry.job)
            except Unavailable:
                if entry.ended_early is not None:
                    return Task(language=entry.job.language, content="")
                await asyncio.sleep(RETRY_S)

    async def _run(self, entry: Running, task: Task, output: Output) -> Outcome:
        job = entry.job
        if entry.ended_early is not None:
            return _never_began(entry.ended_early)
        limits = replace(self._limits, timeout=min(float(job.timeout_s), self._limits.timeout))
        entry.starting = asyncio.ensure_future(self._start(task, limits, self.number, output.write))
        try:
            run = entry.run = await entry.starting
        except asyncio.CancelledError:
            if entry.ended_early is None:
                raise
            return _never_began(entry.ended_early)
        failpoint("after_spawn")
        if entry.ended_early is not None:
            run.kill(entry.ended_early)
        outcome = await run.wait()
        # Its fork-server may have been ended by the dead-man's timer, while this process was stopped.
        entry.lost = entry.lost or (outcome.end_reason == "sandbox" and self._fenced())
        return outcome

    async def _report(self, entry: Running, result: Result | None, claim_next: Callable[[], int]) -> list[ClaimedJob]:
        """Hand in the end, as often as it takes; the lease decides whether it still counts."""
        pause = RETRY_S
        while True:
            try:
                return await self._platform.finish(entry.job, result, claim_next() if result is not None else 0)
            except LostLease:
                log.warning("late result refused", extra={"job": str(entry.job.id), "lease": entry.job.lease})
                return []
            except Unavailable:
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, RETRY_AT_MOST_S)


def _never_began(reason: EndReason) -> Outcome:
    return Outcome(ok=False, result=failure("Killed", "ended before it began"), end_reason=reason)
