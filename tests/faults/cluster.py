"""A whole Postmill of real processes, of which each can be killed: Postgres, one server, some workers."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2

from postmill.store.embedded import Embedded
from tests.faults.auditor import Auditor
from tests.faults.ledger import Ledger

EMAIL, PASSWORD = "ann@example.com", "correct horse battery"
LEASE_S = 6
WAIT_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(done: Callable[[], Any], what: str, at_most: float = WAIT_S) -> Any:
    """Call until the answer is true.

    Raises:
        AssertionError: it was not within `at_most` seconds.
    """
    deadline = time.monotonic() + at_most
    while True:
        found = done()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {at_most:g} s: {what}"
        time.sleep(0.05)


class Cluster:
    """Start with `with Cluster(tmp_path) as cluster`. The workspace is `main`, whose administrator is logged in."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        self.postgres = Embedded(home)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("POSTMILL_")},
            "POSTMILL_HOME": str(home),
            "POSTMILL_PORT": str(self.port),
            "POSTMILL_LEASE": str(LEASE_S),
            "POSTMILL_SLOTS": "4",
            "POSTMILL_GRACE": "5",
            "POSTMILL_ADMIN_EMAIL": EMAIL,
            "POSTMILL_ADMIN_PASSWORD": PASSWORD,
            **environment,
        }
        self.environment.pop("DATABASE_URL", None)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}/api", timeout=30)
        self.ledger = Ledger(home / "ledger")
        self.accepted: list[str] = []

    def __enter__(self) -> "Cluster":
        url = self.postgres.start()
        self.auditor = Auditor(url)
        self.database_url = url
        self.server = self.start("server")
        wait_until(self._ready, "the server answers")
        login = self.http.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {login.raise_for_status().text}"
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self.http.close()
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self.postgres.stop()
        self.ledger.close()

    # Processes ------------------------------------------------------------------------------------------------------

    def start(self, command: str, *before: str, **environment: str) -> subprocess.Popen[bytes]:
        """`before` is a command that starts the process in its place."""
        number = len(self.processes)
        with (self.home / f"{command}-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                [*before, sys.executable, "-m", "postmill", command],
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start_worker(self, *before: str, **environment: str) -> subprocess.Popen[bytes]:
        """A worker that has registered."""
        # By name: one that died may still be listed, and go from the list while this one comes.
        known = {worker["worker"] for worker in self.workers()}

        def registered() -> bool:
            return any(worker["worker"] not in known for worker in self.workers())

        process = self.start("worker", *before, **environment)
        wait_until(lambda: registered() or process.poll() is not None, "the worker registers")
        assert process.poll() is None, self.logs()
        return process

    def logs(self) -> str:
        """What all processes printed, for failure messages and rule A14."""
        return "\n".join(f"{path.name}:\n{path.read_text()}" for path in sorted(self.home.glob("*-*.log")))

    def kill_postgres(self) -> None:
        """kill -9 of the postmaster; its children follow."""
        pid = int((self.postgres.data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)

    # What a user does -----------------------------------------------------------------------------------------------

    def _ready(self) -> bool:
        assert self.server.poll() is None, self.logs()
        try:
            return self.http.get("/health").status_code == 200
        except httpx2.TransportError:
            return False

    def workers(self) -> list[dict[str, Any]]:
        found = self.http.get("/workers/list").raise_for_status().json()
        return [worker for worker in found if worker["alive"]]

    def deploy(self, path: str, content: str, language: str = "python3", **settings: Any) -> str:
        body = {"path": path, "content": content, "language": language, "summary": "", **settings}
        return self.http.post("/w/main/scripts/create", json=body).raise_for_status().text

    def run(self, path: str, **args: Any) -> str:
        """Queue a run; its id counts as accepted once the answer was read."""
        job = self.http.post(f"/w/main/jobs/run/p/{path}", json=args).raise_for_status().text
        self.accepted.append(job)
        return job

    def job(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/w/main/jobs_u/get/{job}").raise_for_status().json()
        return found

    def ended(self, job: str) -> bool:
        return self.http.get(f"/w/main/jobs_u/completed/get_result_maybe/{job}").json()["completed"] is True

    def wait(self, jobs: list[str], at_most: float = WAIT_S) -> list[dict[str, Any]]:
        """The jobs, once all have ended."""
        wait_until(lambda: all(map(self.ended, jobs)), f"{len(jobs)} jobs end", at_most)
        return [self.job(job) for job in jobs]

    def wait_running(self, jobs: list[str]) -> None:
        wait_until(lambda: all(self.job(job)["running"] for job in jobs), f"{len(jobs)} jobs run")

    def audit(self) -> None:
        """All rules, with what was accepted and what took effect."""
        self.auditor.check(accepted=self.accepted, effects=self.ledger.effects)

    def unexpected(self) -> list[str]:
        """A14: unhandled exceptions in the services' logs."""
        return re.findall(r'"event": "unhandled".*|Traceback.*|"upkeep failed".*|"a slot failed".*', self.logs())


def effect(ledger: Ledger, seconds: float = 0.0) -> str:
    """A Python script whose effect is a row of the ledger; it then sleeps and returns its attempt's nonce."""
    return f"""
import json, os, time, urllib.request, uuid

def main(seconds: float = {seconds}, mark: str = "") -> str:
    nonce = uuid.uuid4().hex
    body = json.dumps({{"job": os.environ["WM_JOB_ID"], "step": mark, "nonce": nonce}}).encode()
    urllib.request.urlopen(urllib.request.Request("{ledger.url}", body, method="POST"), timeout=10)
    print("effect", flush=True)
    time.sleep(seconds)
    return nonce
"""


@contextlib.contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """SIGSTOP for as long as the block runs."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
