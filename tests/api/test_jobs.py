"""Jobs are read and cancelled: their shape in each state, why they wait, and who sees them."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient

from postmill.model.job import Pulse, WorkerInfo, new_id
from postmill.queue.beat import beat
from postmill.store import jobs
from postmill.store.db import Database
from tests.api.caller import HELLO, PATH, TAGS, Caller, finish_next
from tests.api.conftest import People, Person
from tests.queue.conftest import LEASE_S, Queue, new_job

pytestmark = pytest.mark.anyio

# What the contract's models must have.
QUEUED = "id running canceled job_kind permissioned_as is_flow_step email visible_to_owner tag".split()
COMPLETED = (
    "id created_by created_at started_at duration_ms success canceled job_kind permissioned_as is_flow_step is_skipped"
    " email visible_to_owner tag"
).split()
WORKER = "worker worker_instance started_at ip jobs_executed worker_group wm_version".split()

BY_ID = [
    "jobs_u/get/{}",
    "jobs_u/completed/get/{}",
    "jobs_u/completed/get_result/{}",
    "jobs_u/completed/get_result_maybe/{}",
    "jobs_u/completed/get_timing/{}",
    "jobs_u/get_args/{}",
    "jobs_u/get_logs/{}",
    "jobs_u/get_root_job_id/{}",
    "jobs_u/getupdate/{}",
]


@pytest.fixture
def ann(client: AsyncClient, admin: Person) -> Caller:
    return Caller(client, admin)


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


async def register(
    database: Database, *, name: str = "wk-1", tags: tuple[str, ...] = TAGS, draining: bool = False
) -> None:
    """A worker that says that it is there, and takes nothing."""
    info = WorkerInfo(
        name=name, instance="host", pid=1, ip="127.0.0.1", version="0.1.0", isolation="full", tags=tags, slots=2
    )
    pulse = Pulse(memory=5000, jobs_executed=3, draining=draining, running={})
    for _ in range(2):
        async with database.transaction() as tx:
            await beat(tx, info, pulse, LEASE_S)


def _nothing_null(job: dict[str, Any], names: list[str]) -> None:
    assert {name: job.get(name) for name in names if job.get(name) is None} == {}


async def test_a_job_has_the_contracts_fields_in_each_state(ann: Caller, queue: Queue) -> None:
    hash_ = await ann.deploy(labels=["x"])
    id = await ann.run(args={"name": "x"})
    job = await ann.job(id)
    _nothing_null(job, QUEUED)
    assert (job["type"], job["state"], job["running"], job["canceled"]) == ("QueuedJob", "queued", False, False)
    assert (job["script_path"], job["script_hash"], job["job_kind"]) == (PATH, hash_, "script")
    assert (job["args"], job["raw_code"], job["labels"], job["language"]) == ({"name": "x"}, HELLO, ["x"], "python3")
    assert (job["created_by"], job["permissioned_as"], job["email"]) == ("ann", "u/ann", "ann@example.com")
    [claimed] = await queue.claim("wk-1", tags=TAGS)
    job = await ann.job(id)
    _nothing_null(job, [*QUEUED, "started_at", "last_ping", "worker"])
    assert (job["type"], job["state"], job["running"], job["worker"]) == ("QueuedJob", "running", True, "wk-1")
    assert "waiting" not in job
    await queue.finish(claimed)
    job = await ann.job(id)
    _nothing_null(job, [*COMPLETED, "completed_at"])
    assert (job["type"], job["state"], job["success"], job["result"]) == ("CompletedJob", "success", True, 1)
    assert (job["is_skipped"], job["attempts"], job["worker"]) == (False, 1, "wk-1")
    assert job == await ann.json(f"jobs_u/completed/get/{id}")


async def test_a_job_cancelled_before_it_ran_has_them_too(ann: Caller) -> None:
    id = await ann.preview()
    await ann.post(f"jobs_u/queue/cancel/{id}")
    job = await ann.job(id)
    _nothing_null(job, [*COMPLETED, "completed_at"])
    assert (job["state"], job["success"], job["canceled"], job["duration_ms"]) == ("canceled", False, True, 0)
    timing = await ann.json(f"jobs_u/completed/get_timing/{id}")
    assert (set(timing), timing["duration_ms"]) == ({"created_at", "started_at", "duration_ms"}, 0)


async def test_times_are_utc_with_microseconds(ann: Caller, queue: Queue) -> None:
    id = await ann.preview()
    await finish_next(queue)
    job = await ann.job(id)
    for name in ("created_at", "started_at", "completed_at", "scheduled_for"):
        assert len(job[name]) == 27
        assert job[name].endswith("Z")
    timing = await ann.json(f"jobs_u/completed/get_timing/{id}")
    assert timing == {name: job[name] for name in ("created_at", "started_at", "duration_ms")}


async def test_code_and_log_can_be_left_out(ann: Caller, queue: Queue) -> None:
    id = await ann.preview("echo hello")
    [claimed] = await queue.claim()
    async with queue.database.transaction() as tx:
        await jobs.append_log(tx, id, claimed.lease, 0, "hello\n")
    job = await ann.job(id)
    assert (job["raw_code"], job["logs"]) == ("echo hello", "hello\n")
    job = await ann.json(f"jobs_u/get/{id}", no_logs=True, no_code=True)
    assert (job["raw_code"], job["logs"]) == (None, None)


async def test_a_run_inside_another_names_its_parent_and_root(ann: Caller) -> None:
    root = await ann.preview()
    child = await ann.preview(parent_job=str(root), root_job=str(root))
    assert (await ann.job(child))["parent_job"] == str(root)
    assert await ann.json(f"jobs_u/get_root_job_id/{child}") == str(root)
    assert await ann.json(f"jobs_u/get_root_job_id/{root}") == str(root)


# Why it waits ---------------------------------------------------------------------------------------------------------


async def _waiting(ann: Caller, job: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await ann.job(job))["waiting"]
    return found


async def test_a_job_waits_for_a_worker_that_takes_its_tag(ann: Caller, queue: Queue) -> None:
    await register(queue.database, name="other", tags=("python3",))
    await register(queue.database, name="stops", draining=True)
    waiting = await _waiting(ann, await ann.preview())
    assert waiting["reason"] == "no_worker"
    assert "POSTMILL_TAGS=bash" in waiting["message"]


async def test_a_worker_that_fell_silent_is_none(ann: Caller, queue: Queue) -> None:
    await register(queue.database)
    job = await ann.preview()
    assert (await _waiting(ann, job))["reason"] == "busy"
    queue.database.clock_offset = timedelta(seconds=LEASE_S + 1)
    assert (await _waiting(ann, job))["reason"] == "no_worker"


async def test_a_job_waits_for_those_before_it(ann: Caller, queue: Queue, people: People) -> None:
    await register(queue.database)
    first, second = await ann.preview(), await ann.preview()
    assert await _waiting(ann, first) == {
        "reason": "busy",
        "message": "It is next; all slots for the tag bash are busy.",
        "ahead": 0,
    }
    waiting = await _waiting(ann, second)
    assert (waiting["reason"], waiting["ahead"], "1 job goes first" in waiting["message"]) == ("busy", 1, True)


async def test_the_jobs_of_other_workspaces_go_first_too(ann: Caller, queue: Queue) -> None:
    await register(queue.database)
    for rank in range(3):
        await queue.push(new_job(workspace="other"), rank=rank)
    assert (await _waiting(ann, await ann.preview()))["ahead"] == 3


async def test_a_job_waits_for_its_limit(ann: Caller, queue: Queue) -> None:
    await register(queue.database)
    await ann.deploy(concurrent_limit=1, concurrency_key="orders", concurrency_time_window_s=60)
    await ann.run()
    waiting = await _waiting(ann, await ann.run())
    assert waiting["reason"] == "limit"
    assert waiting["message"] == "The limit of orders lets 1 run at once within 60 s; 1 are taken."


async def test_a_job_waits_for_its_time(ann: Caller) -> None:
    job = await ann.preview(scheduled_for="2099-01-02T03:04:05Z")
    assert await _waiting(ann, job) == {
        "reason": "scheduled",
        "message": "Starts at 2099-01-02 03:04:05 UTC.",
        "ahead": None,
    }


# Cancel ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["cancel", "force_cancel"])
async def test_a_queued_job_ends_at_once(ann: Caller, queue: Queue, way: str) -> None:
    job = await ann.preview()
    response = await ann.post(f"jobs_u/queue/{way}/{job}", {"reason": "not needed"})
    assert (response.status_code, response.text) == (200, str(job))
    found = await ann.job(job)
    assert (found["state"], found["canceled_by"], found["canceled_reason"]) == ("canceled", "ann", "not needed")
    assert found["result"]["error"]["message"] == "canceled by ann: not needed"
    assert await queue.claim(tags=TAGS) == []


async def test_a_running_job_ends_when_its_worker_says_so(ann: Caller, queue: Queue) -> None:
    job = await ann.preview()
    [claimed] = await queue.claim()
    assert (await ann.post(f"jobs_u/queue/cancel/{job}")).status_code == 200
    found = await ann.job(job)
    assert (found["state"], found["canceled"], found["canceled_by"]) == ("running", True, "ann")
    await queue.finish(claimed)
    assert (await ann.job(job))["state"] == "canceled"


async def test_force_does_not_wait_for_the_worker(ann: Caller, queue: Queue) -> None:
    job = await ann.preview()
    await queue.claim()
    assert (await ann.post(f"jobs_u/queue/force_cancel/{job}")).status_code == 200
    assert (await ann.job(job))["state"] == "canceled"


@pytest.mark.parametrize("way", ["cancel", "force_cancel"])
async def test_a_finished_job_is_not_cancelled(ann: Caller, queue: Queue, way: str) -> None:
    job = await ann.preview()
    await finish_next(queue)
    assert (await ann.post(f"jobs_u/queue/{way}/{job}")).status_code == 409
    assert (await ann.job(job))["state"] == "success"
    assert (await ann.post(f"jobs_u/queue/{way}/{new_id()}")).status_code == 404
    assert (await ann.post(f"jobs_u/queue/{way}/nothing")).status_code == 400


@pytest.mark.parametrize(
    "content", [b'{"reason": 5}', b'{"reason": "' + b"x" * 1001 + b'"}', b"{", b"[1]", b'"x"', b'{"reason": "\\u0000"}']
)
async def test_a_reason_that_cannot_be_read_is_refused(ann: Caller, content: bytes) -> None:
    job = await ann.preview()
    response = await ann.post(f"jobs_u/queue/cancel/{job}", content=content)
    assert response.status_code == 400
    assert (await ann.job(job))["state"] == "queued"


@pytest.mark.parametrize("content", [b"", b"{}", b'{"reason": null}', b"null"])
async def test_a_reason_may_be_left_out(ann: Caller, content: bytes) -> None:
    job = await ann.preview()
    assert (await ann.post(f"jobs_u/queue/cancel/{job}", content=content)).status_code == 200
    assert (await ann.job(job))["result"]["error"]["message"] == "canceled by ann"


# Who sees them --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", BY_ID)
async def test_a_job_is_seen_in_its_workspace_only(ann: Caller, people: People, queue: Queue, address: str) -> None:
    eve = Caller(ann.client, await people.add("eve", "admin", workspace="other"), "other")
    job = await ann.preview()
    await finish_next(queue)
    assert (await ann.get(address.format(job))).status_code == 200
    assert (await eve.get(address.format(job))).status_code == 404
    assert (await ann.elsewhere("other").get(address.format(job))).status_code == 404
    assert (await ann.get(address.format(new_id()))).status_code == 404
    assert (await ann.get(address.format("nothing"))).status_code == 400


@pytest.mark.parametrize("way", ["cancel", "force_cancel"])
async def test_a_job_is_cancelled_from_its_workspace_only(ann: Caller, people: People, queue: Queue, way: str) -> None:
    eve = Caller(ann.client, await people.add("eve", "admin", workspace="other"), "other")
    job = await ann.preview()
    assert (await eve.post(f"jobs_u/queue/{way}/{job}")).status_code == 404
    assert await queue.state(job) == "available"


@pytest.mark.parametrize("address", BY_ID)
async def test_a_job_for_its_runner_only_is_hidden_from_other_members(
    ann: Caller, people: People, queue: Queue, address: str
) -> None:
    bob, cem = Caller(ann.client, await people.add("bob")), Caller(ann.client, await people.add("cem"))
    job = await bob.preview(invisible_to_owner=True)
    await finish_next(queue)
    seen = {
        name: (await who.get(address.format(job))).status_code for name, who in zip("abc", (ann, bob, cem), strict=True)
    }
    assert seen == {"a": 200, "b": 200, "c": 404}


async def test_a_job_for_its_runner_only_is_neither_listed_nor_cancelled(ann: Caller, people: People) -> None:
    bob, cem = Caller(ann.client, await people.add("bob")), Caller(ann.client, await people.add("cem"))
    await ann.deploy(visible_to_runner_only=True)
    job = await bob.run()
    assert (await cem.post(f"jobs_u/queue/cancel/{job}")).status_code == 404
    for address in ("jobs/list", "jobs/queue/list"):
        assert [len(await who.json(address)) for who in (ann, bob, cem)] == [1, 1, 0]
    assert (await bob.job(job))["visible_to_owner"] is False


# Workers --------------------------------------------------------------------------------------------------------------


async def test_workers_are_listed_with_what_they_do(ann: Caller, queue: Queue, people: People) -> None:
    await register(queue.database)
    job = await ann.preview()
    await queue.claim("wk-1")
    headers = ann.person.bearer
    [found] = (await ann.client.get("/api/workers/list", headers=headers)).json()
    _nothing_null(found, WORKER)
    assert (found["worker"], found["alive"], found["draining"], found["memory_usage"]) == ("wk-1", True, False, 5000)
    assert (found["custom_tags"], found["slots"], found["running"]) == (list(TAGS), 2, 1)
    assert (found["occupancy_rate"], found["last_job_id"]) == (0.5, str(job))
    bob = await people.add("bob")
    [seen] = (await ann.client.get("/api/workers/list", headers=bob.bearer)).json()
    assert (seen["last_job_id"], seen["last_job_workspace_id"]) == (None, None)
    assert (await ann.client.get("/api/workers/list?page=2", headers=headers)).json() == []
    queue.database.clock_offset = timedelta(seconds=LEASE_S + 1)
    [silent] = (await ann.client.get("/api/workers/list", headers=headers)).json()
    assert silent["alive"] is False
    assert silent["last_ping"] >= LEASE_S
    assert (await ann.client.get("/api/workers/list?ping_since=5", headers=headers)).json() == []


async def test_a_job_is_json_whatever_its_arguments_and_result_are(ann: Caller, queue: Queue) -> None:
    body = b'{"language": "bash", "content": "", "args": {"a":\n1.10, "\\u20ac": "\\ud83d\\ude00"}}'
    response = await ann.post("jobs/run/preview", content=body, headers={"Content-Type": "application/json"})
    await finish_next(queue, '{"nul": "\\u0000", "half": "\\ud800",\n\t"tiny": 1e-30000}')
    text = (await ann.get(f"jobs_u/get/{response.text}")).text
    assert '"a":\n1.10' in text
    assert '"tiny": 1e-30000' in text
    assert json.loads(text)["result"]["nul"] == "\0"
