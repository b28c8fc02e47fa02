"""Runs in the jail: an exception → the error of the contract, with the user's frames only."""

from __future__ import annotations

import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from traceback import TracebackException

_OURS = __file__.rpartition("/")[0] + "/"
_MESSAGE_AT_MOST = 20_000
_STACK_AT_MOST = 200_000
_encode = json.JSONEncoder().encode


class Refused(Exception):
    """What the runner itself has to say; no frame of the user's belongs to it."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def describe(error: BaseException, job: str = "/job") -> bytes:
    """`{"name", "message", "stack"}` as JSON, with the frames of files below `job`.

    Never fails because of what the exception is.
    """
    sys.setrecursionlimit(3000)
    if isinstance(error, Refused):
        return _json(error.name, str(error), "")
    if isinstance(error, SyntaxError):
        return _json(type(error).__name__, _syntax(error, job), _stack(error, job))
    if isinstance(error, SystemExit):
        code = error.code
        return _json("SystemExit", f"exit code {code}" if isinstance(code, int) else _text(code), _stack(error, job))
    return _json(type(error).__name__, _text(error), _stack(error, job))


def _json(name: str, message: str, stack: str) -> bytes:
    cut = {"name": name, "message": message[:_MESSAGE_AT_MOST], "stack": stack[-_STACK_AT_MOST:]}
    return _encode(cut).encode()


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"<its text cannot be shown: {type(error).__name__} in __str__>"


def _syntax(error: SyntaxError, job: str) -> str:
    """With the place and the line itself, which str() leaves out."""
    place = (error.filename or "").removeprefix(f"{job}/")
    line = (error.text or "").strip()
    return f"{place} line {error.lineno}: {error.msg}" + (f": {line}" if line else "")


def _stack(error: BaseException, job: str) -> str:
    from traceback import TracebackException, format_exception_only

    try:
        told = TracebackException(type(error), error, error.__traceback__, compact=True)
        _only_users(told, job)
        # Where it lies on this machine is nobody's business.
        return "".join(told.format()).replace(f'File "{job}/', 'File "/job/')
    except Exception:
        # An exception whose attributes raise.
        try:
            return "".join(format_exception_only(type(error), error))
        except Exception:
            return ""


def _only_users(told: TracebackException, job: str) -> None:
    waiting, seen = [told], {id(told)}
    while waiting:
        each = waiting.pop()
        frames = list(each.stack)
        first = next((at for at, frame in enumerate(frames) if frame.filename.startswith(f"{job}/")), 0)
        each.stack[:] = [frame for frame in frames[first:] if not frame.filename.startswith(_OURS)]
        for below in (each.__cause__, each.__context__, *(each.exceptions or ())):
            if below is not None and id(below) not in seen:
                seen.add(id(below))
                waiting.append(below)
