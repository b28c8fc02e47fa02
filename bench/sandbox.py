"""What a job costs before there is a queue: sealed children, dedicated scripts, and the example that needs pandas."""

import asyncio
import os
import tempfile
import time
from pathlib import Path

from bench.cpu import tree_seconds
from bench.figures import Figure, percentile
from bench.jobs import NO_OP
from postmill.engine.examples import examples
from postmill.environments.python import PythonEnvironments
from postmill.executors.contract import Limits, Task
from postmill.executors.registry import Executors
from postmill.sandbox.servers import Sandbox
from postmill.settings import Settings
from tests.faults.cluster import Cluster

SLOTS = 2


def alone(count: int = 800) -> list[Figure]:
    """Jobs straight through the sandbox, two slots at once; then one after the other; then dedicated."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as home:
        return asyncio.run(_alone(Path(home), count))


async def _alone(home: Path, count: int) -> list[Figure]:
    sandbox = Sandbox(SLOTS)
    executors = Executors(sandbox, PythonEnvironments.of(Settings(home=home)))

    async def work(slot: int, number: int, *, dedicated: bool = False, pause: float = 0.0) -> list[float]:
        times = []
        for _ in range(number):
            started = time.perf_counter()
            task = Task(language="python3", content=NO_OP, dedicated=dedicated)
            outcome = await (await executors.start(task, Limits(), slot, lambda _: None)).wait()
            assert outcome.ok, outcome
            times.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(pause)
        return times

    figures = []
    try:
        for dedicated, what in ((False, "a sealed process each"), (True, "dedicated, one warm process a slot")):
            await asyncio.gather(*(work(slot, 5, dedicated=dedicated) for slot in range(SLOTS)))
            cpu, started = tree_seconds(os.getpid()), time.perf_counter()
            await asyncio.gather(*(work(slot, count // SLOTS, dedicated=dedicated) for slot in range(SLOTS)))
            seconds = time.perf_counter() - started
            cost = (tree_seconds(os.getpid()) - cpu) / count * 1000
            name = "dedicated" if dedicated else "sandbox"
            figures += [
                Figure(id=name, what=f"no queue, {SLOTS} slots: {what}", value=count / seconds, unit="jobs/s"),
                Figure(
                    id=f"{name} cpu",
                    what="CPU of worker, fork-server and child, a job",
                    value=cost,
                    unit="ms",
                    reach="1.5" if dedicated else "",
                ),
            ]
        times = await work(0, 200, pause=0.02)
        figures.append(
            Figure(
                id="sandbox p50", what="one job in a waiting spare, no queue", value=percentile(times, 0.5), unit="ms"
            )
        )
    finally:
        await sandbox.close()
    return figures


def report(cluster: Cluster, count: int = 20) -> list[Figure]:
    """The example with pandas over HTTP, once its packages are there. Needs a package index."""
    [example] = [each for each in examples() if each.path.endswith("/report")]
    cluster.deploy(example.path, example.content)
    address = f"/w/main/jobs/run_wait_result/p/{example.path}"
    times = []
    for _ in range(count + 1):
        started = time.perf_counter()
        answer = cluster.http.post(address, json={}, timeout=120)
        assert answer.status_code == 200, answer.text
        times.append((time.perf_counter() - started) * 1000)
    return [
        Figure(id="report", what="the pandas example over HTTP, first run (installs)", value=times[0], unit="ms"),
        Figure(id="report", what="the same, second run", value=times[1], unit="ms", reach="50"),
        Figure(id="report", what="the same, later runs, p50", value=percentile(times[2:], 0.5), unit="ms"),
    ]
