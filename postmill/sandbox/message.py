"""**Pure**: a command → the one message that begins it in a sealed child."""

import json
import re
import struct
from collections.abc import Mapping
from pathlib import PurePosixPath

from postmill.model.errors import BadRequest
from postmill.sandbox.command import Command

STARTED = b"S"
"""The first byte on the reply channel, written by the sandbox itself: all before the user's code went well."""
_HEAD = struct.Struct("!II")
_DEFAULT_ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/job",
    "LANG": "C.UTF-8",
    "PWD": "/job",
    "TMPDIR": "/tmp",
}
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SHELL_OWNS = frozenset({"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID"})
_AT_MOST = 2**32 - 1


def message(command: Command) -> bytes:
    """Two lengths, a head in JSON, the content of the files one after the other.

    Raises:
        BadRequest: an environment variable or a file path that cannot be.
    """
    if not 3 <= command.reply_fd <= 9:
        raise BadRequest(f"reply_fd {command.reply_fd} is not between 3 and 9")
    head = json.dumps(
        {
            "argv": command.argv,
            "call": command.call,
            "env": environment(command.env),
            "files": [(_inside(name), len(content)) for name, content in command.files.items()],
            "split": command.split_output,
            "warm": bool(command.warm),
            "reply_fd": command.reply_fd,
        }
    ).encode()
    content = b"".join(command.files.values())
    if len(content) > _AT_MOST:
        raise BadRequest("the script and its arguments together are over 4 GB")
    return _HEAD.pack(len(head), len(content)) + head + content


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """A job's whole environment.

    Raises:
        BadRequest: a name or a value that no environment can hold.
    """
    for name, value in env.items():
        if not _ENV_NAME.fullmatch(name) or name in _SHELL_OWNS:
            raise BadRequest(f"{name!r} cannot be the name of an environment variable")
        if "\0" in value:
            raise BadRequest(f"the environment variable {name} contains a NUL character")
    return {**_DEFAULT_ENV, **env}


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise BadRequest(f"{name!r} is not a path below the job's directory")
    return str(path)
