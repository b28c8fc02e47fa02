"""Requirements → lock: the command that resolves them in a jail, and what it answered.

A package without a wheel runs code of its own while it is resolved. So the resolver is jailed as any job is, sees no
secret, and its answer is read as from an enemy. Where the index or the proxy has a password, which the resolver must
know, nothing is built: only packages with wheels are taken then.
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from postmill.environments.interpreters import Interpreter, uv
from postmill.environments.lock import Lock, read_lock
from postmill.environments.sources import Sources
from postmill.language.python_requirements import Requirements
from postmill.model.errors import BadRequest, PostmillError
from postmill.model.job import Result
from postmill.sandbox.command import Command, Ended, Limits, OnOutput

Jailed = Callable[[Command, Limits, OnOutput], Awaitable[Ended]]
"""Runs a command in a jail to its end; cancelled, nothing is left of it."""

MEMORY = 4 * 1024**3
DISK = 4 * 1024**3
TIMEOUT_S = 600.0
REPLY = 8 * 1024 * 1024
INODES = 500_000
_IN, _OUT = "requirements.in", "lock.txt"
# The answer's descriptor is closed to the resolver, and so to what it builds.
_SCRIPT = f'"$@" --output-file {_OUT} {_IN} 3>&- && cat {_OUT} >&3'
_NOISE = re.compile(r"^(Using CPython .*|Resolved \d+ packages? in .*|warning: .*)$")
_NOT_BUILT = re.compile(r"Wheels are required for `([A-Za-z0-9._-]+)`")
NO_BUILD_HINT = (
    "hint: packages without a wheel are not built here, as POSTMILL_INDEX_URL or the proxy has a password that their "
    "set-up code could read"
)


class ResolveError(PostmillError):
    """The requirements cannot be resolved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be resolved, for which Python; `known` is a lock whose versions stay where they can."""

    requirements: Requirements
    interpreter: Interpreter
    known: Lock = field(default_factory=Lock)


def limits(asked: Limits) -> Limits:
    """A resolver's bounds: its threads take address space, and source distributions room."""
    return replace(
        asked,
        memory=max(asked.memory, MEMORY),
        pids=max(asked.pids, 512),
        files=max(asked.files, 4096),
        disk=max(asked.disk, DISK),
        inodes=max(asked.inodes, INODES),
        result=REPLY,
        timeout=min(asked.timeout, TIMEOUT_S),
    )


def command(question: Question, sources: Sources, owner: str = "") -> Command:
    """What the jail runs, for a job of this workspace. Its output is the resolver's own words, for the job's log."""
    files = {_IN: "".join(f"{line}\n" for line in question.requirements.lines).encode(), **sources.jailed_files()}
    if question.known.pins:
        # uv keeps the versions that it finds in its output file.
        files[_OUT] = question.known.pinned().encode()
    words = [uv(), "pip", "compile", "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"]
    words += ["--python", question.interpreter.executable, "--cache-dir", "/job/.cache", "--quiet"]
    if sources.confidential:
        words.append("--no-build")
    return Command(
        argv=("/bin/sh", "-c", _SCRIPT, "sh", *words),
        env=sources.jailed_environment() | {"HOME": "/job"},
        files=files,
        read_only=(question.interpreter.prefix, uv()),
        owner=owner,
    )


def answer(question: Question, sources: Sources, ended: Ended) -> str:
    """The lock's text.

    Raises:
        ResolveError: in the resolver's own words.
    """
    if ended.reason == "timeout":
        raise ResolveError(f"the dependencies were not resolved in {TIMEOUT_S:g} s")
    if ended.reason != "exited":
        raise ResolveError(f"the dependencies were not resolved ({ended.reason}): {said(ended.tail, sources)}")
    if ended.exit_code != 0 or not ended.reply:
        raise ResolveError(said(ended.tail, sources) or f"the resolver ended with exit code {ended.exit_code}")
    try:
        found = read_lock(ended.reply.decode())
    except (UnicodeDecodeError, BadRequest) as error:
        raise ResolveError(f"the resolver's answer is not a lock: {error}") from None
    return Lock(python=question.interpreter.minor, pins=found.pins).text()


def said(output: bytes, sources: Sources) -> str:
    """The resolver's words, without its small talk and without secrets."""
    lines = sources.hide(output.decode("utf-8", "replace")).splitlines()
    text = "\n".join(line for line in lines if not _NOISE.match(line)).strip()
    if sources.confidential and not_built(text):
        text = f"{text}\n{NO_BUILD_HINT}"
    return text


def not_built(text: str) -> frozenset[str]:
    """Packages that uv would have had to build, by its own words."""
    return frozenset(_NOT_BUILT.findall(text))


def result_of(lock: str) -> str:
    """A dependency job's result, as JSON text: the contract's `{"lock": …}`."""
    return json.dumps({"lock": lock})


def lock_of(result: Result) -> str | None:
    """The lock in it; None of a job that failed."""
    if result.status != "success":
        return None
    found = json.loads(result.result)
    return str(found["lock"]) if isinstance(found, dict) and "lock" in found else None
