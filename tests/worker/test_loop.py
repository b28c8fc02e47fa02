"""The worker's loop, with a platform that only counts."""

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from postmill.executors.contract import Limits
from postmill.model.job import ClaimedJob, Held, Pulse
from postmill.settings import Settings
from postmill.worker.loop import Worker, bounds

pytestmark = pytest.mark.anyio


class Counting:
    """A platform without jobs."""

    def __init__(self) -> None:
        self.claims = 0
        self.beats: list[Pulse] = []
        self.registered = asyncio.Event()
        self.asked = asyncio.Event()

    async def claim(self, count: int) -> list[ClaimedJob]:
        self.claims += 1
        self.asked.set()
        return []

    async def beat(self, pulse: Pulse) -> Held:
        self.beats.append(pulse)
        self.registered.set()
        return Held(owned=frozenset(), canceled=frozenset())

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"{name} was called")


class NoTimer:
    def extend(self, deadline: float) -> None:
        pass


async def never(*_: Any) -> NoReturn:
    raise AssertionError("a job was started")


async def _until(platform: Counting, event: asyncio.Event, refuses: str) -> None:
    worker = Worker(platform, Settings(slots=1, grace=0), never, NoTimer(), refuses=refuses)
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(30):
        await event.wait()
        worker.work()
        for _ in range(20):
            await asyncio.sleep(0)
        worker.drain()
        await running


async def test_a_worker_that_refuses_jobs_registers_and_claims_none(caplog: pytest.LogCaptureFixture) -> None:
    platform = Counting()
    await _until(platform, platform.registered, "it offers isolation L1")
    assert platform.claims == 0
    assert (len(platform.beats) >= 2, platform.beats[-1].leaving) == (True, True)
    [record] = [record for record in caplog.records if record.message == "this worker runs no jobs"]
    assert record.__dict__["why"] == "it offers isolation L1"


async def test_a_worker_that_refuses_none_claims() -> None:
    platform = Counting()
    await _until(platform, platform.asked, "")
    assert platform.claims >= 1


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (Settings(), lambda limits: limits == Limits()),
        (Settings(job_memory=8 * 1024**3), lambda limits: limits.memory == 8 * 1024**3),
        (Settings(job_pids=7, job_files=20), lambda limits: (limits.pids, limits.files) == (7, 20)),
        (Settings(job_disk=1, job_inodes=2), lambda limits: (limits.disk, limits.inodes) == (1, 2)),
        (Settings(max_result=5, job_timeout=9), lambda limits: (limits.result, limits.timeout) == (5, 9.0)),
    ],
)
async def test_the_settings_bound_its_jobs(given: Settings, read: Callable[[Limits], bool]) -> None:
    assert read(bounds(given))
