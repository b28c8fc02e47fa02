"""Python's own rules: how the script is called and what its errors look like."""

import importlib
import sys

import pytest

from postmill.executors.contract import Limits
from tests.executors.conftest import Running

pytestmark = pytest.mark.anyio


async def test_workspace_libraries_are_imported_by_path(run: Running) -> None:
    done = await run(
        "python3",
        "from f.folder.mod import x\nimport f.other.deep.more as more\nfrom u.ann.own import y\n"
        "def main():\n    return [x, more.z, y()]",
        modules={
            "f/folder/mod": "x = 1",
            "f/other/deep/more": "from f.folder.mod import x\nz = x + 1",
            "u/ann/own": "def y():\n    return 'ü'",
        },
    )
    assert done.result == [1, 2, "ü"]


async def test_only_the_standard_library_is_there(run: Running) -> None:
    done = await run(
        "python3",
        "import importlib.util, sqlite3, ssl\ndef main():\n"
        "    return [n for n in ('pydantic', 'pip', 'pytest', 'postmill') if importlib.util.find_spec(n)]",
    )
    assert done.result == []


async def test_the_script_is_a_module_of_its_own(run: Running) -> None:
    done = await run(
        "python3",
        "import sys, pickle\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n"
        "if __name__ == '__main__':\n    raise SystemExit('not a program')\n"
        "def main():\n    return [__name__, __file__, sys.argv, sys.path[0], pickle.loads(pickle.dumps(P(3)))]",
    )
    assert done.result == ["script", "/job/script.py", ["/job/script.py"], "/job", {"x": 3}]


async def test_a_coroutine_is_awaited(run: Running) -> None:
    done = await run(
        "python3", "import asyncio\nasync def main(x):\n    await asyncio.sleep(0)\n    return x", {"x": 4}
    )
    assert done.result == 4


async def test_another_entrypoint_can_be_called(run: Running) -> None:
    source = "def main():\n    return 1\ndef other():\n    return 2"
    assert (await run("python3", source, entrypoint="other")).result == 2


async def test_defaults_and_keywords_are_pythons_own(run: Running) -> None:
    source = "def main(a, /, b=2, *rest, c, d=4, **more):\n    return [a, b, rest, c, d, more]"
    assert (await run("python3", source, {"z": 9, "c": 3, "a": 1})).result == [1, 2, [], 3, 4, {"z": 9}]


async def test_a_decorated_main_has_the_parameters_that_it_wraps(run: Running) -> None:
    source = (
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(*a, **k):\n        return f(*a, **k) * 2\n"
        "    return g\n@twice\ndef main(x: bytes):\n    return x.decode()"
    )
    assert (await run("python3", source, {"x": "YWI=", "y": 1})).result == "abab"


async def test_a_missing_argument_is_named(run: Running) -> None:
    error = (await run("python3", "def main(a, b, c=1, *, d): pass", {"a": 1})).error
    assert error == {"name": "TypeError", "message": "main is missing the arguments 'b', 'd'", "stack": ""}


async def test_a_script_without_main_says_so(run: Running) -> None:
    error = (await run("python3", "x = 1")).error
    assert error["message"] == "the script defines no function 'main'"


async def test_big_numbers_arrive_exactly(run: Running) -> None:
    done = await run("python3", "def main(x):\n    return x", '{"x": 1%s}' % ("0" * 5000))
    assert done.outcome.result == "1" + "0" * 5000


_IMPORTS = """
from __future__ import annotations
import datetime as dt, decimal, enum, pathlib, typing, uuid
from dataclasses import dataclass, field

class Colour(enum.Enum):
    RED = "r"
    BLUE = 2

@dataclass
class Inner:
    when: dt.date
    made: str = field(default="here", init=False)

@dataclass
class Outer:
    name: str
    inner: Inner
    more: list[Inner] = field(default_factory=list)

class Model:
    @classmethod
    def model_validate(cls, value):
        self = cls()
        self.value = value
        return self
    def __repr__(self):
        return f"Model({self.value})"

Name = typing.NewType("Name", bytes)
"""


