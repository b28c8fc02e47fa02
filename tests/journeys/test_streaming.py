"""A streamed result on its way through real processes, and secrets that never reach the log."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.faults.cluster import Cluster

PASSWORD = 'p@ss/"w ö\\rd+1'

SLOW = """
import time

def main():
    yield "first "
    time.sleep(3600)
    yield "never"
"""

# Each line in two writes, which arrive apart.
LEAK_PYTHON = """
import base64, json, os, sys, time
from urllib.parse import quote

def say(text):
    half = len(text) // 2
    for part in (text[:half], text[half:] + "\\n"):
        sys.stdout.write(part)
        sys.stdout.flush()
        time.sleep(0.15)

def main(password: str):
    for secret in (password, os.environ["WM_TOKEN"]):
        say("plain " + secret)
        say("base64 " + base64.b64encode(b"x" + secret.encode()).decode())
        say("url " + quote(secret, safe=""))
        say("json " + json.dumps({"secret": secret}))
    print(os.environ, file=sys.stderr)
    raise RuntimeError("cannot log in with " + password)
"""

LEAK_BASH = """
password="$1"
printf '%s' "${password:0:6}"
sleep 0.15
echo "${password:6}"
echo "$password" | base64
env
echo "cannot log in with $password" >&2
exit 7
"""


def events(response: httpx2.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_a_piece_is_told_while_the_job_still_runs(cluster: Cluster) -> None:
    cluster.start_worker()
    cluster.deploy("f/test/slow", SLOW)
    with cluster.http.stream("POST", "/w/main/jobs/run_and_stream/p/f/test/slow", json={}, timeout=60) as response:
        told = events(response)
        job = next(event["job_id"] for event in told if "job_id" in event)
        first = next(event for event in told if "new_result_stream" in event)
        assert (first["new_result_stream"], first["stream_offset"], first.get("completed")) == ("first ", 6, None)
        cluster.http.post(f"/w/main/jobs_u/queue/cancel/{job}", json={}).raise_for_status()
        assert [event for event in told if event.get("completed")]
    assert cluster.job(job)["canceled"] is True


def test_a_stream_over_the_limit_of_a_result_ends_the_job(cluster: Cluster) -> None:
    cluster.start_worker(POSTMILL_MAX_RESULT="20000")
    cluster.deploy("f/test/flood", "def main():\n    while True:\n        yield 'x' * 1000\n")
    cluster.deploy("f/test/burst", "def main():\n    yield 'x' * 20001\n")
    for job in cluster.wait([cluster.run("f/test/flood"), cluster.run("f/test/burst")]):
        assert (job["success"], job["end_reason"]) == (False, "result_limit")
        assert "POSTMILL_MAX_RESULT" in job["result"]["error"]["message"]


def test_labels_failure_and_reply_keys_work_together(cluster: Cluster) -> None:
    cluster.start_worker()
    result = {"wm_failure": "sold out", "wm_labels": ["shop"], "wm_status_code": 410, "result": {"left": 0}}
    cluster.deploy("f/test/shop", f"def main():\n    return {result!r}\n")
    answer = cluster.http.post("/w/main/jobs/run_wait_result/p/f/test/shop", json={})
    assert (answer.status_code, answer.json()) == (410, {"left": 0})
    [job] = cluster.http.get("/w/main/jobs/list?label=shop").raise_for_status().json()
    assert (job["success"], job["labels"]) == (False, ["shop"])
    assert cluster.job(job["id"])["result"]["error"]["message"] == "sold out"


@pytest.mark.parametrize(("language", "content"), [("python3", LEAK_PYTHON), ("bash", LEAK_BASH)])
def test_secrets_are_masked_in_the_log_and_in_the_error(cluster: Cluster, language: str, content: str) -> None:
    cluster.start_worker()
    schema = {"type": "object", "properties": {"password": {"type": "string", "password": True}}}
    cluster.deploy("f/test/leak", content, language, schema=schema)
    [job] = cluster.wait([cluster.run("f/test/leak", password=PASSWORD)])
    shown = job["logs"] + json.dumps(job["result"], ensure_ascii=False)
    assert job["logs"].count("***") >= 4
    assert "cannot log in with p@s***********" in job["result"]["error"]["message"]
    for form in (
        PASSWORD,
        quote(PASSWORD, safe=""),
        json.dumps(PASSWORD)[1:-1],
        json.dumps(PASSWORD, ensure_ascii=False)[1:-1],
        base64.b64encode(PASSWORD.encode()).decode()[:16],
        base64.b64encode(b"x" + PASSWORD.encode()).decode()[4:16],
        f"pmj_{job['id'].replace('-', '')}",
    ):
        assert form not in shown
