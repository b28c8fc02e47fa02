"""Workers that die, stall or stop: no accepted job is lost, none is ended twice, duplicates are reported."""

import signal
from pathlib import Path

import pytest

from tests.faults.auditor import leftovers
from tests.faults.cluster import LEASE_S, Cluster, effect, stopped, wait_until

KILL_POINTS = [
    "after_claim",
    "after_resolve",
    "after_spawn",
    "before_log",
    "before_finish",
    "in_finish",
    "after_finish",
]


@pytest.mark.parametrize("point", KILL_POINTS)
def test_a_job_survives_the_death_of_its_worker(cluster: Cluster, point: str) -> None:
    cluster.deploy("u/ann/effect", effect(cluster.ledger, 0.1))
    job = cluster.run("u/ann/effect")
    doomed = cluster.start("worker", POSTMILL_FAILPOINTS=f"{point}:kill9")
    assert doomed.wait(30) == -signal.SIGKILL, cluster.logs()
    cluster.start_worker()
    [ended] = cluster.wait([job])
    assert ended["success"]
    # Only a death after COMMIT leaves the first attempt's result standing.
    assert ended["attempts"] == (1 if point == "after_finish" else 2)
    cluster.audit()
    assert not cluster.unexpected()


def test_ten_running_jobs_of_a_killed_worker_run_again(cluster: Cluster) -> None:
    """F06, with the lease of the tests; the default's is in the slow tests."""
    cluster.deploy("u/ann/effect", effect(cluster.ledger))
    doomed = cluster.start_worker(POSTMILL_SLOTS="10")
    jobs = [cluster.run("u/ann/effect", seconds=3, mark=f"ten-{number}") for number in range(10)]
    cluster.wait_running(jobs)
    wait_until(lambda: len(cluster.ledger.entries()) == 10, "all have taken effect")
    doomed.kill()
    cluster.start_worker(POSTMILL_SLOTS="10")
    ended = cluster.wait(jobs)
    assert [(job["success"], job["attempts"]) for job in ended] == [(True, 2)] * 10
    assert "may have taken effect" in ended[0]["logs"]
    cluster.audit()
    assert not leftovers(["runner.py"])


def test_a_stopped_workers_jobs_die_within_the_lease_and_its_late_results_are_refused(cluster: Cluster) -> None:
    """F08: the dead-man's timer kills what the worker cannot."""
    cluster.deploy("u/ann/effect", effect(cluster.ledger))
    worker = cluster.start_worker(POSTMILL_GRACE="1")
    jobs = [cluster.run("u/ann/effect", seconds=4 * LEASE_S) for _ in range(3)]
    cluster.wait_running(jobs)
    with stopped(worker):
        wait_until(lambda: not leftovers(["runner.py"]), "its jobs are dead", LEASE_S + 1)
        cluster.deploy("u/ann/quick", "def main():\n    return 'quick'")
        wait_until(
            lambda: all(cluster.job(job)["state"] == "queued" for job in jobs), "they can be claimed", 3 * LEASE_S
        )
        # Let it miss three leases before it goes on.
        wait_until(lambda: not cluster.workers(), "it is listed as dead", 3 * LEASE_S)
        other = cluster.start_worker()
        cluster.wait_running(jobs)
    wait_until(lambda: "late result refused" in cluster.logs() or worker.poll() is not None, "it learns")
    assert all(cluster.job(job)["attempts"] == 2 for job in jobs)
    other.terminate()
    cluster.audit()


def test_a_worker_that_is_told_to_stop_loses_nothing_and_fails_nothing(cluster: Cluster) -> None:
    """F33: short jobs end within the grace, long ones are handed back; neither counts as a death."""
    cluster.deploy("u/ann/effect", effect(cluster.ledger))
    worker = cluster.start_worker(POSTMILL_GRACE="1", POSTMILL_SLOTS="4")
    jobs = [cluster.run("u/ann/effect", seconds=3 if number % 10 == 0 else 0.1) for number in range(50)]
    wait_until(lambda: len(cluster.ledger.entries()) >= 5, "some have run")
    worker.terminate()
    assert worker.wait(20) == 0
    cluster.start_worker()
    ended = cluster.wait(jobs)
    assert all(job["success"] for job in ended)
    with_deaths = [job for job in ended if job["end_reason"] is not None]
    assert not with_deaths
    cluster.audit()
    assert not cluster.unexpected()


