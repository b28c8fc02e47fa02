"""A sealed process that takes one call after another: for scripts that ask for it (`dedicated_worker`).

What one call leaves in memory the next one finds: that is what makes it fast, and why it must be asked for. Each reply
comes with its length before it, as the process does not end with it.
"""

import contextlib
import signal
import struct

from postmill.sandbox.command import Ended, EndReason, Limits, OnOutput
from postmill.sandbox.fork_server import Child
from postmill.sandbox.message import STARTED
from postmill.sandbox.process import Process

CALLS_AT_MOST = 1000
"""Then it is replaced: what leaks, leaks no longer."""
_LENGTH = struct.Struct("!I")


class Warm(Process):
    """Make it with the first call's limits and output, `send` the first message; then `again` for each further one."""

    def __init__(self, child: Child, limits: Limits, on_output: OnOutput) -> None:
        super().__init__(child, limits, on_output)
        self.calls = 1
        self.alive = True

    @property
    def usable(self) -> bool:
        """Whether it may be given another call."""
        return self.alive and self._ended.done() and self.calls < CALLS_AT_MOST

    def again(self, limits: Limits, on_output: OnOutput) -> None:
        """Begin another call; `send` it, and `wait` for it."""
        self.calls += 1
        self._ended = self._loop.create_future()
        self._limits = limits
        self._on_output = on_output
        self._reply.clear()
        self._tail = b""
        self._tails = dict.fromkeys(self._tails, b"")
        self._memory_peak = 0
        self._since = self._loop.time()
        self._watch()

    def retire(self) -> None:
        """No more calls: end it."""
        if self.alive:
            # Not `kill`, for which there is nothing under way between two calls.
            self._reason = "shutdown"
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._child.pidfd, signal.SIGKILL)

    def kill(self, reason: EndReason) -> None:
        """End the process, and with it the call under way; without one, nothing happens."""
        if not self._ended.done():
            super().kill(reason)

    def _read_reply(self) -> None:
        super()._read_reply()
        head = len(STARTED) if self.calls == 1 else 0
        start = head + _LENGTH.size
        if len(self._reply) < start or self._ended.done():
            return
        (length,) = _LENGTH.unpack_from(self._reply, head)
        if length > self._limits.result:
            self.kill("result_limit")
        elif len(self._reply) >= start + length:
            self._drain()
            self._stop_timers()
            self._ended.set_result(
                Ended(
                    reason="exited",
                    exit_code=0,
                    reply=bytes(self._reply[start : start + length]),
                    tail=self._tail,
                    duration=self._loop.time() - self._since,
                    memory_peak=self._memory_peak,
                )
            )

    def _end(self) -> None:
        """The process is gone: in a call, or between two."""
        self.alive = False
        between = self._ended.done()
        if between:
            self._ended = self._loop.create_future()
        super()._end()
        if between:
            self._close_pidfd()

    def _close_pidfd(self) -> None:
        if not self.alive:
            super()._close_pidfd()

    def _take(self, fd: int, piece: bytes) -> None:
        # Between two calls nobody listens: what a thread that a call left behind still says is nobody's.
        if not self._ended.done():
            super()._take(fd, piece)
