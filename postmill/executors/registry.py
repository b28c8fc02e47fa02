"""Which languages there are, and the one way to start a job in any of them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from postmill.environments.python import Environment, PythonEnvironments
from postmill.executors.bash import Bash
from postmill.executors.contract import Command, Ended, EndReason, Executor, Limits, OnOutput, Outcome, Task
from postmill.executors.met import named
from postmill.executors.networks import Networks
from postmill.executors.python import Python
from postmill.executors.python_dependencies import PythonDependencies
from postmill.model.errors import BadRequest
from postmill.model.options import Network
from postmill.sandbox.process import Process
from postmill.sandbox.servers import Sandbox

_EXECUTORS: dict[str, Executor] = {executor.language: executor for executor in (Python(), Bash())}

LANGUAGES: tuple[str, ...] = tuple(_EXECUTORS)

_LONG = 64 * 1024
"""A longer reply, in bytes, is read in a thread: the event loop has beats to send."""


_THE_HOSTS = Networks()


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

    def on_end(self, call: Callable[[], None]) -> None:
        """Call this once nothing of the job is left."""
        self._process.on_end(call)

    def kill(self, reason: EndReason) -> None:
        self._process.kill(reason)

    async def wait(self) -> Outcome:
        ended = await self._process.wait()
        if len(ended.reply) <= _LONG:
            return self._outcome(ended)
        return await asyncio.to_thread(self._outcome, ended)

    def _outcome(self, ended: Ended) -> Outcome:
        outcome = self._executor.outcome(self._task, self._limits, ended)
        # The limits of a dependency job are no script's.
        return named(outcome, ended, self._limits) if self._task.kind == "script" else outcome


class Executors:
    """Starts jobs on this machine, in whatever language."""

    def __init__(self, sandbox: Sandbox, environments: PythonEnvironments, networks: Networks = _THE_HOSTS) -> None:
        self._sandbox = sandbox
        self._environments = environments
        self._networks = networks

    async def start(self, task: Task, limits: Limits, slot: int, on_output: OnOutput) -> JailedRun:
        """Start a job, after its packages were installed where that is to do. May be cancelled.

        `limits` are the worker's: those of the task are lowered to what its script asks for. `slot` is the worker's
        number for its place: two jobs at once must not share one.

        Raises:
            BadRequest: the task cannot be run; the message is for its author.
            InstallError, ResolveError: its packages cannot be had, in the words of who tried.
            SandboxError: no jail can be made.
        """
        executor = _EXECUTORS.get(task.language)
        if executor is None:
            raise BadRequest(f"language {task.language!r} is not supported yet; there are {', '.join(LANGUAGES)}")
        if task.kind == "dependencies":
            resolver = PythonDependencies(self._environments.sources)
            return await self._begin(resolver, task, resolver.limits(limits), slot, on_output, self._networks.packages)
        limits, network = limits.within(task.options), self._networks.of(task.options)
        if task.language == "python3" and (task.lock or task.requirements):
            return await self._with_packages(executor, task, limits, slot, on_output, network)
        return await self._begin(executor, task, limits, slot, on_output, network)

    async def _begin(
        self,
        executor: Executor,
        task: Task,
        limits: Limits,
        slot: int,
        on_output: OnOutput,
        network: Network,
        environment: Environment | None = None,
    ) -> JailedRun:
        command = replace(executor.prepare(task, limits), network=network)
        if environment is not None and command.runtime is not None:
            runtime = replace(
                command.runtime,
                executable=environment.executable,
                prefix=environment.prefix,
                directory=environment.directory,
            )
            command = replace(command, runtime=runtime)
        return JailedRun(task, limits, executor, await self._sandbox.start(command, limits, slot, on_output))

    async def _with_packages(
        self, executor: Executor, task: Task, limits: Limits, slot: int, on_output: OnOutput, network: Network
    ) -> JailedRun:
        async def jailed(command: Command, bounds: Limits, output: OnOutput) -> Ended:
            command = replace(command, network=self._networks.packages)
            return await (await self._sandbox.start(command, bounds, slot, output)).wait()

        held = await self._environments.provide(
            task.lock,
            task.requirements,
            jailed,
            on_output,
            owner=task.workspace,
            on_note=lambda line: on_output(f"[{line}]\n".encode()),
        )
        try:
            run = await self._begin(executor, task, limits, slot, on_output, network, held.environment)
        except BaseException:
            held.release()
            raise
        run.on_end(held.release)
        return run
