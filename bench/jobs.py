"""W1 and W2: jobs over HTTP, each in its own sandboxed process."""

import time

import httpx2

from bench import floors
from bench.cpu import tree_seconds
from bench.figures import Figure, percentile
from tests.faults.cluster import Cluster

NO_OP = "def main():\n    return 1\n"


def _pids(cluster: Cluster) -> list[int]:
    postmaster = int((cluster.postgres.data / "postmaster.pid").read_text().splitlines()[0])
    return [postmaster, *(process.pid for process in cluster.processes)]


def _cpu(cluster: Cluster) -> float:
    return sum(map(tree_seconds, _pids(cluster))) + time.process_time()


def throughput(cluster: Cluster, count: int = 1000) -> list[Figure]:
    """W1: `count` no-op Python jobs, enqueued one by one, two slots."""
    cluster.deploy("u/ann/noop", NO_OP)
    cluster.wait([cluster.run("u/ann/noop") for _ in range(4)])
    cpu, started = _cpu(cluster), time.perf_counter()
    pushes = []
    for _ in range(count):
        at = time.perf_counter()
        cluster.run("u/ann/noop")
        pushes.append(time.perf_counter() - at)
    while cluster.http.get("/w/main/jobs/queue/list?per_page=1").json():
        time.sleep(0.05)
    seconds = time.perf_counter() - started
    cycle, _ = floors.queue_cycle(cluster.database_url)
    process = floors.bare_process()
    return [
        Figure(
            id="W1",
            what=f"{count} no-op Python jobs, one by one over HTTP, 2 slots, each sandboxed",
            value=count / seconds,
            unit="jobs/s",
            floor=process,
            floor_is=f"bare Python processes one by one; bare queue cycle {cycle:,.0f}/s",
            reach="300",
        ),
        Figure(
            id="W1 cpu",
            what="CPU of all processes and the client, a job",
            value=(_cpu(cluster) - cpu) / count * 1000,
            unit="ms",
            floor=2000 / process / 2,
            floor_is="a bare Python process",
            then="4.5",
        ),
        Figure(
            id="W1 push",
            what="push over HTTP, p50",
            value=percentile(pushes, 0.5) * 1000,
            unit="ms",
            floor=floors.insert(cluster.database_url),
            floor_is="a durable insert",
        ),
    ]


def latency(cluster: Cluster, count: int = 200) -> list[Figure]:
    """W2: submit one, wait for its result."""
    cluster.deploy("u/ann/noop2", NO_OP)
    times = []
    with httpx2.Client(base_url=cluster.http.base_url, headers=cluster.http.headers, timeout=30) as http:
        for number in range(count + 5):
            started = time.perf_counter()
            assert http.post("/w/main/jobs/run_wait_result/p/u/ann/noop2", json={}).json() == 1
            if number >= 5:
                times.append((time.perf_counter() - started) * 1000)
    _, cycle = floors.queue_cycle(cluster.database_url, 200)
    process = 1000 / floors.bare_process()
    what = "submit one, wait for its result, over HTTP"
    floor_is = "a bare queue cycle and a bare Python process"
    return [
        Figure(
            id="W2",
            what=f"{what}, p50",
            value=percentile(times, 0.5),
            unit="ms",
            floor=cycle + process,
            floor_is=floor_is,
            reach="8",
            then="5",
        ),
        Figure(id="W2 p99", what=f"{what}, p99", value=percentile(times, 0.99), unit="ms", reach="25"),
    ]


def push_cpu(cluster: Cluster, count: int = 500) -> list[Figure]:
    """What a push costs the server and Postgres: jobs that no worker takes."""
    cluster.deploy("u/ann/parked", NO_OP, tag="nobody")
    cluster.run("u/ann/parked")
    pids = [cluster.server.pid, _pids(cluster)[0]]
    before = [tree_seconds(pid) for pid in pids]
    for _ in range(count):
        cluster.run("u/ann/parked")
    server, postgres = [(tree_seconds(pid) - was) / count * 1000 for pid, was in zip(pids, before, strict=True)]
    return [
        Figure(id="push cpu", what="CPU of a push over HTTP, server", value=server, unit="ms", reach="1"),
        Figure(id="push cpu", what="CPU of a push over HTTP, Postgres", value=postgres, unit="ms"),
    ]
