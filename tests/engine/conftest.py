"""A workspace, a worker for its dependency jobs with real jails, and a package index."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from postmill.engine import dependencies
from postmill.engine.deploy import deploy
from postmill.engine.platform import DirectPlatform
from postmill.engine.start import Arguments, RunOptions, Starter
from postmill.environments.sources import sources
from postmill.executors.contract import Limits
from postmill.executors.python_dependencies import PythonDependencies
from postmill.model.job import ClaimedJob, Result, WorkerInfo
from postmill.model.script import NewScript, Script
from postmill.model.user import Actor
from postmill.queue.rank import Ranks
from postmill.queue.wake import Wake
from postmill.sandbox.servers import Sandbox
from postmill.settings import Settings
from postmill.store import scripts
from postmill.store.db import Database
from tests.environments.index import Index, serving

ANN = Actor(email="ann@example.com", workspace="main", username="ann", role="admin")
MAIN = "def main():\n    return 1\n"
WORKER = WorkerInfo(
    name="one", instance="i", pid=1, ip="", version="", isolation="L3", tags=("dependency", "python3"), slots=1
)
A = "a" * 64


@dataclass(frozen=True)
class Bench:
    """A workspace, a worker that runs dependency jobs in real jails, and an index."""

    database: Database
    index: Index
    sandbox: Sandbox
    settings: Settings

    @property
    def wake(self) -> Wake:
        return Wake(self.database)

    @property
    def platform(self) -> DirectPlatform:
        return DirectPlatform(self.database, self.wake, self.settings, WORKER, lambda _: "token-of-the-job")

    async def deploy(self, path: str, content: str, **more: Any) -> int:
        new = NewScript(path=path, content=content, language=more.pop("language", "python3"), auto_parent=True, **more)
        return await deploy(self.database, self.settings, ANN, new, wake=self.wake)

    async def version(self, hash_: int) -> Script:
        async with self.database.transaction() as tx:
            found = await scripts.version(tx, "main", hash_)
        assert found is not None
        return found

    async def run(self, path: str) -> ClaimedJob:
        """Run by path; the job as a worker gets it."""
        starter = Starter(self.database, self.wake, Ranks(), self.settings)
        await starter.run_path(ANN, path, Arguments(values={}, text="{}"), RunOptions())
        return await self.take("python3")

    async def take(self, tag: str = "dependency") -> ClaimedJob:
        platform = DirectPlatform(
            self.database, self.wake, self.settings, replace(WORKER, tags=(tag,)), lambda _: "token-of-the-job"
        )
        [job] = await platform.claim(1)
        return job

    async def queued(self) -> list[tuple[str, str]]:
        """(kind, path) of all jobs that wait."""
        async with self.database.transaction() as tx:
            rows = await (
                await tx.execute(
                    b"SELECT kind, script_path FROM job JOIN job_queue USING (id) WHERE state = 'available' ORDER BY 2"
                )
            ).fetchall()
        return [(row["kind"], row["script_path"]) for row in rows]

    async def finish(self, job: ClaimedJob) -> Result:
        """Be the worker that runs this dependency job."""
        task = await self.platform.resolve(job)
        executor = PythonDependencies(sources(self.settings))
        limits = executor.limits(Limits())
        process = await self.sandbox.start(executor.prepare(task, limits), limits, 0, lambda _: None)
        outcome = executor.outcome(task, limits, await process.wait())
        result = Result(status="success" if outcome.ok else "failure", result=outcome.result)
        await self.platform.finish(job, result, 0)
        return result

    async def work(self) -> int:
        """Run all dependency jobs that wait."""
        count = 0
        while found := await DirectPlatform(
            self.database, self.wake, self.settings, replace(WORKER, tags=("dependency",)), lambda _: "token"
        ).claim(1):
            await self.finish(found[0])
            count += 1
        return count

    async def locked(self, path: str, content: str, **more: Any) -> int:
        hash_ = await self.deploy(path, content, **more)
        await self.work()
        return hash_

    async def save(self, content: str, name: str = "") -> None:
        await dependencies.save_file(
            self.database,
            self.wake,
            self.settings,
            ANN,
            language="python3",
            name=name,
            description="",
            content=content,
        )


@pytest.fixture
def index() -> Iterator[Index]:
    with serving() as found:
        for name in ("lower", "other", "third"):
            found.add_wheel(name)
        yield found


@pytest.fixture
async def bench(database: Database, index: Index, tmp_path: Path) -> AsyncIterator[Bench]:
    async with database.transaction() as tx:
        await tx.execute(b"INSERT INTO workspace (id, name, owner) VALUES ('main', 'w', 'x')")
    sandbox = Sandbox(1)
    yield Bench(database, index, sandbox, Settings(home=tmp_path, index_url=index.url))
    await sandbox.close()
