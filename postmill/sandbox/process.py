"""One jailed command: start, stream, limit, kill, wait until nothing of it is left.

The event loop's readers and timers drive it, not the task that waits: whether anybody waits or not, the pipes are
read, the limits hold, and a kill takes effect. The job is over when its fork-server says that nothing of it is left, or
is gone itself, and with it all that it started.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from postmill.sandbox import tree
from postmill.sandbox.command import TAIL, Ended, EndReason, Limits, OnOutput
from postmill.sandbox.fork_server import Child
from postmill.sandbox.message import STARTED

log = logging.getLogger("postmill.sandbox")

_PIECE = 64 * 1024
_BURST = 1024**2
_WINDOW_S = 0.05
"""At most a burst of output a window (20 MB/s): a flood fills its own pipe and waits, the worker stays awake."""
_FIRST_SAMPLE_S = 0.05
_SAMPLE_S = 0.5
_DRAIN_AT_MOST = 4 * 1024**2


class Process:
    """A job in a sealed child, which it owns from here on; `send` begins it."""

    def __init__(self, child: Child, limits: Limits, on_output: OnOutput, *, split_output: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Ended] = self._loop.create_future()
        self._child = child
        self._split = split_output
        self._limits = limits
        self._on_output = on_output
        self._reason: EndReason | None = None
        self._reply = bytearray()
        self._tails = dict.fromkeys(child.outputs, b"")
        self._tail = b""
        self._open_outputs = set(child.outputs if split_output else child.outputs[:1])
        self._window: asyncio.TimerHandle | None = None
        self._burst = 0
        self._memory_peak = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._since = self._loop.time()
        self._rest = memoryview(b"")
        self._closed = False
        self._listen()

    @property
    def pidfd(self) -> int:
        """The jail's init: killing it kills the tree. Open until `wait` returns; duplicate it to keep it longer."""
        return self._child.pidfd

    def send(self, message: bytes) -> None:
        """The job itself, as `message.py` writes it. Whether the child takes it shows in how it ends."""
        try:
            sent = os.write(self._child.channel, message)
        except BlockingIOError:
            sent = 0
        except OSError:
            return
        if sent < len(message):
            self._rest = memoryview(message)[sent:]
            self._loop.add_writer(self._child.channel, self._send_on)

    def on_end(self, call: Callable[[], None]) -> None:
        """Call this in the event loop once nothing of the job is left."""
        self._ended.add_done_callback(lambda _: call())

    def kill(self, reason: EndReason) -> None:
        """End the tree at once (SIGKILL). Idempotent; the first reason stays."""
        if self._ended.done():
            return
        self._reason = self._reason or reason
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._child.pidfd, signal.SIGKILL)

    async def wait(self) -> Ended:
        """Wait for the end. Cancelled, it kills the tree and waits for that before it passes the cancellation on."""
        try:
            ended = await asyncio.shield(self._ended)
        except asyncio.CancelledError:
            self.kill("canceled")
            while not self._ended.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([self._ended])
            self._close_pidfd()
            raise
        self._close_pidfd()
        return ended

    # Reading --------------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        self._loop.add_reader(self._child.status, self._end)
        self._loop.add_reader(self._child.channel, self._read_reply)
        for fd in self._open_outputs:
            self._loop.add_reader(fd, self._read_output, fd)
        self._watch()

    def _watch(self) -> None:
        self._later("timeout", self._limits.timeout, self._time_out)
        self._later("sample", _FIRST_SAMPLE_S, self._sample)

    def _later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(seconds, call)

    def _send_on(self) -> None:
        try:
            self._rest = self._rest[os.write(self._child.channel, self._rest) :]
        except BlockingIOError:
            return
        except OSError:
            self._rest = memoryview(b"")
        if not self._rest:
            self._loop.remove_writer(self._child.channel)

    def _read_reply(self) -> None:
        piece = _read(self._child.channel)
        if piece == b"":
            self._loop.remove_reader(self._child.channel)
        elif piece:
            room = self._limits.result + len(STARTED) + 1 - len(self._reply)
            self._reply.extend(piece[:room])
            if len(self._reply) > self._limits.result + len(STARTED):
                self._loop.remove_reader(self._child.channel)
                self.kill("result_limit")

    def _read_output(self, fd: int) -> None:
        piece = _read(fd)
        if piece == b"":
            self._loop.remove_reader(fd)
            self._open_outputs.discard(fd)
        elif piece:
            self._take(fd, piece)
            self._burst += len(piece)
            if self._window is None:
                self._window = self._loop.call_later(_WINDOW_S, self._next_window)
            if self._burst >= _BURST:
                for each in self._open_outputs:
                    self._loop.remove_reader(each)

    def _next_window(self) -> None:
        self._window = None
        if self._burst >= _BURST:
            for fd in self._open_outputs:
                self._loop.add_reader(fd, self._read_output, fd)
        self._burst = 0

    def _take(self, fd: int, piece: bytes) -> None:
        self._tail = (self._tail + piece)[-TAIL:]
        self._tails[fd] = (self._tails[fd] + piece)[-TAIL:]
        self._on_output(piece)

    # Limits ---------------------------------------------------------------------------------------------------------

    def _time_out(self) -> None:
        self._reason = self._reason or "timeout"
        tree.terminate(self._roots())
        self._later("grace", self._limits.kill_grace, lambda: self.kill("timeout"))

    def _sample(self) -> None:
        roots = self._roots()
        seen = tree.memory(roots)
        self._memory_peak = max(self._memory_peak, seen.resident)
        if seen.private > self._limits.memory and tree.shared_out(roots) > self._limits.memory:
            self.kill("memory_limit")
        self._later("sample", _SAMPLE_S, self._sample)

    def _roots(self) -> list[int]:
        """The program, and the init that adopts its orphans."""
        return [pid for pid in map(_pid_of, (self._child.program, self._child.pidfd)) if pid > 0]

    # The end --------------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        self._stop_timers()
        if self._window is not None:
            self._window.cancel()
        for fd in (self._child.status, self._child.channel, *self._open_outputs):
            self._loop.remove_reader(fd)
        self._loop.remove_writer(self._child.channel)
        self._drain()
        told = _told(_read(self._child.status) or b"")
        for fd in (self._child.channel, self._child.status, self._child.program, *self._child.outputs):
            os.close(fd)
        self._ended.set_result(self._summary(told))

    def _stop_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()

    def _drain(self) -> None:
        """What was written before the end. Bounded, as a descriptor may have been passed out of the jail."""
        left = _DRAIN_AT_MOST
        for fd in self._open_outputs:
            while left > 0 and (piece := _read(fd)):
                left -= len(piece)
                self._take(fd, piece)
        while len(self._reply) <= self._limits.result + len(STARTED) and (piece := _read(self._child.channel)):
            self._reply.extend(piece)

    def _summary(self, told: dict[str, Any]) -> Ended:
        started = self._reply.startswith(STARTED)
        reply = bytes(self._reply[len(STARTED) :])
        # What says no exit code was killed with its init, or with its fork-server.
        reason = self._reason or ("exited" if started and "exit" in told else "sandbox")
        if reason == "exited" and len(reply) > self._limits.result:
            reason = "result_limit"
        if reason == "sandbox":
            self._tail += str(told.get("failed", "its fork-server ended")).encode()
            log.error("the sandbox failed", extra={"said": self._tail[-1000:].decode("utf-8", "replace")})
        return Ended(
            reason=reason,
            exit_code=int(told.get("exit", -signal.SIGKILL)),
            reply=reply[: self._limits.result],
            tail=self._tail,
            stdout=self._tails[self._child.outputs[0]] if self._split else b"",
            duration=self._loop.time() - self._since,
            memory_peak=max(self._memory_peak, int(told.get("memory", 0))),
            full=tuple(told.get("full", ())),
        )

    def _close_pidfd(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._child.pidfd)


def _read(fd: int) -> bytes | None:
    """A piece, b"" at the end of the pipe, None when there is nothing now."""
    try:
        return os.read(fd, _PIECE)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        # A socket whose other side ended with something unread in it.
        return b""


def _told(status: bytes) -> dict[str, Any]:
    """What the fork-server said: {} when it was gone before it could, or said nothing that one can read."""
    try:
        return dict(json.loads(status))
    except (ValueError, TypeError):
        return {}


def _pid_of(pidfd: int) -> int:
    """As this process sees it; -1 when it has ended."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        if line.startswith("Pid:"):
            return int(line[4:])
    return -1
