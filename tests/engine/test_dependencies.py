"""From a deploy to a lock: the dependency job, and what serves meanwhile."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from postmill.engine import dependencies, finish
from postmill.engine.start import Arguments, RunOptions, Starter
from postmill.executors.contract import Task
from postmill.model.errors import BadRequest
from postmill.model.job import MAX_DEATHS, Result
from postmill.queue.rank import Ranks
from postmill.upkeep.rescue import Rescue
from tests.engine.conftest import ANN, MAIN, A, Bench

pytestmark = pytest.mark.anyio


async def test_a_script_that_wants_nothing_is_ready_at_once(bench: Bench) -> None:
    one = await bench.version(await bench.deploy("f/a/plain", f"import json\n{MAIN}"))
    two = await bench.version(await bench.deploy("f/a/shell", "echo 1", language="bash"))
    assert [(each.lock, each.lock_job) for each in (one, two)] == [("", None), ("", None)]
    assert await bench.queued() == []


async def test_a_deploy_queues_the_job_whose_result_is_the_lock(bench: Bench) -> None:
    hash_ = await bench.deploy("f/a/one", f"import lower\n{MAIN}")
    pending = await bench.version(hash_)
    assert (pending.lock, pending.lock_error) == (None, None)
    assert await bench.queued() == [("dependencies", "f/a/one")]
    job = await bench.take()
    assert (job.id, job.tag, job.email) == (pending.lock_job, "dependency", ANN.email)
    result = await bench.finish(job)
    found = await bench.version(hash_)
    assert found.lock is not None and "lower==1.0 \\\n    --hash=sha256:" in found.lock
    assert result.result.startswith('{"lock": "# py: 3.')
    assert found.lock_error is None


async def test_a_version_that_cannot_be_resolved_leaves_the_old_one_serving(bench: Bench) -> None:
    first = await bench.locked("f/a/one", f"import lower\n{MAIN}")
    second = await bench.deploy("f/a/one", f"import lower, nowhere\n{MAIN}")
    assert (await bench.run("f/a/one")).script_hash == first
    await bench.work()
    broken = await bench.version(second)
    assert broken.lock is None
    assert broken.lock_error is not None and "nowhere was not found in the package registry" in broken.lock_error
    job = await bench.run("f/a/one")
    assert (job.script_hash, job.lock) == (first, (await bench.version(first)).lock)
    third = await bench.locked("f/a/one", f"import lower, other\n{MAIN}")
    assert (await bench.run("f/a/one")).script_hash == third


async def test_without_an_older_version_a_broken_one_is_refused_in_the_resolvers_words(bench: Bench) -> None:
    await bench.locked("f/a/one", f"import nowhere\n{MAIN}")
    with pytest.raises(BadRequest, match="nowhere was not found in the package registry"):
        await bench.run("f/a/one")


async def test_a_first_version_can_be_run_before_its_lock_is_there(bench: Bench) -> None:
    await bench.deploy("f/a/one", f"# py: >=3.11\nimport lower\n{MAIN}")
    task = await bench.platform.resolve(await bench.run("f/a/one"))
    assert (task.lock, task.requirements) == ("", "# py: >=3.11\nlower\n")
    assert (task.kind, task.workspace) == ("script", "main")


async def test_a_job_brings_the_lock_of_its_version(bench: Bench) -> None:
    hash_ = await bench.locked("f/a/one", f"import lower\n{MAIN}")
    task = await bench.platform.resolve(await bench.run("f/a/one"))
    assert (task.lock, task.requirements) == ((await bench.version(hash_)).lock, "")


async def test_a_preview_says_what_it_wants(bench: Bench) -> None:
    await bench.save("third\n")
    await bench.work()
    starter = Starter(bench.database, bench.wake, Ranks(), bench.settings)
    arguments = Arguments(values={}, text="{}")
    await starter.run_preview(ANN, "python3", f"import lower\n{MAIN}", None, arguments, RunOptions())
    task = await bench.platform.resolve(await bench.take("python3"))
    assert task.requirements == "lower\nthird\n"
    await starter.run_preview(ANN, "python3", f"# requirements:\n{MAIN}", None, arguments, RunOptions())
    assert (await bench.platform.resolve(await bench.take("python3"))).requirements == ""


async def test_the_same_requirements_are_not_resolved_twice(bench: Bench) -> None:
    first = await bench.locked("f/a/one", f"import lower\n{MAIN}")
    bench.index.add_wheel("lower", "2.0")
    second = await bench.deploy("f/a/one", f"import lower\n{MAIN}# changed\n")
    third = await bench.deploy("f/a/two", f"import lower\n{MAIN}")
    assert await bench.queued() == []
    locks = {(await bench.version(each)).lock for each in (first, second, third)}
    assert len(locks) == 1 and None not in locks
    elsewhere = replace(bench, settings=replace(bench.settings, extra_index_url=("http://127.0.0.1:1/simple",)))
    await elsewhere.deploy("f/a/three", f"import lower\n{MAIN}")
    assert await bench.queued() == [("dependencies", "f/a/three")]


async def test_an_old_answer_is_not_taken(bench: Bench) -> None:
    await bench.locked("f/a/one", f"import lower\n{MAIN}")
    bench.database.clock_offset = timedelta(seconds=dependencies.FRESH_S + 60)
    await bench.deploy("f/a/two", f"import lower\n{MAIN}")
    assert await bench.queued() == [("dependencies", "f/a/two")]


async def test_a_script_may_bring_its_lock(bench: Bench) -> None:
    lock = f"# py: 3.11\nlower==1.0 \\\n    --hash=sha256:{A}\n"
    assert (await bench.version(await bench.deploy("f/a/one", MAIN, lock=lock))).lock == lock
    assert (await bench.version(await bench.deploy("f/a/two", MAIN, lock=lock.splitlines()))).lock == lock
    assert await bench.queued() == []
    with pytest.raises(BadRequest, match="lock"):
        await bench.deploy("f/a/three", MAIN, lock="--index-url http://evil")


async def test_a_lock_without_hashes_is_kept_and_gets_them(bench: Bench) -> None:
    bench.index.add_wheel("lower", "2.0")
    found = await bench.version(await bench.locked("f/a/one", f"import lower\n{MAIN}", lock="lower==1.0\n"))
    assert found.lock is not None and "lower==1.0 \\\n    --hash=sha256:" in found.lock


async def test_requirements_that_cannot_be_read_are_refused_at_the_deploy(bench: Bench) -> None:
    with pytest.raises(BadRequest, match="no workspace dependency file 'ml'"):
        await bench.deploy("f/a/one", f"# requirements: ml\n{MAIN}")
    assert await bench.queued() == []


async def test_a_python_that_no_worker_has_is_the_jobs_error(bench: Bench) -> None:
    await bench.deploy("f/a/one", f"# py: 3.99\n{MAIN}")
    with pytest.raises(BadRequest, match=r"no Python that fits '# py: ==3\.99\.\*'"):
        await bench.work()


async def test_a_wish_for_a_python_alone_is_a_lock_too(bench: Bench) -> None:
    found = await bench.version(await bench.locked("f/a/one", f"# py: >=3.11\n{MAIN}"))
    assert found.lock is not None and found.lock.startswith("# py: 3.") and "==" not in found.lock


# Ends of the job ------------------------------------------------------------------------------------------------------


async def test_a_job_that_was_replaced_has_no_say(bench: Bench) -> None:
    hash_ = await bench.deploy("f/a/one", f"import lower\n{MAIN}")
    old = await bench.take()
    await bench.save("third\n")
    new = await bench.take()
    await bench.finish(new)
    await bench.finish(old)
    assert "third==1.0" in ((await bench.version(hash_)).lock or "")


async def test_a_cancelled_job_is_told_on_its_version(bench: Bench) -> None:
    hash_ = await bench.deploy("f/a/one", f"import lower\n{MAIN}")
    job = (await bench.version(hash_)).lock_job
    assert job is not None
    await finish.cancel(bench.database, bench.wake, "main", job, "bob", "not now")
    found = await bench.version(hash_)
    assert (found.lock, found.lock_error) == (None, "canceled by bob: not now")


async def test_a_job_that_kills_its_workers_is_told_on_its_version(bench: Bench) -> None:
    hash_ = await bench.deploy("f/a/one", f"import lower\n{MAIN}")
    for death in range(MAX_DEATHS):
        await bench.take()
        bench.database.clock_offset = timedelta(seconds=(death + 1) * 60)
        await Rescue(bench.database, bench.wake).sweep()
    found = await bench.version(hash_)
    assert found.lock_error is not None and "workers died" in found.lock_error


async def test_a_lock_longer_than_a_row_takes_arrives_whole(bench: Bench) -> None:
    hash_ = await bench.deploy("f/a/one", f"import lower\n{MAIN}")
    job = await bench.take()
    hashes = "".join(f" \\\n    --hash=sha256:{number:064x}" for number in range(4000))
    lock = f"# py: 3.11\nlower==1.0{hashes}\n"
    result = Result(status="success", result=json.dumps({"lock": lock}))
    await bench.platform.finish(job, result, 0)
    assert (await bench.version(hash_)).lock == lock


async def test_a_task_for_the_resolver_hides_the_password_of_the_index(bench: Bench) -> None:
    settings = replace(bench.settings, index_url="http://bob:Tr0ub4dor@127.0.0.1:1/simple")
    private = replace(bench, settings=settings)
    await private.deploy("f/a/one", f"import lower\n{MAIN}")
    task: Task = await private.platform.resolve(await private.take())
    assert "Tr0ub4dor" in task.secrets
    async with bench.database.transaction() as tx:
        rows = await (await tx.execute(b"SELECT row_to_json(job)::text AS text FROM job")).fetchall()
    assert not [row for row in rows if "Tr0ub4dor" in row["text"]]
