"""Which languages there are, and the one way to start a job in any of them."""

import asyncio

from postmill.executors.bash import Bash
from postmill.executors.contract import EndReason, Executor, Limits, OnOutput, Outcome, Task
from postmill.executors.python import Python
from postmill.model.errors import BadRequest
from postmill.sandbox.process import Process
from postmill.sandbox.servers import Sandbox

_EXECUTORS: dict[str, Executor] = {executor.language: executor for executor in (Python(), Bash())}

LANGUAGES: tuple[str, ...] = tuple(_EXECUTORS)

_LONG = 64 * 1024
"""A longer reply, in bytes, is read in a thread: the event loop has beats to send."""


class JailedRun:
    """A job in a jail of its own."""

    def __init__(self, task: Task, limits: Limits, executor: Executor, jailed: Process) -> None:
        self._task = task
        self._limits = limits
        self._executor = executor
        self._process = jailed

    @property
    def pidfd(self) -> int:
        return self._process.pidfd

    def kill(self, reason: EndReason) -> None:
        self._process.kill(reason)

    async def wait(self) -> Outcome:
        ended = await self._process.wait()
        if len(ended.reply) <= _LONG:
            return self._executor.outcome(self._task, self._limits, ended)
        return await asyncio.to_thread(self._executor.outcome, self._task, self._limits, ended)


async def start(sandbox: Sandbox, task: Task, limits: Limits, slot: int, on_output: OnOutput) -> JailedRun:
    """Start a job. `slot` is the worker's number for its place: two jobs at once must not share one.

    Raises:
        BadRequest: the task cannot be run; the message is for its author.
        SandboxError: no jail can be made.
    """
    executor = _EXECUTORS.get(task.language)
    if executor is None:
        raise BadRequest(f"language {task.language!r} is not supported yet; there are {', '.join(LANGUAGES)}")
    command = executor.prepare(task, limits)
    return JailedRun(task, limits, executor, await sandbox.start(command, limits, slot, on_output))
