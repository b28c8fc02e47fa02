"""Runs in the jail, loaded by the fork-server: in a forked child it imports the script, calls its main, sends the end.

Standard library only. User code can rebind anything in any module, so what is needed after it ran is bound before.
"""

from __future__ import annotations

import json
import os
import sys
import types
from json.encoder import encode_basestring as _string

from postmill.executors.python_arguments import bind
from postmill.executors.python_errors import Refused, describe
from postmill.executors.python_result import dump

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

REPLY_FD = 3
OUTPUT_FD = 1

_write, _exit, _getpid = os.write, os._exit, os.getpid
_NO_MEMORY = b'E{"name": "MemoryError", "message": "", "stack": ""}'


def main(entrypoint: str) -> NoReturn:
    """One job. Ends the process whatever threads and exit handlers the script left."""
    born, job = begin()
    reply = run(entrypoint, job)
    flush()
    # A child that the script forked and let return from main has no result to give.
    if _getpid() == born:
        send(reply)
    _exit(0 if reply[:1] == b"R" else 1)


def rehearse() -> None:
    """Do once, in a child that waits for its job, what a job does: memory that it writes to is copied ahead of time."""
    scope: dict[str, Any] = {}
    exec(compile("def main(a: int = 1) -> dict[str, int]:\n    return {'a': a}\n", "rehearsal", "exec"), scope)
    positional, named = bind(scope["main"], "main", json.loads('{"a": 1}'))
    dump(scope["main"](*positional, **named))
    open("/dev/null", "w", 1, "utf-8", "backslashreplace").close()


def serve(entrypoint: str, next_call: Callable[[], bool]) -> NoReturn:
    """One call after another of a script that is loaded once; each reply has its length before it."""
    born, job = begin()
    more = True
    while more:
        reply = run(entrypoint, job, keep=True)
        flush()
        if _getpid() != born:
            _exit(0)
        send(len(reply).to_bytes(4, "big") + reply)
        more = next_call()
    _exit(0)


def begin() -> tuple[int, str]:
    """Streams and paths as a script expects them. Returns this process's pid, and the job's directory."""
    job = os.getcwd()
    sys.path.insert(0, job)
    os.set_inheritable(REPLY_FD, False)
    # The fork-server's own streams belong to other files.
    sys.stdout = sys.__stdout__ = open(1, "w", 1, "utf-8", "backslashreplace", closefd=False)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = open(2, "w", 1, "utf-8", "backslashreplace", closefd=False)  # type: ignore[misc]
    return _getpid(), job


def flush() -> None:
    """All that was printed goes before the reply."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()  # type: ignore[union-attr]
        except Exception:
            # Closed or replaced by the script, or its disk is full: the result counts all the same.
            pass


def run(entrypoint: str, job: str, *, keep: bool = False) -> bytes:
    """The reply: 'R' and the result as JSON, or 'E' and the error."""
    try:
        try:
            return b"R" + dump(call(entrypoint, job, keep))
        except SystemExit as stop:
            if stop.code in (None, 0):
                return b"Rnull"
            return b"E" + describe(stop, job)
        except BaseException as error:
            return b"E" + describe(error, job)
    except MemoryError:
        return _NO_MEMORY


def call(entrypoint: str, job: str, keep: bool) -> object:
    """What main returns, awaited where it is to be."""
    given = arguments(job)
    module = sys.modules.get("script") if keep else None
    if module is None:
        module = load(f"{job}/script.py")
    function = getattr(module, entrypoint, None)
    if not callable(function):
        raise Refused("NameError", f"the script defines no function {entrypoint!r}")
    positional, named = bind(function, entrypoint, given)
    value = function(*positional, **named)
    if hasattr(value, "__await__") or hasattr(value, "__aiter__"):
        import asyncio

        value = asyncio.run(awaited(value))
    if isinstance(value, types.GeneratorType):
        return stream(value)
    return value


async def awaited(value: Any) -> object:
    """What comes of a coroutine; an async generator or iterator, returned or its own, is streamed in the same loop."""
    if hasattr(value, "__await__"):
        value = await value
    if not hasattr(value, "__aiter__"):
        return value
    async for piece in value:
        send_piece(piece)
    return None


def stream(values: types.GeneratorType[object, None, object]) -> object:
    """Send what a generator yields, piece by piece; its own return value is the result."""
    while True:
        try:
            piece = next(values)
        except StopIteration as end:
            return end.value
        send_piece(piece)


def send_piece(piece: object) -> None:
    """Text goes as it is, anything else as a line of JSON; `worker/stream_lines.py` takes it out of the output."""
    if isinstance(piece, str):
        text = str.__str__(piece)
    else:
        # The script goes on after this, with the limits that it may have set itself.
        depth, digits = sys.getrecursionlimit(), sys.get_int_max_str_digits()
        text = dump(piece).decode() + "\n"
        sys.setrecursionlimit(depth)
        sys.set_int_max_str_digits(digits)
    flush()
    send(b"\x1eWM_STREAM: " + _string(text).encode("utf-8", "replace") + b"\n", OUTPUT_FD)


def arguments(job: str) -> dict[str, object]:
    """As they were sent."""
    with open(f"{job}/.postmill/args.json", encoding="utf-8") as file:
        text = file.read()
    usual = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        given = json.loads(text)
    finally:
        sys.set_int_max_str_digits(usual)
    if not isinstance(given, dict):
        raise Refused("TypeError", "the arguments are not an object")
    return given


def load(path: str) -> types.ModuleType:
    """The script as the module `script`, so that dataclasses, pickle and tracebacks find it."""
    with open(path, "rb") as file:
        source = file.read()
    sys.argv = [path]
    code = compile(source, path, "exec", dont_inherit=True)
    module = types.ModuleType("script")
    module.__file__ = path
    sys.modules["script"] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        # Half of a module is none.
        del sys.modules["script"]
        raise
    return module


def send(data: bytes, fd: int = REPLY_FD) -> None:
    left = memoryview(data)
    while left:
        left = left[_write(fd, left) :]
