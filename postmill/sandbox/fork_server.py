"""A fork-server as the worker sees it: starts it, orders children, learns of its end.

One serves one owner (a workspace) and one set of packages: nothing of one tenant's imports is in another's process.
Call it from the main thread: a fork-server dies with the thread that started it.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import subprocess
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postmill.model.errors import SandboxError
from postmill.sandbox.command import Limits, Runtime
from postmill.sandbox.host import Host
from postmill.sandbox.mark import own_mark

log = logging.getLogger("postmill.sandbox")

_START_S = 60.0
_MESSAGE = 4096
_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/job", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}
SEALED = ("memory", "pids", "files", "disk", "inodes")
"""The limits that are fixed when a child is sealed."""


@dataclass(frozen=True, slots=True)
class Child:
    """A sealed child and our ends of its descriptors, none of which blocks."""

    pidfd: int
    """Of its init: killing it kills the tree."""
    program: int
    """Pidfd of the user's program."""
    channel: int
    """The job goes in, the reply comes out."""
    status: int
    """What the fork-server tells in JSON when nothing of the tree is left; its end when the server is gone."""
    outputs: tuple[int, int]
    """stdout and stderr."""

    def discard(self) -> None:
        """End it unused."""
        for fd in (self.channel, self.status, *self.outputs, self.program, self.pidfd):
            os.close(fd)


