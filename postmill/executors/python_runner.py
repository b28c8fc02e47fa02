"""Runs in the jail, as a program: imports the script, calls its main, sends what came of it.

Standard library only, and no import that a plain script does not need: each costs every job its milliseconds.
User code can rebind anything in any module, so what is needed after it ran is bound before.
"""

from __future__ import annotations

import json
import os
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

HERE = "/job/.postmill"
SCRIPT = "/job/script.py"
REPLY_FD = 3

if __name__ == "__main__":
    sys.path.insert(0, HERE)

from postmill.executors.python_arguments import bind  # noqa: E402
from postmill.executors.python_errors import Refused, describe  # noqa: E402
from postmill.executors.python_result import dump  # noqa: E402

if __name__ == "__main__":
    # The script finds /job/f/folder/mod.py as f.folder.mod, and nothing of ours.
    sys.path[0] = "/job"
    for name in [name for name in sys.modules if name.partition(".")[0] == "postmill"]:
        del sys.modules[name]

_write, _exit, _getpid = os.write, os._exit, os.getpid
_NO_MEMORY = b'E{"name": "MemoryError", "message": "", "stack": ""}'


def main() -> NoReturn:
    """One job. Ends the process whatever threads and exit handlers the script left."""
    born = _getpid()
    os.set_inheritable(REPLY_FD, False)
    streams = (sys.stdout, sys.stderr)
    for stream in streams:
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    reply = run(sys.argv[1])
    for stream in streams:
        try:
            stream.flush()
        except Exception:
            # Closed by the script, or its disk is full: the result counts all the same.
            pass
    # A child that the script forked and let return from main has no result to give.
    if _getpid() == born:
        send(reply)
    _exit(0 if reply[:1] == b"R" else 1)


def run(entrypoint: str) -> bytes:
    """The reply: 'R' and the result as JSON, or 'E' and the error."""
    try:
        try:
            return b"R" + dump(call(entrypoint))
        except SystemExit as stop:
            if stop.code in (None, 0):
                return b"Rnull"
            return b"E" + describe(stop)
        except BaseException as error:
            return b"E" + describe(error)
    except MemoryError:
        return _NO_MEMORY


def call(entrypoint: str) -> object:
    """What main returns, awaited where it is to be."""
    given = arguments()
    module = load()
    function = getattr(module, entrypoint, None)
    if not callable(function):
        raise Refused("NameError", f"the script defines no function {entrypoint!r}")
    positional, named = bind(function, entrypoint, given)
    value = function(*positional, **named)
    if hasattr(value, "__await__"):
        import asyncio

        async def awaited() -> object:
            return await value

        value = asyncio.run(awaited())
    if isinstance(value, types.GeneratorType | types.AsyncGeneratorType):
        raise Refused("TypeError", f"{entrypoint} is a generator: return a list instead of yielding")
    return value


def arguments() -> dict[str, object]:
    """As they were sent."""
    with open(f"{HERE}/args.json", encoding="utf-8") as file:
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


def load() -> types.ModuleType:
    """The script as the module `script`, so that dataclasses, pickle and tracebacks find it."""
    with open(SCRIPT, "rb") as file:
        source = file.read()
    sys.argv = [SCRIPT]
    code = compile(source, SCRIPT, "exec", dont_inherit=True)
    module = types.ModuleType("script")
    module.__file__ = SCRIPT
    sys.modules["script"] = module
    exec(code, module.__dict__)
    return module


def send(reply: bytes) -> None:
    left = memoryview(reply)
    while left:
        left = left[_write(REPLY_FD, left) :]


if __name__ == "__main__":
    main()
