"""One jailed command: start, stream, limit, kill, wait until nothing of it is left.

The event loop's readers and timers drive it, not the task that waits: whether anybody waits or not, the pipes are
read, the limits hold, and a kill takes effect. The jail is gone when its init is gone, for the kernel ends a pid
namespace's init only after all others in it.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable

from postmill.model.errors import SandboxError
from postmill.sandbox import tree
from postmill.sandbox.command import TAIL, Command, Ended, EndReason, Limits, OnOutput
from postmill.sandbox.host import Host, survey
from postmill.sandbox.jail import STARTED, plan, slot_uid
from postmill.sandbox.spawn import Spawned, init_pid, spawn

log = logging.getLogger("postmill.sandbox")

_PIECE = 64 * 1024
_BURST = 1024**2
_WINDOW_S = 0.05
"""At most a burst of output a window (20 MB/s): a flood fills its own pipe and waits, the worker stays awake."""
_FIRST_SAMPLE_S = 0.05
_SAMPLE_S = 0.5
_DRAIN_AT_MOST = 4 * 1024**2


async def start(
    command: Command, limits: Limits, slot: int, on_output: OnOutput, host: Host | None = None
) -> "Process":
    """Start a command in a jail of its own, on this machine as `survey` finds it.

    Raises:
        BadRequest: the command asks for what cannot be.
        SandboxError: no jail can be made here; the message says what to change.
    """
    host = host or survey()
    made = plan(command, limits, host, slot_uid(host, slot, os.getpid()))
    spawned = spawn(made, host, split_output=command.split_output)
    try:
        told = await _first_line(spawned.status)
    except BaseException:
        _abandon(spawned)
        raise
    init = init_pid(told)
    if init is None:
        raise SandboxError(explain(_abandon(spawned), host))
    try:
        return Process(spawned, init, limits, on_output)
    except OSError as error:
        _abandon(spawned, init)
        raise SandboxError(f"the sandbox could not be watched: {error}") from error


async def _first_line(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()
    got = bytearray()

    def read() -> None:
        piece = os.read(fd, 4096)
        got.extend(piece)
        if (not piece or b"\n" in got) and not done.done():
            done.set_result(bytes(got))

    loop.add_reader(fd, read)
    try:
        return await done
    finally:
        loop.remove_reader(fd)


def _abandon(spawned: Spawned, init: int | None = None) -> str:
    """Kill what was begun; returns what it said."""
    with contextlib.suppress(BlockingIOError):
        init = init or init_pid(os.read(spawned.status, 4096))
    if init is not None:
        with contextlib.suppress(OSError):
            os.kill(init, signal.SIGKILL)
    spawned.popen.kill()
    spawned.popen.wait()
    try:
        return os.read(spawned.outputs[-1], _PIECE).decode("utf-8", "replace").strip()
    except BlockingIOError:
        return ""
    finally:
        spawned.close()


def explain(said: str, host: Host) -> str:
    """What to change, out of what bubblewrap said."""
    if host.root:
        advice = "as root in a container, it needs CAP_SYS_ADMIN and a seccomp profile that lets it make namespaces"
    else:
        advice = (
            "let ordinary users make user namespaces: sysctl user.max_user_namespaces=10000, and where it exists "
            "kernel.unprivileged_userns_clone=1 (Debian) or kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)"
        )
    return f"no sandbox can be made here ({said or 'bubblewrap said nothing'}): {advice}"


class Process:
    """A jailed command under way, as `start` makes it."""

    def __init__(self, spawned: Spawned, init: int, limits: Limits, on_output: OnOutput) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Ended] = self._loop.create_future()
        self._spawned = spawned
        self._init = init
        self._limits = limits
        self._on_output = on_output
        self._reason: EndReason | None = None
        self._reply = bytearray()
        self._tails = {fd: b"" for fd in spawned.outputs}
        self._tail = b""
        self._open_outputs = set(spawned.outputs)
        self._window: asyncio.TimerHandle | None = None
        self._burst = 0
        self._memory_peak = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._since = self._loop.time()
        # Two: the outermost process, whose exit code counts, and the init, whose end is the end of all others.
        self._pidfds = {os.pidfd_open(spawned.popen.pid)}
        self._init_pidfd: int | None = None
        with contextlib.suppress(ProcessLookupError):
            self._init_pidfd = os.pidfd_open(init)
            self._pidfds.add(self._init_pidfd)
        self._alive = set(self._pidfds)
        self._pidfd = self._init_pidfd if self._init_pidfd is not None else min(self._pidfds)
        self._listen()

    @property
    def pidfd(self) -> int:
        """The jail's init: killing it kills the tree. Open until `wait` returns; duplicate it to keep it longer."""
        return self._pidfd

    def kill(self, reason: EndReason) -> None:
        """End the tree at once (SIGKILL). Idempotent; the first reason stays."""
        if self._ended.done():
            return
        self._reason = self._reason or reason
        for pidfd in self._alive:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    async def wait(self) -> Ended:
        """Wait for the end. Cancelled, it kills the tree and waits for that before it passes the cancellation on."""
        try:
            ended = await asyncio.shield(self._ended)
        except asyncio.CancelledError:
            self.kill("canceled")
            while not self._ended.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([self._ended])
            self._close_pidfds()
            raise
        self._close_pidfds()
        return ended

    # Reading --------------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        for pidfd in self._pidfds:
            self._loop.add_reader(pidfd, self._gone, pidfd)
        self._loop.add_reader(self._spawned.reply, self._read_reply)
        for fd in self._spawned.outputs:
            self._loop.add_reader(fd, self._read_output, fd)
        self._later("timeout", self._limits.timeout, self._time_out)
        self._later("sample", _FIRST_SAMPLE_S, self._sample)

    def _later(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(seconds, call)

    def _read_reply(self) -> None:
        piece = _read(self._spawned.reply)
        if piece == b"":
            self._loop.remove_reader(self._spawned.reply)
        elif piece:
            room = self._limits.result + len(STARTED) + 1 - len(self._reply)
            self._reply.extend(piece[:room])
            if len(self._reply) > self._limits.result + len(STARTED):
                self._loop.remove_reader(self._spawned.reply)
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
        tree.terminate(self._init)
        self._later("grace", self._limits.kill_grace, lambda: self.kill("timeout"))

    def _sample(self) -> None:
        seen = tree.memory(self._init)
        self._memory_peak = max(self._memory_peak, seen.resident)
        if seen.private > self._limits.memory and tree.shared_out(self._init) > self._limits.memory:
            self.kill("memory_limit")
        self._later("sample", _SAMPLE_S, self._sample)

    # The end --------------------------------------------------------------------------------------------------------

    def _gone(self, pidfd: int) -> None:
        self._loop.remove_reader(pidfd)
        self._alive.discard(pidfd)
        if not self._alive:
            self._end()

    def _end(self) -> None:
        for timer in (*self._timers.values(), *([self._window] if self._window else ())):
            timer.cancel()
        for fd in (self._spawned.reply, *self._spawned.outputs):
            self._loop.remove_reader(fd)
        self._drain()
        code = self._spawned.popen.wait()
        if self._init_pidfd is not None:
            # Ours to reap when we are pid 1 or a subreaper ourselves.
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._init_pidfd, os.WEXITED | os.WNOHANG)
        self._spawned.close()
        self._ended.set_result(self._summary(code))

    def _drain(self) -> None:
        """What was written before the end. Bounded, as a descriptor may have been passed out of the jail."""
        left = _DRAIN_AT_MOST
        for fd in self._open_outputs:
            while left > 0 and (piece := _read(fd)):
                left -= len(piece)
                self._take(fd, piece)
        while len(self._reply) <= self._limits.result + len(STARTED) and (piece := _read(self._spawned.reply)):
            self._reply.extend(piece)

    def _summary(self, code: int) -> Ended:
        started = self._reply.startswith(STARTED)
        reply = bytes(self._reply[len(STARTED) :])
        reason = self._reason or ("exited" if started else "sandbox")
        if reason == "exited" and len(reply) > self._limits.result:
            reason = "result_limit"
        if reason == "sandbox":
            log.error("the sandbox failed before the command", extra={"said": self._tail[-1000:]})
        outputs = self._spawned.outputs
        return Ended(
            reason=reason,
            exit_code=_exit_code(code),
            reply=reply[: self._limits.result],
            tail=self._tail,
            stdout=self._tails[outputs[0]] if len(outputs) > 1 else b"",
            duration=self._loop.time() - self._since,
            memory_peak=self._memory_peak,
        )

    def _close_pidfds(self) -> None:
        while self._pidfds:
            os.close(self._pidfds.pop())


def _read(fd: int) -> bytes | None:
    """A piece, b"" at the end of the pipe, None when there is nothing now."""
    try:
        return os.read(fd, _PIECE)
    except BlockingIOError:
        return None


def _exit_code(code: int) -> int:
    """bubblewrap passes a signal on as a shell does, 128 above its number."""
    if 128 < code <= 128 + signal.SIGRTMAX:
        return 128 - code
    return code
