"""Running a script in a real jail and looking at what came of it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from postmill.executors.contract import Limits, Outcome, Task
from postmill.executors.registry import Executors


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a job and its log."""

    outcome: Outcome
    pieces: tuple[bytes, ...]

    @property
    def log(self) -> str:
        return b"".join(self.pieces).decode()

    @property
    def result(self) -> Any:
        """Of a job that went well; shows its error otherwise."""
        assert self.outcome.ok, f"{self.outcome}\n{self.log}"
        return json.loads(self.outcome.result)

    @property
    def error(self) -> dict[str, str]:
        assert not self.outcome.ok, self.outcome
        found = json.loads(self.outcome.result)
        assert set(found) == {"error"}
        assert set(found["error"]) == {"name", "message", "stack"}
        return dict(found["error"])


Running = Callable[..., Awaitable[Done]]


@pytest.fixture
def run(executors: Executors) -> Running:
    """`await run(language, content, args={...} or their JSON text, modules=…, env=…, limits=…)`."""

    async def running(
        language: str,
        content: str,
        args: Mapping[str, object] | str = "{}",
        *,
        modules: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        entrypoint: str = "main",
    ) -> Done:
        pieces: list[bytes] = []
        task = Task(
            language=language,
            content=content,
            args=args if isinstance(args, str) else json.dumps(args),
            modules=modules or {},
            env=env or {},
            entrypoint=entrypoint,
        )
        started = await executors.start(task, limits or Limits(timeout=30, kill_grace=0.3), 0, pieces.append)
        return Done(await started.wait(), tuple(pieces))

    return running
