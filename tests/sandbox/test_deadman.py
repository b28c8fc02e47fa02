"""Real workers that are stopped and killed, and what becomes of their jobs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postmill.sandbox.deadman import DeadMan

Until = Callable[[Callable[[], bool]], bool]
Marked = Callable[[], list[int]]

_WORKER = """
import asyncio, os, sys, time
from postmill.sandbox.command import Command, Limits
from postmill.sandbox.deadman import DeadMan
from postmill.sandbox.servers import Sandbox

async def main():
    timer = DeadMan()
    timer.start()
    timer.extend(time.monotonic() + float(sys.argv[1]))
    sandbox = Sandbox(1)
    job = await sandbox.start(Command(argv=("/bin/sleep", os.environ["MARK"])), Limits(), 0, lambda _: None)
    timer.watch("job", job.pidfd)
    print("ready", flush=True)
    print((await job.wait()).exit_code, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def worker(mark: str) -> Iterator[Callable[[float], subprocess.Popen[str]]]:
    """Starts a worker with one job and a lease of so many seconds."""
    begun: list[subprocess.Popen[str]] = []

    def start(lease: float) -> subprocess.Popen[str]:
        found = subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(lease)],
            # Not as an argument, which would make the worker itself one of the marked.
            env={**os.environ, "MARK": mark},
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        begun.append(found)
        assert found.stdout is not None
        assert found.stdout.readline() == "ready\n"
        return found

    yield start
    for each in begun:
        each.kill()
        each.wait()
        assert each.stdout is not None
        each.stdout.close()


@pytest.fixture
def timer() -> Iterator[DeadMan]:
    found = DeadMan()
    found.start()
    yield found
    found.close()


@pytest.fixture
def sleeper(mark: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process that nothing else would end, and its pidfd."""
    found = subprocess.Popen(["sleep", mark])
    pidfd = os.pidfd_open(found.pid)
    yield found, pidfd
    os.close(pidfd)
    found.kill()
    found.wait()


def timer_pid(of: int) -> int:
    """The dead-man's timer among a process's children."""
    deadline = time.monotonic() + 20
    # A child that has only just begun has no command line yet.
    while time.monotonic() < deadline:
        for child in Path(f"/proc/{of}/task/{of}/children").read_text().split():
            if b"deadman_timer.py" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    raise AssertionError("there is no timer")


def _ignores(status: Path, number: signal.Signals) -> bool:
    ignored = next(line for line in status.read_text().splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored.split()[1], 16) >> (number - 1) & 1)


def test_a_stopped_worker_loses_its_job_with_its_lease(
    worker: Callable[[float], subprocess.Popen[str]], marked: Marked, until: Until
) -> None:
    stopped = worker(3.0)
    assert until(lambda: bool(marked()))
    stopped.send_signal(signal.SIGSTOP)
    assert until(lambda: not marked())
    stopped.send_signal(signal.SIGCONT)
    assert stopped.communicate()[0] == f"{-signal.SIGKILL}\n"


def test_a_killed_worker_takes_its_job_along(
    worker: Callable[[float], subprocess.Popen[str]], marked: Marked, until: Until
) -> None:
    killed = worker(600.0)
    its_timer = timer_pid(killed.pid)
    killed.kill()
    killed.wait()
    assert until(lambda: not marked())
    assert until(lambda: not Path(f"/proc/{its_timer}/cmdline").exists())


def test_a_job_is_killed_when_the_deadline_passes(timer: DeadMan, sleeper: tuple[subprocess.Popen[bytes], int]) -> None:
    job, pidfd = sleeper
    timer.watch("job", pidfd)
    timer.extend(time.monotonic() + 0.2)
    assert job.wait(30) == -signal.SIGKILL


def test_a_job_is_killed_when_its_worker_is_gone(timer: DeadMan, sleeper: tuple[subprocess.Popen[bytes], int]) -> None:
    job, pidfd = sleeper
    timer.watch("job", pidfd)
    timer.close()
    assert job.wait(30) == -signal.SIGKILL


def test_a_job_that_comes_after_the_deadline_is_killed_at_once(
    timer: DeadMan, sleeper: tuple[subprocess.Popen[bytes], int]
) -> None:
    job, pidfd = sleeper
    timer.extend(time.monotonic() - 1)
    timer.watch("job", pidfd)
    assert job.wait(30) == -signal.SIGKILL


def test_a_forgotten_or_extended_job_lives_on(
    timer: DeadMan, sleeper: tuple[subprocess.Popen[bytes], int], until: Until
) -> None:
    job, pidfd = sleeper
    other = subprocess.Popen(["sleep", "600"])
    other_pidfd = os.pidfd_open(other.pid)
    timer.extend(time.monotonic() + 0.1)
    timer.extend(time.monotonic() + 600)
    timer.watch("job", pidfd)
    timer.watch("other", other_pidfd)
    timer.forget("job")
    timer.forget("unknown")
    timer.extend(time.monotonic() + 0.1)
    assert other.wait(30) == -signal.SIGKILL
    assert job.poll() is None
    os.close(other_pidfd)


def test_a_timer_that_died_is_replaced_and_knows_the_jobs(
    timer: DeadMan, sleeper: tuple[subprocess.Popen[bytes], int], until: Until
) -> None:
    job, pidfd = sleeper
    timer.extend(time.monotonic() + 600)
    timer.watch("job", pidfd)
    first = timer_pid(os.getpid())
    os.kill(first, signal.SIGKILL)
    assert until(lambda: Path(f"/proc/{first}/stat").read_text().split()[2] == "Z")
    timer.extend(time.monotonic() + 600)
    assert timer_pid(os.getpid()) != first
    assert job.poll() is None
    timer.extend(time.monotonic())
    assert job.wait(30) == -signal.SIGKILL


def test_the_timer_is_small_and_outlives_signals_to_the_worker_s_group(timer: DeadMan, until: Until) -> None:
    pid = timer_pid(os.getpid())
    status = Path(f"/proc/{pid}/status")
    # Then it has imported all that it will, and waits.
    assert until(lambda: _ignores(status, signal.SIGTERM) and "S (sleeping)" in status.read_text())
    fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
    assert int(fields["VmRSS"].split()[0]) < 12 * 1024
    assert os.getsid(pid) == pid
    os.kill(pid, signal.SIGTERM)
    timer.extend(time.monotonic() + 600)
    assert timer_pid(os.getpid()) == pid
