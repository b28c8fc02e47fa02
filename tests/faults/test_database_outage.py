"""A database that dies, stalls or goes away for a while."""

import contextlib
import time

import psutil
import pytest

from tests.faults.cluster import Cluster, effect, wait_until


def test_all_recover_by_themselves_when_postgres_is_killed(cluster: Cluster) -> None:
    """F15, once: jobs run on, their results are kept until the database is back."""
    cluster.deploy("u/ann/effect", effect(cluster.ledger))
    cluster.start_worker()
    jobs = [cluster.run("u/ann/effect", seconds=1) for _ in range(8)]
    wait_until(lambda: len(cluster.ledger.entries()) >= 4, "some run")
    cluster.kill_postgres()
    wait_until(lambda: not cluster.postgres.alive(), "Postgres is gone")
    assert cluster.http.get("/health").status_code == 503
    cluster.postgres.start()
    wait_until(lambda: cluster.http.get("/health").status_code == 200, "the server is ready again", 10)
    later = cluster.run("u/ann/effect")
    ended = cluster.wait([*jobs, later])
    assert [job["result"] for job in ended if not job["success"]] == []
    cluster.audit()
    assert not cluster.unexpected()


@pytest.mark.slow
def test_an_outage_of_twenty_seconds_loses_nothing(cluster: Cluster) -> None:
    cluster.deploy("u/ann/effect", effect(cluster.ledger))
    cluster.start_worker()
    jobs = [cluster.run("u/ann/effect", seconds=2) for _ in range(12)]
    wait_until(lambda: len(cluster.ledger.entries()) >= 4, "some run")
    cluster.kill_postgres()
    # Its backends live on for a moment, and what they commit is committed.
    wait_until(lambda: cluster.http.get("/health").status_code == 503, "the database is gone", 10)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        answer = cluster.http.post("/w/main/jobs/run/p/u/ann/effect", json={})
        assert answer.status_code == 503, answer.text
        assert "Unavailable" in answer.text
        assert answer.headers["Retry-After"]
        time.sleep(1)
    cluster.postgres.start()
    wait_until(lambda: cluster.http.get("/health").status_code == 200, "the server is ready again", 10)
    later = cluster.run("u/ann/effect")
    assert [job["result"] for job in cluster.wait([*jobs, later]) if not job["success"]] == []
    cluster.audit()
    assert not cluster.unexpected()


@pytest.mark.slow
def test_a_database_that_accepts_and_never_answers_hangs_nobody(cluster: Cluster) -> None:
    """F17: Postgres is stopped, not dead."""
    cluster.deploy("u/ann/effect", effect(cluster.ledger))
    cluster.start_worker()
    postmaster = psutil.Process(int((cluster.postgres.data / "postmaster.pid").read_text().splitlines()[0]))
    # Each backend is a session of its own.
    stopped = [postmaster, *postmaster.children(recursive=True)]
    for process in stopped:
        process.suspend()
    try:
        wait_until(lambda: cluster.http.get("/health").status_code == 503, "health turns red", 10)
    finally:
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
    wait_until(lambda: cluster.http.get("/health").status_code == 200, "health turns green", 10)
    assert cluster.wait([cluster.run("u/ann/effect")])[0]["success"]
    cluster.audit()