@pytest.mark.parametrize(
    ("annotation", "value", "shown"),
    [
        ("bytes", '"aGk="', "b'hi'"),
        ("bytes", '"data:text/plain;base64,aGk="', "b'hi'"),
        ("bytes | None", "null", "None"),
        (
            "dt.datetime",
            '"2024-02-29T12:00:00Z"',
            "datetime.datetime(2024, 2, 29, 12, 0, tzinfo=datetime.timezone.utc)",
        ),
        ("dt.date", '"2024-02-29"', "datetime.date(2024, 2, 29)"),
        ("dt.date", '"2024-02-29T12:00:00Z"', "datetime.date(2024, 2, 29)"),
        ("dt.time", '"12:30"', "datetime.time(12, 30)"),
        ("dt.timedelta", "90.5", "datetime.timedelta(seconds=90, microseconds=500000)"),
        ("decimal.Decimal", "1.5", "Decimal('1.5')"),
        ("uuid.UUID", f'"{"0" * 32}"', "UUID('00000000-0000-0000-0000-000000000000')"),
        ("pathlib.Path", '"/a/b"', "PosixPath('/a/b')"),
        ("Colour", '"r"', "<Colour.RED: 'r'>"),
        ("Colour", '"BLUE"', "<Colour.BLUE: 2>"),
        ("Inner", '{"when": "2024-01-01", "unknown": 1}', "Inner(when=datetime.date(2024, 1, 1), made='here')"),
        (
            "Outer",
            '{"name": "n", "inner": {"when": "2024-01-01"}, "more": [{"when": "2024-01-02"}]}',
            "Outer(name='n', inner=Inner(when=datetime.date(2024, 1, 1), made='here'),"
            " more=[Inner(when=datetime.date(2024, 1, 2), made='here')])",
        ),
        ("Model", '{"a": 1}', "Model({'a': 1})"),
        ("list[bytes]", '["YQ=="]', "[b'a']"),
        ("dict[str, Colour]", '{"k": 2}', "{'k': <Colour.BLUE: 2>}"),
        ("tuple[int, bytes]", '[1, "YQ=="]', "(1, b'a')"),
        ("tuple[bytes, ...]", '["YQ==", "Yg=="]', "(b'a', b'b')"),
        ("set[int]", "[1, 1]", "{1}"),
        ("typing.Optional[dt.date]", '"2024-02-29"', "datetime.date(2024, 2, 29)"),
        ("dt.date | str", '"tomorrow"', "'tomorrow'"),
        ("int | dt.date", '"2024-02-29"', "datetime.date(2024, 2, 29)"),
        ("typing.Annotated[bytes, 'x']", '"YQ=="', "b'a'"),
        ("Name", '"YQ=="', "b'a'"),
        ("typing.Literal['a']", '"a"', "'a'"),
        ("int", '"not converted"', "'not converted'"),
        ("float", "1", "1"),
        ("typing.Any", "[1]", "[1]"),
        ("NoSuchName", '"x"', "'x'"),
    ],
)
async def test_arguments_are_converted_by_annotation(annotation: str, value: str, shown: str, run: Running) -> None:
    done = await run("python3", f"{_IMPORTS}\ndef main(x: {annotation}):\n    return repr(x)", f'{{"x": {value}}}')
    assert done.result == shown


@pytest.mark.parametrize(
    ("annotation", "value", "says"),
    [
        ("bytes", '"%"', "argument 'x': '%' is not base64: "),
        ("bytes", "5", "argument 'x': 5 is not base64 text"),
        ("dt.datetime", '"soon"', "argument 'x': 'soon' is not a date and time (ISO 8601)"),
        ("dt.date", '"2023-02-29"', "argument 'x': '2023-02-29' is not a date (ISO 8601)"),
        ("list[dt.date]", '["2023-02-29"]', "argument 'x': '2023-02-29' is not a date (ISO 8601)"),
        ("Colour", '"green"', "argument 'x': 'green' is not one of 'r', 2"),
        ("Inner", "[]", "argument 'x': [] is not an object, as Inner needs"),
        ("Inner", "{}", "argument 'x': Inner: "),
        ("uuid.UUID", '"x"', "argument 'x': 'x' is not a UUID"),
        ("decimal.Decimal", '"x"', "argument 'x': 'x' is not a number"),
        ("dt.timedelta", '"x"', "argument 'x': 'x' is not a number of seconds"),
    ],
)
async def test_what_cannot_be_converted_is_named(annotation: str, value: str, says: str, run: Running) -> None:
    done = await run("python3", f"{_IMPORTS}\ndef main(x: {annotation}): pass", f'{{"x": {value}}}')
    assert done.error["name"] == "TypeError"
    assert done.error["message"].startswith(says)


