"""Which Pythons scripts can run with on this machine: this process's own, and what uv finds. None is downloaded."""

import asyncio
import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from postmill.model.errors import BadRequest, PostmillError

LEAST = (3, 11)
_PATIENCE_S = 20.0
_ASK = """
import json, os, sys
executable = getattr(sys, "_base_executable", None) or sys.executable
print(json.dumps([os.path.realpath(executable), os.path.realpath(sys.base_prefix), list(sys.version_info[:3])]))
"""
_PART = re.compile(r"(==|!=|>=|<=|~=|>|<)(\d+(?:\.\d+)*)(\.\*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """One of them. Paths are real: no virtual environment's, no shim's."""

    version: tuple[int, int, int]
    executable: str
    prefix: str

    @property
    def minor(self) -> str:
        """'3.11'."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def full(self) -> str:
        """'3.11.7'."""
        return ".".join(map(str, self.version))


@functools.cache
def own() -> Interpreter:
    """This process's."""
    executable = getattr(sys, "_base_executable", None) or sys.executable
    major, minor, patch = sys.version_info[:3]
    return Interpreter(
        version=(major, minor, patch),
        executable=os.path.realpath(executable),
        prefix=os.path.realpath(sys.base_prefix),
    )


@functools.cache
def uv() -> str:
    """The program uv.

    Raises:
        PostmillError: it is not there.
    """
    with contextlib.suppress(ImportError, FileNotFoundError):
        from uv import find_uv_bin

        return os.path.realpath(find_uv_bin())
    found = shutil.which("uv")
    if found is None:
        raise PostmillError("the program 'uv' is missing: pip install uv")
    return os.path.realpath(found)


@functools.cache
def installed() -> tuple[Interpreter, ...]:
    """One for each minor version, the newest first; of its own minor version this process's. Takes a second, once."""
    found = {own().version[:2]: own()}
    for candidate in sorted(filter(None, map(_ask, _listed())), key=lambda each: each.version, reverse=True):
        found.setdefault(candidate.version[:2], candidate)
    return tuple(found[version] for version in sorted(found, reverse=True))


def _listed() -> list[str]:
    command = [uv(), "python", "list", "--only-installed", "--output-format", "json", "--no-config"]
    env = {name: os.environ[name] for name in ("PATH", "HOME", "PYENV_ROOT") if name in os.environ}
    env["UV_PYTHON_DOWNLOADS"] = "never"
    try:
        done = subprocess.run(command, env=env, capture_output=True, timeout=_PATIENCE_S, check=True)
        listed: list[dict[str, Any]] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    return [
        str(each["path"])
        for each in listed
        if each.get("implementation") == "cpython"
        and each.get("variant", "default") == "default"
        # 3.13.0rc1 and the like are no version of anything.
        and re.fullmatch(r"\d+\.\d+\.\d+", str(each.get("version")))
        and tuple(map(int, str(each["version"]).split(".")))[:2] >= LEAST
    ]


def _ask(path: str) -> Interpreter | None:
    try:
        done = subprocess.run([path, "-I", "-S", "-c", _ASK], capture_output=True, timeout=_PATIENCE_S, check=True)
        executable, prefix, (major, minor, patch) = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(version=(int(major), int(minor), int(patch)), executable=str(executable), prefix=str(prefix))


def choose_now(wish: str) -> Interpreter:
    """`choose`, which blocks for a second when `installed` was never asked before and the own one does not fit."""
    return own() if not wish or _fits(own(), wish) else pick(installed(), wish)


async def choose(wish: str) -> Interpreter:
    """The interpreter that fits a specifier (`>=3.12`, `==3.12.*`): this process's own where it does, else the newest.

    Raises:
        BadRequest: none does; the message names those that there are.
    """
    if wish and not _fits(own(), wish):
        await asyncio.to_thread(installed)
    return choose_now(wish)


async def of_minor(minor: str) -> Interpreter:
    """The interpreter of this minor version ('3.12'; "" for this process's own).

    Raises:
        BadRequest: there is none.
    """
    return await choose(f"=={minor}.*" if minor else "")


def pick(candidates: Iterable[Interpreter], wish: str) -> Interpreter:
    """The first that fits. Raises BadRequest."""
    candidates = tuple(candidates)
    for candidate in candidates:
        if _fits(candidate, wish):
            return candidate
    there = ", ".join(candidate.full for candidate in candidates)
    raise BadRequest(f"no Python that fits '# py: {wish}' is installed on this worker; there are: {there}")


def _fits(interpreter: Interpreter, wish: str) -> bool:
    return all(_holds(interpreter.version, part.strip()) for part in wish.split(","))


def _holds(version: tuple[int, ...], part: str) -> bool:
    match = _PART.fullmatch(part)
    if match is None:
        raise BadRequest(f"# py: {part!r} is not a Python version, as 3.12 or >=3.12")
    operator, wanted = match[1], tuple(map(int, match[2].split(".")))
    start = version[: len(wanted)]
    padded = (*wanted, 0, 0)[:3]
    match operator:
        case "==":
            return start == wanted if match[3] else version == padded
        case "!=":
            return start != wanted if match[3] else version != padded
        case ">=":
            return version >= padded
        case "<=":
            return version <= padded
        case ">":
            return version > padded
        case "<":
            return version < padded
    return version >= padded and version[: max(1, len(wanted) - 1)] == wanted[: max(1, len(wanted) - 1)]
