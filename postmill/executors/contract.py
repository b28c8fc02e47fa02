"""What a worker and an executor agree on.

A worker calls `registry.start(task, limits, on_output)` and gets a `Run`: it may kill it with a reason and waits for
its `Outcome`. An executor is pure preparation: it turns a `Task` into a `Command` for the sandbox and, when the
process has ended, the process's reply into an `Outcome`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from postmill.model.options import Options
from postmill.sandbox.command import Command, Ended, EndReason, Limits, OnOutput

__all__ = ["Command", "EndReason", "Ended", "Executor", "Limits", "OnOutput", "Outcome", "Run", "Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be run. `args` is the JSON text of an object, as it was sent (key order and numbers kept)."""

    language: str
    content: str
    args: str = "{}"
    modules: Mapping[str, str] = field(default_factory=dict)
    """Workspace libraries that the script imports: path ('f/folder/mod') → source."""
    env: Mapping[str, str] = field(default_factory=dict)
    """The environment of the job, whole: WM_*, BASE_INTERNAL_URL, the script's own."""
    entrypoint: str = "main"
    kind: Literal["script", "dependencies"] = "script"
    """'dependencies': resolve what the script imports instead of running it; the result is the lock."""
    workspace: str = ""
    lock: str = ""
    """The packages it runs with, as the resolver printed them, with hashes; "" for the standard library alone."""
    requirements: str = ""
    """What it wants where `lock` is not known, or is to be found anew: resolved before it runs."""
    dedicated: bool = False
    """One process serves many calls of it."""
    options: Options = field(default_factory=Options)
    """What the script asks for itself, below the worker's own bounds."""
    secrets: tuple[str, ...] = ()
    """Values that the log must not show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a job. `result` is JSON text; of a failure, `{"error": {"name", "message", "stack"}}`."""

    ok: bool
    result: str
    end_reason: str | None = None
    """Why it ended, when not by itself: an EndReason other than 'exited'."""
    memory_peak: int = 0


class Executor(Protocol):
    """One language. Stateless; `prepare` and `outcome` do no I/O."""

    language: str

    def prepare(self, task: Task, limits: Limits) -> Command:
        """Raises BadRequest (the job fails with its message) when the task cannot be run: a syntax error, no main."""

    def outcome(self, task: Task, limits: Limits, ended: Ended) -> Outcome: ...


class Run(Protocol):
    """A job under way."""

    @property
    def pidfd(self) -> int:
        """A descriptor of the outermost process: killing it kills the whole tree. For the dead-man's timer."""

    def kill(self, reason: EndReason) -> None:
        """End the tree at once (SIGKILL); `wait` then returns with this reason. Idempotent; the first reason stays."""

    async def wait(self) -> Outcome:
        """Wait for the end; nothing of the job is left on this machine afterwards."""
