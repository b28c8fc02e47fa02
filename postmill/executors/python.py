"""Python: the script's main is called in a forked child of an interpreter that has the runner loaded.

How values become JSON is told in `python_result.py`, and back in `python_arguments.py`.
"""

import functools
import hashlib
import sys
from dataclasses import replace

from postmill.executors import reply
from postmill.executors.contract import Command, Ended, Limits, Outcome, Task
from postmill.language.python import imports
from postmill.sandbox.command import Runtime
from postmill.sandbox.host import interpreter
from postmill.sandbox.zygote import COMMON

_LIGHT = frozenset({*COMMON, *sys.builtin_module_names, "abc", "enum", "io", "operator", "os", "string", "types"})
_RUNNER = "postmill.executors.python_runner"


class Python:
    """Calls `main(**args)` of the script and takes what it returns."""

    language = "python3"

    def prepare(self, task: Task, limits: Limits) -> Command:
        """The script, its libraries and arguments. What is wrong in them is the job's failure."""
        files = {f"{path}.py": _source(text) for path, text in task.modules.items()}
        files["script.py"] = _source(task.content)
        files[".postmill/args.json"] = _source(task.args)
        return Command(
            argv=(),
            call=task.entrypoint,
            env=task.env,
            files=files,
            owner=task.workspace,
            warm=_identity(task) if task.dedicated else "",
            runtime=replace(runtime(), imports=worth_loading(task.content)),
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


def _identity(task: Task) -> str:
    """What calls of one process have in common: the code, and what it was deployed with."""
    own = sorted((name, value) for name, value in task.env.items() if not name.startswith(("WM_", "BASE_")))
    what = (task.content, task.entrypoint, task.lock, sorted(task.modules.items()), own)
    return hashlib.sha256(repr(what).encode("utf-8", "surrogatepass")).hexdigest()


@functools.cache
def runtime() -> Runtime:
    """The interpreter of this process with the runner loaded."""
    executable, prefix = interpreter()
    return Runtime(executable=executable, prefix=prefix, runner=_RUNNER)


def worth_loading(source: str) -> tuple[str, ...]:
    """What a script imports, and a fork-server does not have loaded anyway."""
    return tuple(name for name in imports(source).modules if name not in _LIGHT)


def _source(text: str) -> bytes:
    return text.encode("utf-8", "replace")