def test_a_job_that_kills_its_worker_each_time_is_poisoned(cluster: Cluster) -> None:
    """F30."""
    cluster.deploy("u/ann/effect", effect(cluster.ledger))
    job = cluster.run("u/ann/effect")
    for _ in range(3):
        doomed = cluster.start("worker", POSTMILL_FAILPOINTS="after_spawn:kill9")
        assert doomed.wait(60) == -signal.SIGKILL, cluster.logs()
    [ended] = cluster.wait([job])
    assert (ended["success"], ended["end_reason"], ended["attempts"]) == (False, "poisoned", 3)
    other = cluster.run("u/ann/effect")
    cluster.start_worker()
    assert cluster.wait([other])[0]["success"]
    cluster.audit()


def test_a_rescue_that_dies_half_way_is_done_by_the_next(cluster: Cluster, home: Path) -> None:
    cluster.deploy("u/ann/effect", effect(cluster.ledger))
    worker = cluster.start_worker()
    job = cluster.run("u/ann/effect", seconds=2)
    cluster.wait_running([job])
    cluster.server.kill()
    cluster.server.wait()
    worker.kill()
    cluster.server = cluster.start("server", POSTMILL_FAILPOINTS="in_rescue:kill9")
    assert cluster.server.wait(60) == -signal.SIGKILL
    cluster.server = cluster.start("server")
    wait_until(cluster._ready, "the server answers")
    cluster.start_worker()
    [ended] = cluster.wait([job])
    assert (ended["success"], ended["attempts"]) == (True, 2)
    cluster.audit()


def test_a_push_whose_answer_is_lost_is_made_once_with_an_idempotency_key(cluster: Cluster) -> None:
    cluster.deploy("u/ann/effect", effect(cluster.ledger))
    cluster.server.kill()
    cluster.server.wait()
    cluster.server = cluster.start("server", POSTMILL_FAILPOINTS="after_push:kill9")
    wait_until(cluster._ready, "the server answers")
    headers = {"Idempotency-Key": "the only one"}
    with pytest.raises(Exception):  # noqa: B017 - whatever a client makes of a closed connection
        cluster.http.post("/w/main/jobs/run/p/u/ann/effect", json={}, headers=headers)
    cluster.server = cluster.start("server")
    wait_until(cluster._ready, "the server answers")
    again = cluster.http.post("/w/main/jobs/run/p/u/ann/effect", json={}, headers=headers).raise_for_status()
    cluster.accepted.append(again.text)
    cluster.start_worker()
    cluster.wait([again.text])
    assert sum(cluster.ledger.effects().values()) == 1
    cluster.audit()


@pytest.mark.slow
def test_with_the_default_lease_ten_jobs_run_again_within_twenty_seconds(home: Path) -> None:
    with Cluster(home, POSTMILL_LEASE="15", POSTMILL_SLOTS="10") as cluster:
        cluster.deploy("u/ann/effect", effect(cluster.ledger))
        doomed, _ = cluster.start_worker(), cluster.start_worker(POSTMILL_TAGS="bash")
        jobs = [cluster.run("u/ann/effect", seconds=60) for _ in range(10)]
        cluster.wait_running(jobs)
        wait_until(lambda: len(cluster.ledger.entries()) == 10, "all have taken effect")
        other = cluster.start_worker()
        doomed.kill()
        wait_until(lambda: len(cluster.ledger.entries()) == 20, "all ten run again", 20)
        assert [cluster.job(job)["attempts"] for job in jobs] == [2] * 10
        for job in jobs:
            cluster.http.post(f"/w/main/jobs_u/queue/cancel/{job}", json={}).raise_for_status()
        cluster.wait(jobs)
        cluster.audit()
        other.terminate()
        assert other.wait(30) == 0
        assert not leftovers(["runner.py"])
