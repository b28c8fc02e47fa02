"""Bash: the script as a program of its own, arguments by position, `set -e` only where it says so itself.

Arguments go in the order of the script's signature, text as it is, everything else as compact JSON with its numbers
as they were sent; what is missing or null is the empty text, so that `${2:-default}` applies.

The result, when the exit code is 0: ./result.json, which must be JSON; else ./result.out as text; else the last line
of stdout that is not empty, as text, unless it is one that streams; else null. Any other exit code is a failure with
the last lines of the output.

The last line must be of stdout alone, while the log shows stderr as well. So the two come over two pipes that one
reader merges as they arrive (`Command.split_output`). A `tee` inside the jail would hold stdout back while stderr
passes it by, and could end after the script does.
"""

import functools
import json
import re
import shutil
from importlib import resources

from postmill.executors import reply
from postmill.executors.contract import Command, Ended, Limits, Outcome, Task
from postmill.language.bash import signature
from postmill.model.errors import BadRequest
from postmill.model.json_text import raw_members
from postmill.sandbox.command import TAIL

_WRAPPER = "bash_wrapper.sh"
_OWN = ".postmill"
_ARGUMENT_AT_MOST = 128 * 1024 - 1
"""Of one argument in bytes: the kernel's MAX_ARG_STRLEN without the NUL."""
_ARGUMENTS_AT_MOST = 1024 * 1024
"""Of all together: half of what the kernel takes under the usual limit of the stack."""
_LINES = 10
_STREAMED = "WM_STREAM: "
"""A line that begins so is a piece of the streamed result (`worker/stream_lines.py`), and not printed."""
_SPACE = re.compile(r'("(?:[^"\\]|\\.)*+")|\s+', re.DOTALL)


class Bash:
    """Runs the script with bash, as it is found on the worker's PATH."""

    language = "bash"

    def prepare(self, task: Task, limits: Limits) -> Command:
        values = positional(task)
        return Command(
            # -p: neither BASH_ENV nor exported functions of the job's environment change the wrapper.
            argv=(bash(), "-p", f"/job/{_OWN}/{_WRAPPER}", bash()),
            env=task.env,
            files={
                "main.sh": task.content.encode("utf-8", "replace"),
                f"{_OWN}/{_WRAPPER}": wrapper(),
                f"{_OWN}/arguments": b"".join(value + b"\0" for value in values),
                f"{_OWN}/notes": "".join(f"{note}\n" for note in _notes(task)).encode("utf-8", "replace"),
            },
            split_output=True,
            owner=task.workspace,
        )

    def outcome(self, task: Task, limits: Limits, ended: Ended) -> Outcome:
        """The reply is the exit code, a letter (J, O: which file follows; L: none) and the file's content."""
        if (early := reply.not_exited(ended, limits)) is not None:
            return early
        head, _, content = ended.reply.partition(b"\n")
        found = re.fullmatch(rb"(\d{1,3}) ([JOL])", head)
        if found is None:
            return reply.no_result(ended)
        code, kind = int(found[1]), found[2]
        if code != 0:
            return reply.failed(ended, "ExecutionError", _failure(code, ended.tail))
        try:
            return Outcome(ok=True, result=_result(kind, content, ended.stdout), memory_peak=ended.memory_peak)
        except reply.BadReply as error:
            return reply.failed(ended, "BadResult", str(error))


def positional(task: Task) -> list[bytes]:
    """The arguments by position.

    Raises:
        BadRequest: one that no program can be given.
    """
    given = raw_members(task.args)
    values = []
    for name in _order(task):
        value = _value(given.get(name, "null")).encode("utf-8", "replace")
        if b"\0" in value:
            raise BadRequest(f"argument {name!r} contains a NUL character, which no program can be given")
        if len(value) > _ARGUMENT_AT_MOST:
            raise BadRequest(f"argument {name!r} has {len(value)} bytes; a program takes {_ARGUMENT_AT_MOST} at most")
        values.append(value)
    if sum(map(len, values)) > _ARGUMENTS_AT_MOST:
        raise BadRequest(f"the arguments together are over {reply.size(_ARGUMENTS_AT_MOST)}")
    return values


def _value(raw: str) -> str:
    if raw == "null":
        return ""
    if raw.startswith('"'):
        return str(json.loads(raw))
    return _SPACE.sub(lambda found: found[1] or "", raw)


def _order(task: Task) -> list[str]:
    return list(signature(task.content).schema.get("order", []))


def _notes(task: Task) -> list[str]:
    known = set(_order(task))
    return [
        f"argument {name!r} is not a parameter of the script: dropped"
        for name in raw_members(task.args)
        if name not in known
    ]


def _failure(code: int, tail: bytes) -> str:
    printed = tail.decode("utf-8", "replace").rstrip().splitlines()
    lines = [line for line in printed if not line.startswith(_STREAMED)][-_LINES:]
    return "\n".join([f"exit code {code}", *lines])


def _result(kind: bytes, content: bytes, stdout: bytes) -> str:
    if kind == b"J":
        return reply.json_text(content, "result.json")
    if kind == b"O":
        return json.dumps(content.decode("utf-8", "replace").rstrip("\n"), ensure_ascii=False)
    printed = stdout.rstrip(b"\r\n")
    before, _, last = printed.rpartition(b"\n")
    if not before and len(stdout) >= TAIL:
        raise reply.BadReply(
            f"the last line of stdout is longer than {reply.size(TAIL)}: write it to result.out or result.json"
        )
    text = last.rstrip(b"\r").decode("utf-8", "replace")
    return "null" if not printed or text.startswith(_STREAMED) else json.dumps(text, ensure_ascii=False)


@functools.cache
def bash() -> str:
    """Where bash is: at the same place in the jail.

    Raises:
        BadRequest: this worker has none.
    """
    found = shutil.which("bash", path="/usr/local/bin:/usr/bin:/bin")
    if found is None:
        raise BadRequest("this worker has no bash")
    return found


@functools.cache
def wrapper() -> bytes:
    """What runs the script and sends its exit code and result files."""
    return resources.files(__package__).joinpath(_WRAPPER).read_bytes()
