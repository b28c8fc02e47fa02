"""The routes of dependency files, locks and their state."""

from typing import Any

import pytest
from httpx2 import AsyncClient

from postmill.engine.dependencies import TAG
from tests.api.caller import Caller
from tests.api.conftest import People, Person
from tests.queue.conftest import Queue

pytestmark = pytest.mark.anyio

MAIN = "def main():\n    return 1\n"
FILE = {"workspace_id": "main", "language": "python3", "content": "numpy<2\n", "description": "what we use"}


@pytest.fixture
def ann(client: AsyncClient, admin: Person) -> Caller:
    return Caller(client, admin)


@pytest.fixture
def queue(services: Any) -> Queue:
    return Queue(services.database)


async def save(caller: Caller, **more: Any) -> Any:
    return await caller.post("workspace_dependencies/create", FILE | more)


async def test_a_script_says_whether_its_packages_are_resolved(ann: Caller, queue: Queue) -> None:
    hash_ = await ann.deploy("f/a/one", f"import requests\n{MAIN}")
    status = await ann.json(f"scripts/deployment_status/h/{hash_}")
    assert (status["lock"], status["lock_error_logs"]) == (None, None)
    job = await ann.job(status["job_id"])
    assert (job["job_kind"], job["tag"], job["script_hash"]) == ("dependencies", "dependency", hash_)
    assert job["args"] == {"requirements": "requests\n"}
    [listed] = await ann.json("jobs/list", job_kinds="dependencies")
    assert listed["id"] == status["job_id"]
    response = await ann.post(f"jobs_u/queue/cancel/{status['job_id']}")
    assert response.status_code == 200
    found = await ann.script("f/a/one")
    assert (found["lock"], found["lock_error_logs"]) == (None, "canceled by ann")
    refused = await ann.post("jobs/run/p/f/a/one", {})
    assert (refused.status_code, "canceled by ann" in refused.text) == (400, True)


async def test_a_script_without_packages_has_the_empty_lock(ann: Caller) -> None:
    hash_ = await ann.deploy("f/a/one", MAIN)
    assert await ann.json(f"scripts/deployment_status/h/{hash_}") == {
        "lock": "",
        "lock_error_logs": None,
        "job_id": None,
    }
    assert (await ann.get("scripts/deployment_status/h/00000000000000ff")).status_code == 404


async def test_what_cannot_be_read_is_refused_at_the_deploy(ann: Caller) -> None:
    for content in ("# requirements:\n# -r /etc/passwd\n", "# requirements: nofile\n", "# py: three\n"):
        response = await ann.create("f/a/one", content + MAIN)
        assert (response.status_code, "dependencies:" in response.text) == (400, True), content
    assert (await ann.create("f/a/one", MAIN, lock="six\n-r x")).status_code == 400


async def test_a_dependency_file_has_versions_and_goes(ann: Caller) -> None:
    assert await ann.json("workspace_dependencies/get_latest/python3") is None
    first = await save(ann)
    assert first.status_code == 201
    second = await save(ann, content="numpy<3\n")
    named = await save(ann, name="ml", content="torch\n")
    assert int(second.text) > int(first.text)
    found = await ann.json("workspace_dependencies/get_latest/python3")
    assert found["id"] == int(second.text)
    assert (found["content"], found["name"], found["archived"]) == ("numpy<3\n", None, False)
    assert (found["workspace_id"], found["description"]) == ("main", "what we use")
    listed = await ann.json("workspace_dependencies/list")
    assert [(each["id"], each["name"]) for each in listed] == [(int(second.text), None), (int(named.text), "ml")]
    assert (await ann.post("workspace_dependencies/archive/python3", name="ml")).status_code == 200
    assert (await ann.post("workspace_dependencies/archive/python3", name="ml")).status_code == 404
    assert (await ann.post("workspace_dependencies/delete/python3")).status_code == 200
    assert await ann.json("workspace_dependencies/list") == []


async def test_a_dependency_file_is_for_all_scripts_of_its_workspace_alone(
    ann: Caller, people: People, queue: Queue
) -> None:
    await ann.deploy("f/a/one", MAIN)
    await save(ann)
    assert [job.script_path for job in await queue.claim(tags=(TAG,), count=9)] == ["f/a/one"]
    bob = await people.add("bob", "admin", workspace="other")
    elsewhere = Caller(ann.client, bob, "other")
    assert await elsewhere.json("workspace_dependencies/list") == []
    assert await elsewhere.json("workspace_dependencies/get_latest/python3") is None
    assert (await elsewhere.post("workspace_dependencies/create", FILE)).status_code == 400
    await elsewhere.post("workspace_dependencies/create", FILE | {"workspace_id": "other"})
    assert await queue.claim(tags=(TAG,), count=9) == []


async def test_only_administrators_write_dependency_files(ann: Caller, people: People) -> None:
    await save(ann)
    dora = Caller(ann.client, await people.add("dora", "developer"))
    assert (await save(dora)).status_code == 403
    assert (await dora.post("workspace_dependencies/archive/python3")).status_code == 403
    assert (await dora.post("workspace_dependencies/delete/python3")).status_code == 403
    oscar = Caller(ann.client, await people.add("oscar", "operator"))
    assert len(await oscar.json("workspace_dependencies/list")) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "bun"},
        {"name": "default"},
        {"name": "a/b"},
        {"name": "x" * 101},
        {"content": "--index-url https://evil.example/simple\n"},
        {"content": "six @ https://evil.example/six.whl\n"},
    ],
)
async def test_a_dependency_file_that_cannot_be_is_refused(ann: Caller, wrong: dict[str, str]) -> None:
    assert (await save(ann, **wrong)).status_code == 400
    assert await ann.json("workspace_dependencies/list") == []


async def test_code_that_is_not_deployed_gets_a_lock_too(ann: Caller, queue: Queue, people: People) -> None:
    raw = {"raw_code": f"import requests\n{MAIN}", "language": "python3", "path": "f/a/one"}
    response = await ann.post("jobs/run/dependencies_async", {"raw_scripts": [raw], "entrypoint": "f/a/one"})
    assert response.status_code == 201
    [job] = await queue.claim(tags=(TAG,))
    assert (str(job.id), job.kind, job.script_hash) == (response.text, "dependencies", None)
    assert job.args == '{"requirements": "requests\\n"}'
    refused = await ann.post("jobs/run/dependencies_async", {"raw_scripts": [raw | {"language": "bash"}]})
    assert refused.status_code == 400
    oscar = Caller(ann.client, await people.add("oscar", "operator"))
    assert (await oscar.post("jobs/run/dependencies_async", {"raw_scripts": [raw]})).status_code == 403
