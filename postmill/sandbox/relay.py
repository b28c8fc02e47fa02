"""Carries connections out of a network namespace to the same addresses as the machine has them.

`Relay` is the worker's side. The other is a process of its own (`python relay.py PLAN MARK`, standard library only): it
is handed sockets that listen in the namespace, stands outside itself, and reads nothing of what it carries. It runs as
nobody, where that can be, and ends with its standard input.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, cast

log = logging.getLogger("postmill.sandbox")

Port = tuple[str, str, int]
"""'tcp' or 'udp', address, port."""

_PIECE = 64 * 1024
_AT_ONCE = 512
"""Connections and queries; more are let go."""
_CONNECT_S = 10.0
_QUERY_S = 10.0
_END_S = 5.0
_NOBODY = 65534


def listen(ports: Sequence[Port]) -> list[socket.socket]:
    """The sockets of these, in the namespace of the thread that calls. Raises OSError."""
    with contextlib.ExitStack() as undo:
        found = []
        for kind, address, port in ports:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            made = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
            undo.callback(made.close)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, port))
            if kind == "tcp":
                made.listen(128)
            found.append(made)
        undo.pop_all()
    return found


class Relay:
    """The process; it takes over the sockets."""

    def __init__(self, ports: Sequence[Port], sockets: Sequence[socket.socket], mark: str) -> None:
        self._plan = json.dumps([[each.fileno(), *port] for each, port in zip(sockets, ports, strict=True)])
        self._sockets = sockets
        self._mark = mark
        self._popen = self._start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def keep(self) -> None:
        """Start it again if it has ended."""
        if self._popen.poll() is not None:
            log.error("the relay of the filtered network is started again", extra={"code": self._popen.returncode})
            self._end()
            self._popen = self._start()

    def close(self) -> None:
        """End it, and what it carries."""
        self._end()
        for each in self._sockets:
            each.close()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__)), self._plan, self._mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={},
            cwd="/",
            pass_fds=[each.fileno() for each in self._sockets],
            start_new_session=True,
        )

    def _end(self) -> None:
        if self._popen.stdin is not None:
            self._popen.stdin.close()
        try:
            self._popen.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


# The process ----------------------------------------------------------------------------------------------------------


class _Queries(asyncio.DatagramProtocol):
    """Each datagram to the target from a port of its own; the first answer goes back."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(self._tasks) < _AT_ONCE:
            task = asyncio.get_running_loop().create_task(self._ask(data, addr))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, data: bytes, addr: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._target[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as out, contextlib.suppress(OSError, TimeoutError):
            out.setblocking(False)
            out.connect(self._target)
            async with asyncio.timeout(_QUERY_S):
                await loop.sock_sendall(out, data)
                answer = await loop.sock_recv(out, _PIECE)
            if self._transport is not None:
                self._transport.sendto(answer, addr)


class _Connections:
    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._count = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until both sides have ended it."""
        if self._count >= _AT_ONCE:
            writer.close()
            return
        self._count += 1
        try:
            async with asyncio.timeout(_CONNECT_S):
                far_reader, far_writer = await asyncio.open_connection(*self._target)
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
            await _end(far_writer)
        except (OSError, TimeoutError):
            # Who waits for an answer sees its connection end.
            pass
        finally:
            self._count -= 1
            await _end(writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _serve(plan: list[tuple[int, str, str, int]]) -> NoReturn:
    loop = asyncio.get_running_loop()
    kept = []
    for fd, kind, address, port in plan:
        listening = socket.socket(fileno=fd)
        listening.setblocking(False)
        target = (address, port)
        if kind == "tcp":
            kept.append(await asyncio.start_server(_Connections(target).carry, sock=listening))
        else:
            # The endpoint is kept by the loop.
            await loop.create_datagram_endpoint(lambda target=target: _Queries(target), sock=listening)  # type: ignore[misc]
    over = asyncio.Event()
    loop.add_reader(0, over.set)
    await over.wait()
    # Whatever it carries ends with it; there is nothing to be put in order.
    os._exit(0)


def _main() -> None:
    plan = json.loads(sys.argv[1])
    with contextlib.suppress(OSError):
        # In a container that maps one user only, it stays who it is.
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    asyncio.run(_serve(plan))


if __name__ == "__main__":
    _main()
