"""Dedicated scripts: one warm process for many calls."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from postmill.executors.contract import Limits, Outcome, Task
from postmill.executors.registry import Executors
from postmill.sandbox import warm
from tests.containment import scene

pytestmark = pytest.mark.anyio

_LIMITS = Limits(timeout=30, kill_grace=0.2)
_COUNTS = """
import os, sys, time
calls = 0
def main(what="", number=0):
    global calls
    calls += 1
    print("call", calls, os.environ.get("WM_JOB_ID"))
    if what == "crash":
        os._exit(9)
    if what == "raise":
        raise ValueError("no")
    if what == "exit":
        sys.exit(3)
    if what == "sleep":
        time.sleep(60)
    if what == "large":
        return "x" * number
    return calls
"""


def task(content: str = _COUNTS, job: str = "1", **args: Any) -> Task:
    return Task(
        language="python3",
        content=content,
        args=json.dumps(args),
        env={"WM_JOB_ID": job},
        workspace="main",
        dedicated=True,
    )


async def call(executors: Executors, of: Task, limits: Limits = _LIMITS, slot: int = 0) -> tuple[Outcome, str]:
    log: list[bytes] = []
    run = await executors.start(of, limits, slot, log.append)
    return await run.wait(), b"".join(log).decode()


async def test_what_a_call_leaves_in_memory_the_next_one_finds_with_its_own_environment_and_log(
    executors: Executors,
) -> None:
    for number in (1, 2, 3):
        outcome, log = await call(executors, task(job=f"job-{number}"))
        assert (outcome.result, log) == (str(number), f"call {number} job-{number}\n")


async def test_an_error_is_the_call_s_own_and_the_process_goes_on(executors: Executors) -> None:
    await call(executors, task())
    for what, name in (("raise", "ValueError"), ("exit", "SystemExit")):
        outcome, _ = await call(executors, task(what=what))
        assert not outcome.ok
        assert json.loads(outcome.result)["error"]["name"] == name
    assert (await call(executors, task()))[0].result == "4"


async def test_a_crash_loses_no_other_call(executors: Executors) -> None:
    await call(executors, task(), slot=1)
    crashed, other = await asyncio.gather(call(executors, task(what="crash"), slot=0), call(executors, task(), slot=1))
    assert not crashed[0].ok
    assert "exit code 9" in crashed[0].result
    assert other[0].result == "2"
    # The next one in its place begins anew.
    assert (await call(executors, task(), slot=0))[0].result == "1"


async def test_a_call_that_is_killed_ends_its_process_only(executors: Executors) -> None:
    await call(executors, task())
    log: list[bytes] = []
    run = await executors.start(task(what="sleep"), _LIMITS, 0, log.append)
    run.kill("canceled")
    assert (await run.wait()).end_reason == "canceled"
    assert (await call(executors, task()))[0].result == "1"
    timed_out, _ = await call(executors, task(what="sleep"), Limits(timeout=0.2, kill_grace=0.1))
    assert timed_out.end_reason == "timeout"


async def test_results_have_their_limit_in_each_call(executors: Executors) -> None:
    small = Limits(timeout=30, result=1000)
    assert (await call(executors, task(what="large", number=900), small))[0].ok
    outcome, _ = await call(executors, task(what="large", number=2000), small)
    assert outcome.end_reason == "result_limit"
    large, _ = await call(executors, task(what="large", number=3_000_000))
    assert len(large.result) == 3_000_002


async def test_another_version_another_environment_or_another_workspace_has_its_own_process(
    executors: Executors,
) -> None:
    await call(executors, task())
    for other in (
        replace(task(), content=_COUNTS + "# changed\n"),
        replace(task(), env={"WM_JOB_ID": "1", "OWN": "x"}),
        replace(task(), workspace="other"),
    ):
        assert (await call(executors, other))[0].result == "1"
    assert (await call(executors, task()))[0].result == "2"


async def test_a_process_is_replaced_after_so_many_calls(executors: Executors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "CALLS_AT_MOST", 3)
    mark = scene.new_mark()
    sleeps = f"import subprocess\nsubprocess.Popen(['sleep', '{mark}'])\n"
    await call(executors, task(sleeps + _COUNTS))
    assert scene.marked(mark)
    for _ in range(2):
        await call(executors, task(sleeps + _COUNTS))
    # The one before is gone, with all that it started.
    async with asyncio.timeout(20):
        while scene.marked(mark):
            await asyncio.sleep(0.01)
    assert [(await call(executors, task()))[0].result for _ in range(5)] == ["1", "2", "3", "1", "2"]


async def test_a_script_that_cannot_be_loaded_says_so_in_each_call(executors: Executors) -> None:
    for _ in range(2):
        outcome, _ = await call(executors, task("import nowhere\ndef main(): return 1"))
        assert json.loads(outcome.result)["error"]["name"] == "ModuleNotFoundError"


async def test_what_a_thread_says_between_two_calls_is_in_no_log(executors: Executors) -> None:
    script = (
        "import threading, time\n"
        "def late():\n    time.sleep(0.3)\n    print('late', flush=True)\n"
        "def main(wait=0):\n"
        "    if not wait:\n        threading.Thread(target=late).start()\n"
        "    print('own')\n    return 1\n"
    )
    _, first = await call(executors, task(script))
    await asyncio.sleep(0.6)
    _, second = await call(executors, task(script, wait=1))
    assert (first, second) == ("own\n", "own\n")
