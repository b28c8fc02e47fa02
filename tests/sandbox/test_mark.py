"""A jail that was being made when its worker died: nobody has its pidfd, and its mark finds it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from postmill.sandbox.mark import end_orphans, own_mark

STUCK = "import time; time.sleep(600)"


def _like_a_jail(mark: str) -> subprocess.Popen[bytes]:
    found = subprocess.Popen([sys._base_executable, "-c", STUCK, mark])  # type: ignore[attr-defined]
    while Path(f"/proc/{found.pid}/cmdline").read_bytes().split(b"\0")[-2:-1] != [mark.encode()]:
        time.sleep(0.01)
    return found


def test_the_jails_of_a_worker_that_is_gone_are_ended_and_no_others() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    orphan, ours = _like_a_jail(f"postmill-jail/{gone.pid}/12345"), _like_a_jail(own_mark())
    foreign = _like_a_jail(f"another-jail/{gone.pid}/12345")
    try:
        assert end_orphans() >= 1
        assert orphan.wait(10) == -9
        assert ours.poll() is None
        assert foreign.poll() is None
    finally:
        for process in (orphan, ours, foreign):
            process.kill()
            process.wait()


def test_a_worker_with_the_same_pid_and_another_beginning_is_not_the_same() -> None:
    orphan = _like_a_jail(f"postmill-jail/{os.getpid()}/1")
    try:
        assert end_orphans() >= 1
        assert orphan.wait(10) == -9
    finally:
        orphan.kill()
        orphan.wait()


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_the_timer_ends_what_carries_the_mark_when_its_worker_is_killed(seconds: float) -> None:
    """`seconds` after the death is a jail whose process comes to be while the worker goes."""
    program = (
        "import sys, time; from postmill.sandbox.deadman import DeadMan; from postmill.sandbox.mark import own_mark;"
        "DeadMan().start(); print(own_mark(), flush=True); time.sleep(600)"
    )
    worker = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    mark = worker.stdout.readline().strip()
    worker.kill()
    worker.wait()
    worker.stdout.close()
    time.sleep(seconds)
    jail = _like_a_jail(mark)
    try:
        assert jail.wait(10) == -9
    finally:
        jail.kill()
        jail.wait()
