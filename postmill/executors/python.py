"""Python: a fresh interpreter for each job, this process's own version, standard library only.

The runner (`python_runner.py` and what it imports) is handed over compiled, which saves each job 9 ms of some 40; it
imports nothing but the standard library. How values become JSON is told in `python_result.py`, and back in
`python_arguments.py`.
"""

import functools
import importlib.util
import marshal
import os
import sys
from importlib import resources

from postmill.executors import reply
from postmill.executors.contract import Command, Ended, Limits, Outcome, Task

_RUNNER = "python_runner.py"
_IMPORTS = ("python_arguments.py", "python_errors.py", "python_result.py")
_OWN = ".postmill"


class Python:
    """Calls `main(**args)` of the script and takes what it returns."""

    language = "python3"

    def prepare(self, task: Task, limits: Limits) -> Command:
        """The runner with the script, its libraries and arguments. What is wrong in them is the job's failure."""
        executable, prefix = interpreter()
        files = runner_files() | {f"{path}.py": _source(text) for path, text in task.modules.items()}
        files["script.py"] = _source(task.content)
        files[f"{_OWN}/args.json"] = _source(task.args)
        return Command(
            # -S: without site there are no installed packages, ours least of all.
            argv=(executable, "-I", "-S", "-B", "-X", "utf8", f"/job/{_OWN}/{_RUNNER}c", task.entrypoint),
            env=task.env,
            files=files,
            read_only=(prefix,),
        )

    def outcome(self, task: Task, limits: Limits, ended: Ended) -> Outcome:
        """The reply is a letter and JSON: R and the result, or E and the error."""
        if (early := reply.not_exited(ended, limits)) is not None:
            return early
        kind, content = ended.reply[:1], ended.reply[1:]
        try:
            if kind == b"R":
                return Outcome(ok=True, result=reply.json_text(content), memory_peak=ended.memory_peak)
            if kind == b"E":
                name, message, stack = reply.error_of(content)
                if name == "MemoryError" and not message:
                    message = f"out of memory: the limit is {reply.size(limits.memory)}"
                return reply.failed(ended, name, message, stack)
        except reply.BadReply as error:
            return reply.failed(ended, "BadResult", str(error))
        return reply.no_result(ended)


@functools.cache
def interpreter() -> tuple[str, str]:
    """The real interpreter of this process and its prefix: not a virtual environment's, not a shim."""
    executable = getattr(sys, "_base_executable", None) or sys.executable
    return os.path.realpath(executable), os.path.realpath(sys.base_prefix)


@functools.cache
def runner_files() -> dict[str, bytes]:
    """The runner's own files: path below /job → bytecode. What it imports has the same name there as here."""
    here = resources.files(__package__)
    places = {name: f"{_OWN}/{__package__.replace('.', '/')}/{name}" for name in _IMPORTS}
    places[_RUNNER] = f"{_OWN}/{_RUNNER}"
    return {f"{place}c": _bytecode(here.joinpath(name).read_bytes(), place) for name, place in places.items()}


def _bytecode(source: bytes, place: str) -> bytes:
    # The head of a file without a source: of flags, time and size nothing is looked at. The interpreter in the jail
    # is this process's own, so the magic number is the right one.
    code = compile(source, f"/job/{place}", "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def _source(text: str) -> bytes:
    return text.encode("utf-8", "replace")