@pytest.mark.parametrize(
    ("body", "name", "message"),
    [
        ("raise ValueError('x')", "ValueError", "x"),
        ("{}['k']", "KeyError", "'k'"),
        ("import sys; sys.exit(3)", "SystemExit", "exit code 3"),
        ("import sys; sys.exit('words')", "SystemExit", "words"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("raise BaseExceptionGroup('g', [ValueError(1), KeyboardInterrupt()])", "BaseExceptionGroup", "g (2 sub"),
        ("class E(Exception):\n        __str__ = None\n    raise E", "E", "<its text cannot be shown: TypeError"),
        ("class E(Exception):\n        def __str__(self): raise E\n    raise E", "E", "<its text cannot be shown: E"),
        ("raise ValueError('\\ud800')", "ValueError", "?"),
        ("raise ValueError('x' * 10**6)", "ValueError", "xxxx"),
        ("main()", "RecursionError", "maximum recursion depth exceeded"),
        ("import nosuch", "ModuleNotFoundError", "No module named 'nosuch'"),
        ("eval('1 +')", "SyntaxError", "<string> line 1: invalid syntax: 1 +"),
        ("return bytearray(10**12)", "MemoryError", "out of memory: the limit is 2 GB"),
    ],
)
async def test_every_exception_is_told(body: str, name: str, message: str, run: Running) -> None:
    error = (await run("python3", f"def main():\n    {body}")).error
    assert error["name"] == name
    assert error["message"].startswith(message)
    assert len(error["message"]) < 20_000
    assert "postmill" not in error["stack"]


async def test_a_normal_exit_is_no_failure(run: Running) -> None:
    assert (await run("python3", "import sys\ndef main():\n    sys.exit()")).result is None
    assert (await run("python3", "raise SystemExit(0)")).result is None


async def test_the_stack_has_the_users_frames_only(run: Running) -> None:
    done = await run(
        "python3",
        "import json\nfrom f.lib.deep import fall\n\ndef main():\n    try:\n        json.loads('[')\n"
        "    except ValueError as error:\n        fall(error)",
        modules={"f/lib/deep": "def fall(why):\n    raise RuntimeError('fell') from why"},
    )
    stack = done.error["stack"]
    assert [line.strip() for line in stack.splitlines() if line.startswith("  File")] == [
        line.strip() for line in stack.splitlines() if line.startswith("  File") and "postmill" not in line
    ]
    assert "File \"/job/script.py\", line 6, in main\n    json.loads('[')" in stack
    assert "json/decoder.py" in stack
    assert "File \"/job/f/lib/deep.py\", line 2, in fall\n    raise RuntimeError('fell') from why" in stack
    assert stack.endswith("RuntimeError: fell\n")


async def test_the_stack_of_an_async_main_begins_in_the_script(run: Running) -> None:
    stack = (await run("python3", "async def main():\n    raise ValueError('x')")).error["stack"]
    assert stack.splitlines()[1] == '  File "/job/script.py", line 2, in main'


async def test_a_syntax_error_shows_the_line(run: Running) -> None:
    error = (await run("python3", "x = 1\ndef main(:\n    pass")).error
    assert error["name"] == "SyntaxError"
    assert error["message"] == "script.py line 2: invalid syntax: def main(:"
    error = (await run("python3", "import f.a.b\ndef main(): pass", modules={"f/a/b": "x ="})).error
    assert error["message"] == "f/a/b.py line 1: invalid syntax: x ="


async def test_a_script_with_a_nul_is_a_clear_error(run: Running) -> None:
    assert "null bytes" in (await run("python3", "x = '\0'\ndef main(): pass")).error["message"]


async def test_user_code_that_rebinds_what_the_runner_uses_gets_its_result(run: Running) -> None:
    done = await run(
        "python3",
        "import builtins, json, os, sys\njson.dumps = json.loads = os.write = os._exit = os.getpid = None\n"
        "sys.stdout = sys.stderr = None\nsys.setrecursionlimit(60)\ndef main():\n    return {'a': [1]}",
    )
    assert done.result == {"a": [1]}


async def test_threads_and_children_that_go_on_do_not_delay_the_end(run: Running) -> None:
    done = await run(
        "python3",
        "import os, threading, time\ndef main():\n    threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "    if os.fork() == 0:\n        time.sleep(60)\n    return 'done'",
    )
    assert done.result == "done"


async def test_a_forked_child_that_returns_from_main_gives_no_second_result(run: Running) -> None:
    done = await run(
        "python3", "import os\ndef main():\n    pid = os.fork()\n    pid and os.waitpid(pid, 0)\n    return pid > 0"
    )
    assert done.result is True


async def test_what_was_printed_without_a_newline_is_not_lost(run: Running) -> None:
    done = await run("python3", "import sys\ndef main():\n    print('a', end='')\n    sys.stderr.write('b')")
    assert sorted(done.log) == ["a", "b"]


async def test_the_runner_changes_nothing_in_a_process_that_only_imports_it() -> None:
    before = list(sys.path)
    runner = importlib.import_module("postmill.executors.python_runner")
    assert sys.path == before
    assert sys.modules[runner.__name__] is runner


async def test_any_text_can_be_printed(run: Running) -> None:
    assert (await run("python3", "def main():\n    print('ü\\ud800😀')")).log == "ü\\ud800😀\n"


async def test_standard_input_is_empty(run: Running) -> None:
    assert (await run("python3", "import sys\ndef main():\n    return sys.stdin.read()")).result == ""


async def test_a_child_process_does_not_inherit_the_reply(run: Running) -> None:
    done = await run(
        "python3",
        "import os, subprocess\ndef main():\n    subprocess.run('echo x >&3', shell=True)\n"
        "    ls = subprocess.run('ls /proc/self/fd', shell=True, capture_output=True, close_fds=False)\n"
        "    return ls.stdout.split()",
    )
    assert len(done.result) == 4


async def test_a_script_that_ends_the_process_has_no_result(run: Running) -> None:
    error = (await run("python3", "import os\ndef main():\n    os._exit(0)")).error
    assert error["message"] == "the script ended without a result (exit code 0)"


async def test_a_crash_of_the_interpreter_is_told(run: Running) -> None:
    error = (await run("python3", "import ctypes\ndef main():\n    ctypes.string_at(0)")).error
    assert error["message"] == "the script ended without a result (signal SIGSEGV)"


async def test_too_much_memory_is_a_memory_error(run: Running) -> None:
    source = "def main():\n    x = []\n    while True:\n        x.append(bytearray(10**6))"
    error = (await run("python3", source, limits=Limits(memory=200 * 1024**2, timeout=30))).error
    said, limit = error["message"].splitlines()
    assert (error["name"], said) == ("MemoryError", "out of memory: the limit is 200 MB")
    assert "limits: memory=200MB" in limit


async def test_threads_work_under_the_limit_of_memory(run: Running) -> None:
    source = (
        "from concurrent.futures import ThreadPoolExecutor\ndef main():\n"
        "    with ThreadPoolExecutor(50) as pool:\n        return sum(pool.map(lambda x: x, range(1000)))"
    )
    assert (await run("python3", source)).result == 499500


async def test_child_processes_and_their_locks_work(run: Running) -> None:
    source = (
        "import multiprocessing as mp\ndef twice(x):\n    return 2 * x\n"
        "def main():\n    with mp.Pool(2) as pool:\n        return pool.map(twice, [1, 2, 3])"
    )
    assert (await run("python3", source)).result == [2, 4, 6]
