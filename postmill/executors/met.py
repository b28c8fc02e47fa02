"""**Pure**: which limit a failed job met, from what the kernel counted and what the job said.

A limit that a job met and got along with is no failure and is not named. What the sandbox itself ended (timeout,
result, memory by polling) has its reason already; here are those that the kernel enforces, which a job sees as an error
of its own: a refused process, descriptor, byte. Too much CPU is slowed down, not ended.
"""

import json
import re
import signal
from dataclasses import dataclass, replace
from typing import Literal

from postmill.executors.contract import Ended, Limits, Outcome
from postmill.model.job import failure
from postmill.model.options import VARIABLES, shown

Limit = Literal["memory", "pids", "files", "disk", "inodes", "log"]

_SAID = 4096
_LINES = 10
"""Of the end of the output, in bytes and in lines: what is searched."""

_MEMORY = re.compile(
    r"\bMemoryError\b|\[Errno 12\]|Cannot allocate memory|std::bad_alloc|cannot allocate \d+ bytes"
    r"|JavaScript heap out of memory|runtime: out of memory",
)
_PIDS = re.compile(
    r"can't start new thread|fork(: retry)?: Resource temporarily unavailable|fork: retry: "
    r"|failed to create new OS thread|pthread_create failed|Cannot fork|unable to fork",
)
_AGAIN = re.compile(r"\[Errno 11\]|\bEAGAIN\b|Resource temporarily unavailable")
_STARTS = re.compile(r"fork|spawn|subprocess|popen|Process|Pool|Executor|pthread", re.IGNORECASE)
"""What tells a refused process from a descriptor that has nothing to read: both are EAGAIN."""
_FILES = re.compile(r"\[Errno 24\]|\bEMFILE\b|Too many open files(?! in system)")
_SPACE = re.compile(r"\[Errno 28\]|\bENOSPC\b|No space left on device|database or disk is full")
_LONG_FILE = re.compile(r"\[Errno 27\]|\bEFBIG\b|File too large|File size limit exceeded")
_XFSZ = (-signal.SIGXFSZ, 128 + signal.SIGXFSZ)


@dataclass(frozen=True, slots=True)
class Met:
    """`reason` is the job's end reason, `words` a sentence without its subject."""

    limit: Limit
    words: str

    @property
    def reason(self) -> str:
        return f"{self.limit}_limit"


def met(ended: Ended, limits: Limits, error: str = "", *, printed: bool = True) -> Met | None:
    """The limit that a failed job met; None when nothing speaks for one.

    `error` is the job's own error, name, message and stack in one text; `printed`: the end of its output counts too.
    """
    limit = _counted(ended) or _told(ended, error, _said(ended.tail) if printed else "")
    return Met(limit, words(limit, limits)) if limit else None


def words(limit: Limit, limits: Limits) -> str:
    """As `limit_words`, of these limits."""
    return limit_words(limit, getattr(limits, limit))


def limit_words(limit: Limit, value: int) -> str:
    """A sentence without its subject: the limit's size, how a script sets it, and the setting above that."""
    size = shown(limit, value)
    what = {
        "memory": f"{size} of memory",
        "pids": f"{size} processes and threads",
        "files": f"{size} open files",
        "disk": f"{size} of files",
        "inodes": f"{size} files and directories",
        "log": f"{size} of log",
    }[limit]
    return f"met its limit of {what} (limits: {limit}={size}; {VARIABLES[limit]})"


def named(outcome: Outcome, ended: Ended, limits: Limits) -> Outcome:
    """The same outcome; of a failure without another reason, the limit that it met is its reason and in its error."""
    if outcome.ok or outcome.end_reason is not None:
        return outcome
    error = json.loads(outcome.result)["error"]
    # An exception speaks for itself, unless it is a program that failed: then what the program said counts.
    printed = not error["stack"] or error["name"] == "CalledProcessError"
    found = met(ended, limits, f"{error['name']}: {error['message']}\n{error['stack']}", printed=printed)
    return outcome if found is None else _with(outcome, found)


def log_cut(outcome: Outcome, max_log: int) -> Outcome:
    """The same for a job whose log was cut, which by itself ends no job."""
    if outcome.ok or outcome.end_reason is not None:
        return outcome
    return _with(outcome, Met("log", limit_words("log", max_log)))


def _with(outcome: Outcome, found: Met) -> Outcome:
    error = json.loads(outcome.result)["error"]
    message = f"{error['message'].rstrip()}\nThe job {found.words}.".lstrip()
    return replace(outcome, result=failure(error["name"], message, error["stack"]), end_reason=found.reason)


def _counted(ended: Ended) -> Limit | None:
    """What the kernel counted is beyond doubt."""
    if ended.oom_kills:
        return "memory"
    if ended.pids_hits:
        return "pids"
    if ended.exit_code in _XFSZ:
        return "disk"
    return None


def _told(ended: Ended, error: str, said: str) -> Limit | None:
    for text in (error, said):
        if _MEMORY.search(text):
            return "memory"
        if _PIDS.search(text) or (_AGAIN.search(text) and _STARTS.search(text)):
            return "pids"
        if _FILES.search(text):
            return "files"
        if _LONG_FILE.search(text):
            return "disk"
        if _SPACE.search(text):
            return _full(ended) or "disk"
    # It may have its own words for it, or none.
    return _full(ended)


def _said(tail: bytes) -> str:
    return "\n".join(tail[-_SAID:].decode("utf-8", "replace").rstrip().splitlines()[-_LINES:])


def _full(ended: Ended) -> Limit | None:
    if "disk" in ended.full:
        return "disk"
    return "inodes" if "inodes" in ended.full else None
