"""Starts bubblewrap with its pipes. Call it from the main thread: a jail dies with the thread that started it."""

import contextlib
import json
import os
import subprocess
from dataclasses import dataclass

from postmill.model.errors import SandboxError
from postmill.sandbox.host import Host
from postmill.sandbox.jail import Blob, Plan
from postmill.sandbox.mark import own_mark


@dataclass(frozen=True, slots=True)
class Spawned:
    """A jail under way and our ends of its pipes, none of which blocks."""

    popen: subprocess.Popen[bytes]
    status: int
    """Where bubblewrap tells, in JSON, the pid of the jail's init."""
    reply: int
    outputs: tuple[int, ...]
    """stdout and stderr as one, or stdout and then stderr."""

    def close(self) -> None:
        for fd in (self.status, self.reply, *self.outputs):
            os.close(fd)


def spawn(plan: Plan, host: Host, *, split_output: bool) -> Spawned:
    """Start it; returns at once.

    Raises:
        SandboxError: no more descriptors or processes on this machine, or bubblewrap is missing.
    """
    with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
        try:
            status, status_to = _pipe(ours, theirs)
            reply, reply_to = _pipe(ours, theirs)
            outputs = [_pipe(ours, theirs) for _ in range(2 if split_output else 1)]
            if host.root:
                # Or opening /dev/stdout, which is this pipe, would be refused to the slot's uid.
                for fd in (reply_to, *(to for _, to in outputs)):
                    os.fchown(fd, plan.uid, plan.uid)
            options, passed = _options(plan, theirs)
            told = _memfd("\0".join([*options, "--json-status-fd", str(status_to), ""]).encode(), theirs)
            popen = subprocess.Popen(
                [own_mark(), "--args", str(told), "--", *plan.argv],
                executable=host.bwrap,
                # Empty: what bubblewrap inherits stays readable in /proc for as long as it lives.
                env={},
                cwd="/",
                stdin=reply_to,
                stdout=outputs[0][1],
                stderr=outputs[-1][1],
                pass_fds=(status_to, told, *passed),
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(f"the sandbox could not be started: {error}") from error
        ours.pop_all()
        return Spawned(popen, status, reply, tuple(fd for fd, _ in outputs))


def init_pid(status: bytes) -> int | None:
    """The pid of the jail's init out of what bubblewrap wrote; None when it made none."""
    try:
        return int(json.loads(status.partition(b"\n")[0])["child-pid"])
    except (ValueError, KeyError, TypeError):
        return None


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    read, write = os.pipe()
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    os.set_blocking(read, False)
    return read, write


def _memfd(content: bytes, theirs: contextlib.ExitStack) -> int:
    fd = os.memfd_create("postmill")
    theirs.callback(os.close, fd)
    left = memoryview(content)
    while left:
        left = left[os.write(fd, left) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _options(plan: Plan, theirs: contextlib.ExitStack) -> tuple[list[str], list[int]]:
    words: list[str] = []
    passed: list[int] = []
    for option in plan.options:
        if isinstance(option, Blob):
            passed.append(_memfd(option.content, theirs))
            words.append(str(passed[-1]))
        else:
            words.append(option)
    return words, passed
