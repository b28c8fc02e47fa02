"""`postmill up`, as a user starts and stops it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.faults.cluster import free_port, wait_until


class Up:
    """One `postmill up` in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.log = home / "up.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.descendants: list[psutil.Process] = []

    def start(self, **environment: str) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("POSTMILL_")}
        own.pop("DATABASE_URL", None)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "postmill", "up"],
                env={**own, "POSTMILL_HOME": str(self.home), "POSTMILL_PORT": str(self.port), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._complete, "API, UI and a worker are there")
        self.descendants = psutil.Process(self.process.pid).children(recursive=True)

    def _complete(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log.read_text()
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}/api/health").status_code == 200 and "worker wk-" in (
                self.log.read_text()
            )
        except httpx2.TransportError:
            return False

    def alive(self) -> list[str]:
        found = []
        for process in self.descendants:
            try:
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {' '.join(process.cmdline())[:100]}")
            except psutil.NoSuchProcess:
                continue
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def up(home: Path) -> Iterator[Up]:
    found = Up(home)
    yield found
    if found.process is not None and found.process.poll() is None:
        found.process.kill()
        found.process.wait()
    wait_until(lambda: not found.alive(), "nothing is left", 20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing_running(up: Up, number: int) -> None:
    up.start()
    assert len(up.descendants) >= 4, "Postgres, a server, a worker and its timer"
    assert up.stop(number) == 0, up.log.read_text()
    assert up.alive() == []


def test_the_first_start_prints_a_link_that_works_once(up: Up) -> None:
    up.start()
    link = wait_until(
        lambda: re.search(r"http://localhost:\d+/setup\?token=(\S+)", up.log.read_text()), "the link is printed"
    )
    base = f"http://127.0.0.1:{up.port}/api"
    body = {
        "token": link[1],
        "email": "ann@example.com",
        "password": "correct horse",
        "workspace": {"id": "main", "name": "Main"},
    }
    assert httpx2.post(f"{base}/auth/setup", json=body).status_code == 201
    assert httpx2.post(f"{base}/auth/setup", json=body).status_code == 409
    assert up.stop() == 0
    up.start()
    time.sleep(0.5)
    assert "setup?token" not in up.log.read_text(), "the instance has been set up"


def test_after_kill_9_of_everything_the_next_start_works_with_the_same_data(up: Up) -> None:
    account = {"POSTMILL_ADMIN_EMAIL": "ann@example.com", "POSTMILL_ADMIN_PASSWORD": "correct horse"}
    up.start(**account)
    assert up.process is not None
    for process in [psutil.Process(up.process.pid), *up.descendants]:
        # The first death may take others along.
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    up.process.wait()
    up.start()
    login = httpx2.post(
        f"http://127.0.0.1:{up.port}/api/auth/login", json={"email": "ann@example.com", "password": "correct horse"}
    )
    assert login.status_code == 200
    assert up.stop() == 0


def test_killing_up_alone_takes_its_children_along(up: Up) -> None:
    up.start()
    up.stop(signal.SIGKILL)
    wait_until(lambda: not up.alive(), "nothing is left", 20)


def test_a_child_that_dies_is_started_again(up: Up) -> None:
    up.start()
    servers = [process for process in up.descendants if process.cmdline()[-1:] == ["server"]]
    databases = [process for process in up.descendants if "-D" in process.cmdline()]
    assert len(servers) == 1 and len(databases) == 1
    for process in (servers[0], databases[0]):
        process.kill()
        process.wait(10)
        wait_until(up._complete, "it answers again", 20)
    assert up.stop() == 0


def test_a_second_up_on_the_same_home_is_refused_with_the_reason(up: Up) -> None:
    up.start()
    other = subprocess.run(
        [sys.executable, "-m", "postmill", "up"],
        env={**os.environ, "POSTMILL_HOME": str(up.home), "POSTMILL_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert other.returncode == 1
    assert "another `postmill up` uses" in other.stderr
    assert up._complete()


def test_an_unknown_setting_is_refused_by_name() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "postmill", "up"],
        env={**os.environ, "POSTMILL_SLOT": "3"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, "POSTMILL_SLOT" in done.stderr) == (2, True)
