"""One attack in a real sandbox, with some mechanisms left out, and what was seen of it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from postmill.environments.python import PythonEnvironments
from postmill.executors.contract import Limits, Task
from postmill.executors.python import Python
from postmill.executors.registry import Executors
from postmill.model.options import Options
from postmill.sandbox.servers import Sandbox
from postmill.settings import Settings
from postmill.worker.output import Output
from postmill.worker.report import Report
from tests.containment import scene
from tests.containment.attacks import Attack
from tests.containment.scene import Scene

SCRIPTS = Path(__file__).with_name("scripts")
_PATIENCE_S = 60.0
SMALL = Limits(
    memory=1024**3,
    pids=64,
    files=256,
    disk=20 * 1024**2,
    inodes=1000,
    result=1024**2,
    timeout=20,
    kill_grace=0.3,
)
"""Small doses: an attack that gets through shows itself and harms nobody."""
WIDE: dict[str, dict[str, Any]] = {
    "limit_memory": {"memory": 1 << 40},
    "limit_pids": {"pids": 10_000},
    "limit_files": {"files": 10_000},
    "limit_disk": {"disk": 8 * 1024**3},
    "limit_inodes": {"inodes": 1_000_000},
    "limit_result": {"result": 1024**3},
    "limit_time": {"timeout": 600},
}
"""A limit is left out by being set where no attack of the table reaches it."""
_TWICE = """

once = main


def main(step):
    once("plant")
    return once(step)
"""
"""One process for two jobs."""
_MAX_LOG = 1024**2


def _executors(sandbox: Sandbox) -> Executors:
    return Executors(sandbox, PythonEnvironments.of(Settings()))


OUTSIDE = frozenset(WIDE) | {"network", "reply_check", "limit_log", "single_use"}
"""Mechanisms that are left out here; the others the sandbox leaves out when it is told."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How an attack went."""

    succeeded: bool
    name: str
    """The error's; "" when the job ended well."""
    says: str
    """Its message, or the result."""
    left: tuple[int, ...]
    """Processes that the attack had begun and that were there after the job."""
    flooded: bool = False
    """Its log was longer than the limit."""

    def __str__(self) -> str:
        return f"{self.name or 'ended well'}: {self.says[:300]}" + (f", left {self.left}" if self.left else "")


@contextlib.asynccontextmanager
async def sandbox(without: frozenset[str] = frozenset()) -> AsyncIterator[Sandbox]:
    """A sandbox with two slots, without these mechanisms."""
    made = Sandbox(2, SMALL, without=without - OUTSIDE)
    try:
        yield made
    finally:
        await made.close()


async def run(made: Sandbox, attack: Attack, where: Scene, without: frozenset[str] = frozenset()) -> Seen:
    """The attack's jobs one after the other in slot 0, and its victim in slot 1. `made` has the same `without`."""
    mark, other = scene.new_mark(), scene.new_mark()
    limits = replace(SMALL, **attack.limits)
    for name in without & WIDE.keys():
        limits = replace(limits, **WIDE[name])
    arguments = where.arguments() | {"mark": other if attack.beside else mark, "call": attack.call}
    arguments["key"] = crc32(mark.encode()) & 0x7FFFFFFF
    try:
        async with contextlib.AsyncExitStack() as beside:
            if attack.beside:
                await beside.enter_async_context(_victim(made, where.secret, other))
            source = (SCRIPTS / attack.source).read_text()
            if reused := "single_use" in without:
                source += _TWICE
            for step in attack.steps[-1:] if reused else attack.steps:
                task = Task(
                    attack.language,
                    source,
                    json.dumps(arguments | {"step": step}),
                    workspace="containment",
                    options=Options(network="none" if attack.no_network and "network" not in without else None),
                )
                seen = await asyncio.wait_for(_one(made, task, limits, without), _PATIENCE_S)
        left = tuple(scene.marked(mark))
        worked = seen.succeeded or (attack.leaves and bool(left)) or (attack.floods and seen.flooded)
        return replace(seen, left=left, succeeded=worked)
    finally:
        scene.end(mark)


async def _one(made: Sandbox, task: Task, limits: Limits, without: frozenset[str]) -> Seen:
    if "reply_check" in without:
        return await _unchecked(made, task, limits)
    log: list[str] = []
    output = _output(log, _MAX_LOG if "limit_log" not in without else 100 * _MAX_LOG)
    started = await _executors(made).start(task, limits, 0, output.write)
    outcome = await started.wait()
    output.end()
    await output.close()
    flooded = sum(map(len, log)) > _MAX_LOG + 1000
    result = json.loads(outcome.result)
    if outcome.ok:
        return Seen("SUCCEEDED" in outcome.result, "", str(result), (), flooded)
    return Seen(False, result["error"]["name"], result["error"]["message"], (), flooded)


def _output(log: list[str], max_log: int) -> Output:
    """The log as the worker bounds it."""

    async def append(_: int, text: str) -> None:
        log.append(text)

    async def drop(_: int, text: str) -> None:
        pass

    def nothing() -> None:
        pass

    return Output(Report(append, 0, nothing), Report(drop, 0, nothing), max_log, max_log, nothing)


async def _unchecked(made: Sandbox, task: Task, limits: Limits) -> Seen:
    """The reply as it came, looked at by nobody."""
    command = Python().prepare(task, limits)
    ended = await (await made.start(command, limits, 0, lambda _: None)).wait()
    return Seen(b"SUCCEEDED" in ended.reply, "", ended.reply[:200].decode("utf-8", "replace"), ())


@contextlib.asynccontextmanager
async def _victim(made: Sandbox, secret: str, mark: str) -> AsyncIterator[None]:
    said: list[bytes] = []
    arguments = json.dumps({"mark": mark, "secret": secret})
    task = Task("python3", (SCRIPTS / "victim.py").read_text(), arguments, workspace="containment")
    started = await _executors(made).start(task, replace(SMALL, timeout=60), 1, said.append)
    end = asyncio.create_task(started.wait())
    try:
        while not scene.marked(mark):
            assert not end.done(), f"{end.result()} {said}"
            await asyncio.sleep(0.01)
        yield
    finally:
        started.kill("canceled")
        await end
        scene.end(mark)


async def plain(made: Sandbox, language: str) -> str:
    """What a plain job answers in the same slot: '42' when all is well."""
    source = {"python3": "def main():\n    return 42", "bash": "echo 42"}[language]
    started = await _executors(made).start(Task(language, source, workspace="containment"), SMALL, 0, lambda _: None)
    return str(json.loads((await started.wait()).result))
