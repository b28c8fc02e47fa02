"""The dead-man's timer: kills a worker's jobs when the worker is stopped, stuck or gone.

A worker that loses its lease must not run on beside the next owner of its jobs. It says so itself as long as it runs;
for when it does not (SIGSTOP, a blocked loop, SIGKILL), a small process of its own holds a pidfd of every job and one
deadline. `deadman_timer.py` is that process.
"""

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

from postmill.sandbox.mark import own_mark

log = logging.getLogger("postmill.sandbox")


class DeadMan:
    """The worker's side. `start()` before the first job; none of the calls waits."""

    def __init__(self) -> None:
        self._watched: dict[str, int] = {}
        self._deadline: float | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Start the timer's process. Until the first `extend` there is no deadline, only this process's own end."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("deadman_timer.py")), own_mark()],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={},
                cwd="/",
                # Whoever signals the worker's process group must not take the timer with it.
                start_new_session=True,
            )
        ours.setblocking(False)
        self._socket = ours

    def watch(self, key: str, pidfd: int) -> None:
        """Kill the process of `pidfd` when the deadline passes, until `forget(key)`. The pidfd is duplicated."""
        self._drop(key)
        self._watched[key] = os.dup(pidfd)
        self._send(["watch", key], self._watched[key])

    def forget(self, key: str) -> None:
        """The process ended. Unknown keys are fine."""
        if self._drop(key):
            self._send(["forget", key])

    def extend(self, deadline: float) -> None:
        """One deadline for all, on the clock of `time.monotonic()`, in seconds."""
        self._deadline = deadline
        self._send(["extend", deadline])

    def close(self) -> None:
        """End the timer; what is still watched is killed."""
        if self._socket is not None:
            self._send(["leave"])
            self._socket.close()
            self._socket = None
        if self._popen is not None:
            self._popen.wait()
            self._popen = None
        for key in list(self._watched):
            self._drop(key)

    def _drop(self, key: str) -> bool:
        pidfd = self._watched.pop(key, None)
        if pidfd is None:
            return False
        os.close(pidfd)
        return True

    def _send(self, message: list[str | float], pidfd: int | None = None) -> None:
        if self._socket is None:
            return
        try:
            _send(self._socket, message, pidfd)
        except OSError as error:
            # Full, or its reader is gone: either way it does not keep time any more.
            log.error("the dead-man's timer is started again: %s", error)
            self._start_again()

    def _start_again(self) -> None:
        if self._popen is not None:
            # First, lest it take the closed socket for our end and kill the jobs.
            self._popen.kill()
            self._popen.wait()
        if self._socket is not None:
            self._socket.close()
        self.start()
        assert self._socket is not None
        with contextlib.suppress(OSError):
            if self._deadline is not None:
                _send(self._socket, ["extend", self._deadline], None)
            for key, pidfd in self._watched.items():
                _send(self._socket, ["watch", key], pidfd)


def _send(to: socket.socket, message: list[str | float], pidfd: int | None) -> None:
    socket.send_fds(to, [json.dumps(message).encode()], [] if pidfd is None else [pidfd])
