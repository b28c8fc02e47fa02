"""Scripts that stream: what they send goes over their output, marked, and the result is what is left."""

import json

import pytest

from postmill.worker.ending import result_of
from postmill.worker.stream_lines import StreamLines
from tests.executors.conftest import Done, Running

pytestmark = pytest.mark.anyio


def parted(done: Done) -> tuple[str, list[str], object]:
    """The log, the pieces of the stream, and the whole result."""
    lines = StreamLines()
    log, pieces = lines.feed(done.log)
    rest, more = lines.end()
    pieces += more
    result, _ = result_of(done.outcome, "".join(pieces) if pieces else None, 1_000_000)
    assert result.status == "success", result.result
    return log + rest, pieces, json.loads(result.result)


@pytest.mark.parametrize(
    ("script", "pieces", "result"),
    [
        ("def main():\n    yield 'a'\n    yield 'é\\n\\\\n'", ["a", "é\n\\n"], "aé\n\\n"),
        ("def main():\n    return (c for c in 'ab')", ["a", "b"], "ab"),
        ("async def main():\n    yield 'a'\n    yield 'b'", ["a", "b"], "ab"),
        ("async def other():\n    yield 'a'\ndef main():\n    return other()", ["a"], "a"),
        ("async def other():\n    yield 'a'\nasync def main():\n    return other()", ["a"], "a"),
        ("def main():\n    yield {'k': 'x\\ny'}\n    yield 1", ['{"k":"x\\ny"}\n', "1\n"], '{"k":"x\\ny"}\n1\n'),
        ("def main():\n    yield 'a'\n    return {'n': 1}", ["a"], {"n": 1, "wm_stream": "a"}),
        ("def main():\n    yield 'a'\n    return [1]", ["a"], [1]),
        ("def main():\n    return iter_none()\ndef iter_none():\n    yield from ()", [], None),
        ("def main():\n    yield ''", [""], ""),
        ("def main():\n    yield 'a\\ud800\\0'", ["a?\0"], "a?\0"),
    ],
)
async def test_what_a_generator_yields_is_streamed_exactly(
    script: str, pieces: list[str], result: object, run: Running
) -> None:
    log, found, whole = parted(await run("python3", script))
    assert (log, found) == ("", pieces)
    assert whole == result


async def test_an_async_iterator_is_streamed_in_the_loop_that_made_it(run: Running) -> None:
    script = """
import asyncio

class Lines:
    def __init__(self):
        self.loop, self.left = asyncio.get_running_loop(), 3
    def __aiter__(self):
        return self
    async def __anext__(self):
        await asyncio.sleep(0)
        if not self.left or asyncio.get_running_loop() is not self.loop:
            raise StopAsyncIteration
        self.left -= 1
        return str(self.left)

async def main():
    return Lines()
"""
    assert parted(await run("python3", script)) == ("", ["2", "1", "0"], "210")


async def test_a_line_that_is_not_ended_stays_whole_around_a_piece(run: Running) -> None:
    script = """
import sys

def main():
    print("begun", end="")
    yield "a"
    print(", ended")
    sys.stdout = open("/dev/null", "w")
    yield "b"
"""
    assert parted(await run("python3", script)) == ("begun, ended\n", ["a", "b"], "ab")


async def test_a_script_keeps_the_limits_that_it_set_while_it_streams(run: Running) -> None:
    script = """
import sys

def main():
    sys.setrecursionlimit(12345)
    yield 1
    yield "a"
    yield sys.getrecursionlimit()
"""
    assert parted(await run("python3", script))[1] == ["1\n", "a", "12345\n"]


async def test_an_error_within_a_generator_is_the_jobs_own(run: Running) -> None:
    done = await run("python3", "def main():\n    yield 'a'\n    raise ValueError('no')")
    assert (done.error["name"], done.error["message"]) == ("ValueError", "no")
    assert "line 3, in main" in done.error["stack"]
    assert StreamLines().feed(done.log) == ("", ["a"])


async def test_a_piece_that_is_no_json_is_an_error_that_says_so(run: Running) -> None:
    error = (await run("python3", "def main():\n    yield object()")).error
    assert "a object cannot be turned into JSON" in error["message"]


async def test_a_long_piece_arrives_whole(run: Running) -> None:
    _, [piece], result = parted(await run("python3", "def main():\n    yield 'xy\\n' * 100_000"))
    assert piece == result == "xy\n" * 100_000


@pytest.mark.parametrize(
    ("language", "script", "log", "pieces", "result"),
    [
        ("python3", "def main():\n    print('WM_STREAM: a\\\\nb')\n    print('log')", "log\n", ["a\nb"], "a\nb"),
        ("bash", "echo log; echo 'WM_STREAM: a\\nb'; printf 'WM_STREAM: c'", "log\n", ["a\nb", "c"], "a\nbc"),
        ("bash", "echo 'WM_STREAM: a'; echo last", "last\n", ["a"], "last"),
        ("bash", "echo 'WM_STREAM: a'; echo '{}' >result.json", "", ["a"], {"wm_stream": "a"}),
    ],
)
async def test_marked_lines_of_any_language_are_streamed(
    language: str, script: str, log: str, pieces: list[str], result: object, run: Running
) -> None:
    assert parted(await run(language, script)) == (log, pieces, result)


async def test_streamed_lines_are_not_in_the_message_of_a_failure(run: Running) -> None:
    error = (await run("bash", "echo log; echo 'WM_STREAM: a'; exit 3")).error
    assert error["message"] == "exit code 3\nlog"
