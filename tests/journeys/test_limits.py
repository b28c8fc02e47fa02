"""Limits from the setting and the script's head to the end reason of the job, through real processes."""

import os
import shutil
from typing import Any

import pytest

from tests.faults.cluster import Cluster, wait_until

FILES = "def main(count: int):\n    kept = [open('/dev/null') for _ in range(count)]\n    return count\n"
CHATTY = "# limits: log=1KB\ndef main(fails: bool):\n    print('x' * 3000)\n    assert not fails, 'it was to fail'\n"


def preview(cluster: Cluster, content: str) -> dict[str, Any]:
    body = {"content": content, "language": "python3", "args": {}}
    job = cluster.http.post("/w/main/jobs/run/preview", json=body).raise_for_status().text
    return cluster.wait([job])[0]


def test_a_job_that_meets_a_limit_says_which_and_who_sets_it(cluster: Cluster) -> None:
    cluster.start_worker(POSTMILL_JOB_FILES="100")
    cluster.deploy("f/test/wide", FILES)
    cluster.deploy("f/test/narrow", f"# limits: files=40\n{FILES}")
    runs = [cluster.run("f/test/wide", count=70), cluster.run("f/test/wide", count=120)]
    well, instances, scripts = cluster.wait([*runs, cluster.run("f/test/narrow", count=70)])
    assert (well["success"], well["result"], well["end_reason"]) == (True, 70, None)
    for job, limit in ((instances, 100), (scripts, 40)):
        assert (job["success"], job["end_reason"]) == (False, "files_limit")
        words = f"The job met its limit of {limit} open files (limits: files={limit}; POSTMILL_JOB_FILES)."
        assert words in job["result"]["error"]["message"]


def test_what_a_preview_may_not_ask_for_fails_with_both_numbers(cluster: Cluster) -> None:
    cluster.start_worker()
    job = preview(cluster, "# limits: files=2000\ndef main():\n    return 1\n")
    assert (job["success"], job["end_reason"]) == (False, "not_started")
    assert "files=2000 is over this instance's 1024 (POSTMILL_JOB_FILES)" in job["result"]["error"]["message"]
    assert preview(cluster, "# limits: files=20\ndef main():\n    return 1\n")["result"] == 1


def test_a_log_is_cut_and_the_job_goes_on(cluster: Cluster) -> None:
    cluster.start_worker()
    cluster.deploy("f/test/chatty", CHATTY)
    well, failed = cluster.wait([cluster.run("f/test/chatty", fails=False), cluster.run("f/test/chatty", fails=True)])
    assert (well["success"], well["end_reason"]) == (True, None)
    assert (failed["success"], failed["end_reason"]) == (False, "log_limit")
    assert "limits: log=1KB; POSTMILL_MAX_LOG" in well["logs"]
    assert failed["result"]["error"]["message"].startswith("it was to fail\nThe job met its limit of 1KB of log")


def test_a_job_without_a_network_reaches_nobody(cluster: Cluster) -> None:
    cluster.start_worker()
    source = "import os, urllib.request\ndef main():\n    address = os.environ['BASE_INTERNAL_URL'] + '/api/version'\n"
    source += "    return urllib.request.urlopen(address, timeout=10).status\n"
    assert preview(cluster, source)["result"] == 200
    cut_off = preview(cluster, f"# limits: network=none\n{source}")
    assert cut_off["success"] is False
    assert cut_off["result"]["error"]["name"] == "URLError"


WITHOUT_NAMESPACES = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="takes a right away from root"
)


@needs_root
def test_a_worker_below_the_minimum_is_there_and_leaves_jobs_to_others(cluster: Cluster) -> None:
    cluster.start_worker(*WITHOUT_NAMESPACES, POSTMILL_MIN_ISOLATION="L3")
    why = "it offers isolation L2, and this instance demands L3 (POSTMILL_MIN_ISOLATION)"
    [weak] = cluster.workers()
    assert (weak["job_isolation"], weak["refuses_jobs"]) == ("L2", why)
    assert cluster.logs().count(f"THIS WORKER RUNS NO JOBS: {why}") == 1
    cluster.deploy("f/test/one", "def main():\n    return 1\n")
    job = cluster.run("f/test/one")
    waiting = cluster.job(job)["waiting"]
    assert (waiting["reason"], why in waiting["message"]) == ("isolation", True)
    cluster.start_worker(POSTMILL_MIN_ISOLATION="L3")
    [done] = cluster.wait([job])
    assert done["result"] == 1
    assert done["worker"] != weak["worker"]


@needs_root
def test_without_a_minimum_a_weaker_worker_runs_jobs_with_less_and_says_so(cluster: Cluster) -> None:
    cluster.start_worker(*WITHOUT_NAMESPACES)
    wait_until(lambda: "JOBS ARE HELD BY ISOLATION L2 ONLY" in cluster.logs(), "the worker warns")
    [weak] = cluster.workers()
    assert (weak["job_isolation"], weak["refuses_jobs"], weak["job_networks"]) == ("L2", None, ["host"])
    assert preview(cluster, "def main():\n    return 1\n")["result"] == 1
    refused = preview(cluster, "# limits: network=none\ndef main():\n    return 1\n")
    assert (refused["success"], refused["end_reason"]) == (False, "not_started")
    assert "network: none is not available here" in refused["result"]["error"]["message"]
