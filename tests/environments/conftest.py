"""Real uv, real jails, an index of our own."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from postmill.environments.cache import remove_tree
from postmill.environments.python import Environment, PythonEnvironments
from postmill.environments.resolver import Jailed
from postmill.environments.sources import Sources
from postmill.sandbox.command import Command, Ended, Limits, OnOutput
from postmill.sandbox.servers import Sandbox
from tests.environments.index import Index, serving


@pytest.fixture
def index() -> Iterator[Index]:
    with serving() as found:
        yield found


@pytest.fixture
async def jailed() -> AsyncIterator[Jailed]:
    """Runs a command in a jail."""
    sandbox = Sandbox(1)

    async def run(command: Command, limits: Limits, on_output: OnOutput) -> Ended:
        return await (await sandbox.start(command, limits, 0, on_output)).wait()

    yield run
    await sandbox.close()


@dataclass
class Machine:
    """One machine's environments, as a worker uses them."""

    home: Path
    index: Index
    jailed: Jailed
    size: int = 10**10
    output: bytearray = field(default_factory=bytearray)
    notes: list[str] = field(default_factory=list)

    @property
    def environments(self) -> PythonEnvironments:
        return PythonEnvironments(self.home, self.size, Sources(index_url=self.index.url))

    async def resolve(self, *lines: str, owner: str = "main") -> str:
        text = "\n".join(lines)
        return await self.environments.resolve(
            text, self.jailed, self.output.extend, owner=owner, on_note=self.notes.append
        )

    async def ready(self, lock: str) -> Environment:
        return await self.environments.ready(lock, self.jailed, on_note=self.notes.append)


@pytest.fixture
def machine(tmp_path: Path, index: Index, jailed: Jailed) -> Iterator[Machine]:
    yield Machine(tmp_path, index, jailed)
    # Read-only trees, which pytest cannot remove as an ordinary user.
    remove_tree(tmp_path / "cache")
