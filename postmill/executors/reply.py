"""What a job sent back, read as from an enemy, and the failures that every language shares."""

import json
import re
import signal
from typing import Any, NoReturn

from postmill.executors.contract import Ended, EndReason, Limits, Outcome
from postmill.executors.met import words
from postmill.model.job import failure

MAX_DEPTH = 500
"""How deep a result may be nested: below what Python, Postgres and browsers can read."""
_MESSAGE_AT_MOST = 10_000
_STACK_AT_MOST = 100_000

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class BadReply(Exception):
    """The reply is not what a runner sends."""


def not_exited(ended: Ended, limits: Limits) -> Outcome | None:
    """The failure of a job that did not end by itself; None when it did."""
    said = ended.tail[-2000:].decode("utf-8", "replace").strip()
    names: dict[EndReason, tuple[str, str]] = {
        "timeout": ("Timeout", f"ran longer than its timeout of {limits.timeout:g} s (POSTMILL_JOB_TIMEOUT)"),
        "canceled": ("Canceled", "was canceled"),
        "lost_lease": ("LostLease", "the job passed to another worker while it ran"),
        "shutdown": ("Shutdown", "the worker was stopped while it ran"),
        "result_limit": ("ResultTooLarge", f"the result is over {size(limits.result)} (POSTMILL_MAX_RESULT)"),
        "memory_limit": ("MemoryLimit", f"its processes together {words('memory', limits)}"),
        "pids_limit": ("PidsLimit", f"it {words('pids', limits)}"),
        "files_limit": ("FilesLimit", f"it {words('files', limits)}"),
        "disk_limit": ("DiskLimit", f"it {words('disk', limits)}"),
        "inodes_limit": ("InodesLimit", f"it {words('inodes', limits)}"),
        "log_limit": ("LogLimit", "its log met its limit (limits: log; POSTMILL_MAX_LOG)"),
        "deadline": ("Deadline", "the worker could not renew its lease in time"),
        "sandbox": ("SandboxError", f"the sandbox failed before the script began: {said or 'no reason given'}"),
    }
    if ended.reason == "exited":
        return None
    name, message = names[ended.reason]
    return failed(ended, name, message, reason=ended.reason)


def failed(ended: Ended, name: str, message: str, stack: str = "", reason: str | None = None) -> Outcome:
    """A failure in the contract's form. Texts are cut to a size that a page can show."""
    text = failure(
        _clean(name, 200),
        _clean(message, _MESSAGE_AT_MOST),
        _clean(stack, _STACK_AT_MOST),
    )
    return Outcome(ok=False, result=text, end_reason=reason, memory_peak=ended.memory_peak)


def no_result(ended: Ended) -> Outcome:
    """The failure of a script that ended without a word."""
    return failed(ended, "NoResult", f"the script ended without a result ({how_it_ended(ended.exit_code)})")


def how_it_ended(exit_code: int) -> str:
    """In words: 'exit code 3' or 'signal SIGKILL'."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = str(-exit_code)
    hint = ", which also comes when the machine is out of memory" if name == "SIGKILL" else ""
    return f"signal {name}{hint}"


def size(number: int) -> str:
    """Bytes in words, exact."""
    for unit, factor in (("GB", 1024**3), ("MB", 1024**2), ("kB", 1024)):
        if number >= factor and number % factor == 0:
            return f"{number // factor} {unit}"
    return f"{number} bytes"


def json_text(reply: bytes, what: str = "the result") -> str:
    """A reply that must be JSON, as text. Builds nothing of it, so that memory stays near its size.

    Raises:
        BadReply: not UTF-8, not JSON (NaN and Infinity are not), or nested too deeply.
    """
    if _deeper_than(MAX_DEPTH, reply):
        raise BadReply(f"{what} is nested deeper than {MAX_DEPTH} levels")
    try:
        text = reply.decode()
        json.loads(
            text,
            object_pairs_hook=_nothing,
            parse_int=_nothing,
            parse_float=_nothing,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError) as error:
        raise BadReply(f"{what} is not JSON: {error}") from None
    return text


def error_of(reply: bytes) -> tuple[str, str, str]:
    """Name, message and stack of a runner's error.

    Raises:
        BadReply: it is not one.
    """
    found = json.loads(json_text(reply, "the error"))
    if not isinstance(found, dict):
        raise BadReply("the error is not an object")
    words = [found.get(key, "") for key in ("name", "message", "stack")]
    if not all(isinstance(word, str) for word in words):
        raise BadReply("the error does not consist of texts")
    return words[0], words[1], words[2]


def _deeper_than(limit: int, text: bytes) -> bool:
    """Whether brackets nest deeper. Each round takes away the innermost pairs, at the speed of C."""
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    rest = _STRING.sub(b"", text).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(limit):
        rest = rest.replace(b"[]", b"")
        if not rest:
            return False
    return True


def _nothing(_: Any) -> None:
    return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _clean(text: str, at_most: int) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= at_most else text[:at_most] + "…"
