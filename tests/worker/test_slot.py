"""One job in one slot: its limits on the way to the sandbox, and its log when that is too long."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn
from uuid import uuid4

import pytest

from postmill.executors.contract import EndReason, Limits, OnOutput, Outcome, Task
from postmill.model.job import ClaimedJob, Result, failure
from postmill.model.options import Options
from postmill.worker.slot import Running, Slot

pytestmark = pytest.mark.anyio

WORKERS = Limits(memory=1 << 30, pids=7, files=99, disk=1 << 20, inodes=333, result=1 << 20, timeout=60)
WELL = Outcome(ok=True, result="1")
FAILED = Outcome(ok=False, result=failure("ValueError", "no"))


def claimed(timeout_s: int) -> ClaimedJob:
    return ClaimedJob(
        id=uuid4(),
        lease=1,
        workspace_id="main",
        kind="script",
        language="python3",
        content="",
        args="{}",
        tag="python3",
        created_by="ann",
        permissioned_as="u/ann",
        email="ann@example.com",
        timeout_s=timeout_s,
        attempts=1,
        log_position=0,
        scheduled_for=datetime.now(UTC),
        script_hash=None,
        script_path=None,
        parent_job=None,
        root_job=None,
        concurrency_key=None,
        cache_key=None,
        perpetual=False,
        envs=[],
    )


class Platform:
    """Gives out one task, and notes what comes back."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.log = ""
        self.result: Result | None = None

    async def resolve(self, job: ClaimedJob) -> Task:
        return self.task

    async def append_log(self, job: ClaimedJob, position: int, text: str) -> None:
        self.log += text

    async def finish(self, job: ClaimedJob, result: Result | None, claim_next: int) -> list[ClaimedJob]:
        self.result = result
        return []

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"{name} was called")


class Ended:
    """A run that is over."""

    pidfd = -1

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def kill(self, reason: EndReason) -> None:
        raise AssertionError(f"killed: {reason}")

    async def wait(self) -> Outcome:
        return self._outcome


async def go(
    options: Options, outcome: Outcome, printed: bytes, *, timeout_s: int = 60, max_log: int = 4096
) -> tuple[Platform, list[Limits]]:
    """What came of a job that prints this and ends so; and the limits that it was started with."""
    given: list[Limits] = []

    async def start(task: Task, limits: Limits, slot: int, on_output: OnOutput) -> Ended:
        given.append(limits)
        on_output(printed)
        return Ended(outcome)

    platform = Platform(Task("python3", "", options=options))
    running: dict[object, Running] = {}
    never: Callable[[], bool] = lambda: False  # noqa: E731
    slot = Slot(0, platform, start, WORKERS, max_log, running, never)  # type: ignore[arg-type]
    await slot.run(claimed(timeout_s), lambda: 0)
    return platform, given


@pytest.mark.parametrize(("asked", "given"), [(5, 5), (60, 60), (1000, 60)])
async def test_a_job_starts_with_all_of_the_workers_limits_and_its_own_timeout(asked: int, given: int) -> None:
    _, [limits] = await go(Options(), WELL, b"", timeout_s=asked)
    assert limits == Limits(
        memory=1 << 30, pids=7, files=99, disk=1 << 20, inodes=333, result=1 << 20, timeout=float(given)
    )


@pytest.mark.parametrize(("asked", "limit"), [(None, 4096), (1024, 1024), (8192, 4096)])
async def test_the_log_is_cut_where_the_script_asked_for_it(asked: int | None, limit: int) -> None:
    platform, _ = await go(Options(log=asked), WELL, b"x" * 5000)
    log, mark = platform.log.split("\n", 1)
    assert len(log) == limit
    assert f"met its limit of {limit // 1024}KB of log (limits: log={limit // 1024}KB; POSTMILL_MAX_LOG)" in mark


async def test_a_cut_log_alone_is_no_end_reason() -> None:
    platform, _ = await go(Options(log=1024), WELL, b"x" * 5000)
    assert platform.result is not None
    assert (platform.result.status, platform.result.end_reason) == ("success", None)


async def test_a_cut_log_is_the_end_reason_of_a_job_that_failed_for_no_other() -> None:
    platform, _ = await go(Options(log=1024), FAILED, b"x" * 5000)
    assert platform.result is not None
    assert (platform.result.status, platform.result.end_reason) == ("failure", "log_limit")
    message = json.loads(platform.result.result)["error"]["message"]
    assert message == "no\nThe job met its limit of 1KB of log (limits: log=1KB; POSTMILL_MAX_LOG)."


async def test_another_reason_goes_before_that_of_the_log() -> None:
    late = Outcome(ok=False, result=failure("Timeout", "late"), end_reason="timeout")
    platform, _ = await go(Options(log=1024), late, b"x" * 5000)
    assert platform.result is not None
    assert platform.result.end_reason == "timeout"


async def test_a_log_within_its_limit_leaves_a_failure_as_it_is() -> None:
    platform, _ = await go(Options(log=1024), FAILED, b"x" * 1000)
    assert platform.result is not None
    assert platform.result.end_reason is None