class ForkServer:
    """Make with `ForkServer.start`; `close` ends it and all its children."""

    def __init__(self, popen: subprocess.Popen[bytes], channel: socket.socket, said: int, uid: int | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._popen = popen
        self.pidfd = os.pidfd_open(popen.pid)
        """Of the outermost process: killing it kills all. Open until `close`."""
        self._channel = channel
        self._said = said
        self._uid = uid
        self._answers: deque[asyncio.Future[tuple[dict[str, Any], list[int]]]] = deque()
        self.alive = True
        self.children = 0
        """How many it has forked."""
        self.started = time.monotonic()
        self._loop.add_reader(channel.fileno(), self._read)

    @property
    def pid(self) -> int:
        """Of the outermost process."""
        return self._popen.pid

    @classmethod
    async def start(
        cls, host: Host, runtime: Runtime, slots: int, without: frozenset[str], netns: int | None, jobs: str = ""
    ) -> "ForkServer":
        """Start one and wait until it can fork (some 60 ms; more with imports).

        `jobs` is an existing directory for the files of jobs that have no root directory of their own.

        Raises:
            SandboxError: it cannot be made here, or its imports forbid forking.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        said = os.memfd_create("said")
        uid = None if host.first_uid is None else _block(host.first_uid, host.uids, slots + 1)
        with theirs, _memfd(_config(host, runtime, slots, without, netns, uid, jobs)) as config:
            passed = (config, theirs.fileno(), *([] if netns is None else [netns]))
            if "descriptors" in without:
                for fd in passed:
                    os.set_inheritable(fd, True)
            if jobs and uid is not None:
                # Its own, where it is not root any more.
                inside = "user_namespace" not in without
                os.chown(jobs, uid if inside else -1, uid if inside else -1)
            try:
                popen = subprocess.Popen(
                    [
                        runtime.executable, "-I", "-S", "-B", "-X", "utf8",
                        str(Path(__file__).with_name("outer.py")), str(config), str(theirs.fileno()), own_mark(),
                    ],
                    env=_ENV if "environment" not in without else os.environ | _ENV,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    pass_fds=passed if "descriptors" not in without else (),
                    close_fds="descriptors" not in without,
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                ours.close()
                os.close(said)
                raise SandboxError(f"no fork-server could be started: {error}") from error
        server = cls(popen, ours, said, uid)
        try:
            async with asyncio.timeout(_START_S):
                answer, _ = await server._expect()
        except TimeoutError:
            await server.close()
            raise SandboxError(f"a fork-server was not ready after {_START_S:g} s") from None
        except BaseException:
            await server.close()
            raise
        if not answer.get("ready"):
            await server.close()
            raise SandboxError(f"a fork-server cannot serve: {answer.get('problem')}")
        return server

    async def fork(self, slot: int, limits: Limits, network: str = "host") -> Child:
        """A new sealed child.

        Raises:
            SandboxError: the server is gone, or has no process or descriptor left.
        """
        order = {"fork": slot, "limits": {name: getattr(limits, name) for name in SEALED}, "network": network}
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            try:
                channel, job = _pair(ours, theirs)
                outputs = (_pipe(ours, theirs), _pipe(ours, theirs))
                status = _pipe(ours, theirs)
                if self._uid is not None:
                    # Or opening /dev/stdout, which is this pipe, would be refused to the slot's uid.
                    for _, write in outputs:
                        os.fchown(write, self._uid + slot + 1, self._uid + slot + 1)
            except OSError as error:
                raise SandboxError(f"no descriptors for a job: {error}") from error
            fds = [job, outputs[0][1], outputs[1][1], status[1]]
            answering = self._order(order, fds)
            theirs.close()
            _, received = await answering
            if len(received) != 2:
                _close(received)
                raise SandboxError("the fork-server sent no process")
            ours.pop_all()
        self.children += 1
        return Child(received[0], received[1], channel, status[0], (outputs[0][0], outputs[1][0]))

    async def preload(self, names: tuple[str, ...]) -> None:
        """Import these, for the children to come.

        Raises:
            SandboxError: after these imports it cannot fork any more.
        """
        await self._order({"preload": list(names)})

    async def share(self, slot: int, path: str | None) -> None:
        """Let a directory of the jail appear at /shared of the slot's children; None takes it away."""
        await self._order({"share": slot, "path": path})

    async def close(self) -> None:
        """End it, its children, and all that they started."""
        if self.alive:
            self._gone("closed")
        if self._popen.returncode is None:
            self._popen.kill()
            await asyncio.to_thread(self._popen.wait)
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def _order(
        self, order: Mapping[str, Any], fds: list[int] | None = None
    ) -> asyncio.Future[tuple[dict[str, Any], list[int]]]:
        if not self.alive:
            raise SandboxError("the fork-server is gone")
        try:
            socket.send_fds(self._channel, [json.dumps(order).encode()], fds or [])
        except OSError as error:
            self._gone(str(error))
            raise SandboxError(f"the fork-server takes no orders: {error}") from error
        return self._expect()

    def _expect(self) -> asyncio.Future[tuple[dict[str, Any], list[int]]]:
        answer: asyncio.Future[tuple[dict[str, Any], list[int]]] = self._loop.create_future()
        self._answers.append(answer)
        return answer

    def _read(self) -> None:
        """The answers come in the order of the orders. What the server says is not believed: package code is in it."""
        try:
            data, fds, _, _ = socket.recv_fds(self._channel, _MESSAGE, 4)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            return self._gone(self._last_words())
        try:
            answer = json.loads(data)
            waiting = self._answers.popleft()
            if not isinstance(answer, dict):
                raise ValueError
        except (ValueError, IndexError):
            _close(fds)
            return self._gone("the fork-server does not answer in order")
        if waiting.done():
            _close(fds)
        elif "error" in answer:
            _close(fds)
            waiting.set_exception(SandboxError(f"no job could be started: {str(answer['error'])[:1000]}"))
        else:
            waiting.set_result((answer, fds))

    def _last_words(self) -> str:
        with open(os.dup(self._said), "rb") as file:
            file.seek(0)
            return file.read()[-4000:].decode("utf-8", "replace").strip() or "it ended without a word"

    def _gone(self, why: str) -> None:
        self.alive = False
        if why != "closed":
            log.error("a fork-server ended", extra={"why": why})
        self._loop.remove_reader(self._channel.fileno())
        self._channel.close()
        os.close(self._said)
        while self._answers:
            waiting = self._answers.popleft()
            if not waiting.done():
                waiting.set_exception(SandboxError(f"no sandbox: {why}"))
        # With it goes the whole jail.
        self._popen.kill()


def _block(first: int, count: int, size: int) -> int:
    """This process's own uids among those of the machine's workers."""
    return first + os.getpid() % (count // size) * size


def _config(
    host: Host, runtime: Runtime, slots: int, without: frozenset[str], netns: int | None, uid: int | None, jobs: str
) -> bytes:
    directories = [*host.directories]
    for path in (runtime.prefix, runtime.directory, *runtime.read_only):
        if path and not any(Path(path).is_relative_to(known) for known in directories):
            directories.append(path)
    return json.dumps(
        {
            "parent": os.getpid(),
            "root": host.root,
            "uid": uid,
            "slots": slots,
            "directories": directories,
            "links": host.links,
            "etc": host.etc,
            "env": _ENV,
            "runner": runtime.runner,
            "directory": runtime.directory,
            "imports": runtime.imports,
            "without": sorted(without),
            "jobs": jobs,
            "netns": netns,
        }
    ).encode()


@contextlib.contextmanager
def _memfd(content: bytes) -> Any:
    fd = os.memfd_create("postmill")
    try:
        os.write(fd, content)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    read, write = os.pipe()
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    os.set_blocking(read, False)
    return read, write


def _pair(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    pair[0].setblocking(False)
    our, their = pair[0].detach(), pair[1].detach()
    ours.callback(os.close, our)
    theirs.callback(os.close, their)
    return our, their


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)
