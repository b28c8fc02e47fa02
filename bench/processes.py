"""W8, W9 and W10: from nothing to the first page, idle CPU, memory."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2

from bench.cpu import memory, tree_seconds
from bench.figures import Figure
from tests.faults.cluster import Cluster, free_port


def first_page() -> list[Figure]:
    """W8: `postmill up` on a new home, and again; downloads and the UI's build are not in it."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="pm-", ignore_cleanup_errors=True) as home:
        for what, reach, then in (("the first time", "60", "30"), ("again", "3", "2")):
            port = free_port()
            environment = {**os.environ, "POSTMILL_HOME": home, "POSTMILL_PORT": str(port)}
            started = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "postmill", "up"], env=environment, stdout=subprocess.DEVNULL
            )
            _wait_for(f"http://127.0.0.1:{port}/")
            seconds = time.perf_counter() - started
            figures.append(
                Figure(
                    id="W8",
                    what=f"`postmill up` to the first page, {what}",
                    value=seconds,
                    unit="s",
                    reach=reach,
                    then=then,
                )
            )
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    return figures


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx2.get(url).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.02)
    raise TimeoutError(url)


def idle(cluster: Cluster, seconds: float = 30) -> list[Figure]:
    """W9: the share of a core that a stack without work takes."""
    postmaster = int((cluster.postgres.data / "postmaster.pid").read_text().splitlines()[0])
    pids = [postmaster, *(process.pid for process in cluster.processes)]
    time.sleep(3)
    before = [tree_seconds(pid) for pid in pids]
    time.sleep(seconds)
    used = [(tree_seconds(pid) - was) / seconds * 100 for pid, was in zip(pids, before, strict=True)]
    return [
        Figure(id="W9", what="idle: the whole stack", value=sum(used), unit="% of a core", reach="1", then="0.3"),
        Figure(id="W9", what="idle: Postgres of it", value=used[0], unit="% of a core"),
    ]


def memories(cluster: Cluster, worker: subprocess.Popen[bytes]) -> list[Figure]:
    """W10, as proportional set size."""
    rows = (("API server", cluster.server.pid, "200", "120"), ("worker without its jobs", worker.pid, "120", "80"))
    return [
        Figure(id="W10", what=what, value=memory(pid) / 1024**2, unit="MB", reach=reach, then=then)
        for what, pid, reach, then in rows
    ]


def machine() -> str:
    """One line for the head of the table."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown",
    )
    return f"{os.cpu_count()} cores, {model}, kernel {os.uname().release}, Python {sys.version.split()[0]}"
