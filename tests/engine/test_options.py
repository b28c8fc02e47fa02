"""What a script asks for on its way to the worker."""

from dataclasses import replace

import pytest

from postmill.engine.deploy import deploy
from postmill.engine.platform import DirectPlatform
from postmill.engine.start import Arguments, RunOptions, Starter
from postmill.model.errors import BadRequest
from postmill.model.job import ClaimedJob
from postmill.model.options import Options
from postmill.model.script import NewScript
from postmill.queue.rank import Ranks
from postmill.queue.wake import Wake
from postmill.settings import Settings
from postmill.store.db import Database
from tests.engine.conftest import ANN, WORKER

pytestmark = pytest.mark.anyio

SOURCE = "# limits: pids=32 network=none\ndef main():\n    return 1\n"
ASKED = Options(pids=32, network="none")


@pytest.fixture
async def place(database: Database) -> Database:
    """With a workspace."""
    async with database.transaction() as tx:
        await tx.execute(b"INSERT INTO workspace (id, name, owner) VALUES ('main', 'w', 'x')")
    return database


def platform(database: Database, settings: Settings, tag: str = "python3") -> DirectPlatform:
    return DirectPlatform(database, Wake(database), settings, replace(WORKER, tags=(tag,)), lambda _: "token")


async def preview(database: Database, content: str) -> ClaimedJob:
    starter = Starter(database, Wake(database), Ranks(), Settings())
    await starter.run_preview(ANN, "python3", content, None, Arguments(values={}, text="{}"), RunOptions())
    [job] = await platform(database, Settings()).claim(1)
    return job


async def test_a_job_gets_what_its_script_asks_for(place: Database) -> None:
    new = NewScript(path="f/a/one", content=SOURCE, language="python3")
    await deploy(place, Settings(), ANN, new)
    starter = Starter(place, Wake(place), Ranks(), Settings())
    await starter.run_path(ANN, "f/a/one", Arguments(values={}, text="{}"), RunOptions())
    worker = platform(place, Settings())
    [job] = await worker.claim(1)
    assert (await worker.resolve(job)).options == ASKED


async def test_a_preview_gets_what_it_asks_for_and_fails_with_the_words_of_a_deploy(place: Database) -> None:
    worker = platform(place, Settings())
    assert (await worker.resolve(await preview(place, SOURCE))).options == ASKED
    with pytest.raises(BadRequest, match=r"line 1: limits: 'pids=lots' cannot be taken: pids is a whole number"):
        await worker.resolve(await preview(place, SOURCE.replace("32", "lots")))
    with pytest.raises(BadRequest, match=r"limits: pids=300 is over this instance's 256 \(POSTMILL_JOB_PIDS\)"):
        await worker.resolve(await preview(place, SOURCE.replace("32", "300")))


async def test_what_was_deployed_below_wider_bounds_is_refused_and_not_run_with_less(place: Database) -> None:
    job = await preview(place, SOURCE)
    with pytest.raises(BadRequest, match="pids=32 is over this instance's 16"):
        await platform(place, Settings(job_pids=16)).resolve(job)


async def test_a_dependency_job_does_not_have_the_limits_of_its_script(place: Database) -> None:
    new = NewScript(path="f/a/one", content=SOURCE.replace("def", "import requests\ndef"), language="python3")
    await deploy(place, Settings(), ANN, new)
    worker = platform(place, Settings(), "dependency")
    [job] = await worker.claim(1)
    assert job.kind == "dependencies"
    assert (await worker.resolve(job)).options == Options()
