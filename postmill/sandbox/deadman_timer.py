"""The dead-man's timer itself: a process of its own, standard library only, started by `deadman.py`.

stdin is a socket of packets: ["extend", deadline], ["watch", key] with a pidfd, ["forget", key]. When the deadline
passes, every watched process is killed and it goes on; when the socket closes, they are killed and it ends.
"""

import array
import contextlib
import json
import select
import signal
import time
from os import close
from socket import AF_UNIX, CMSG_SPACE, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socket

_FD = array.array("i", [0]).itemsize


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket(AF_UNIX, SOCK_SEQPACKET, 0, 0) as channel:
        keep(channel)


def keep(channel: socket) -> None:
    """Keep the time until the other side closes."""
    watched: dict[str, int] = {}
    deadline: float | None = None
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    while True:
        if not poll.poll(patience(deadline) if watched else None):
            if deadline is not None and time.monotonic() >= deadline:
                kill(watched)
            continue
        message, pidfd = receive(channel)
        if message is None:
            kill(watched)
            return
        if message[0] == "extend":
            deadline = float(message[1])
        elif (known := watched.pop(str(message[1]), None)) is not None:
            close(known)
        if message[0] == "watch" and pidfd is not None:
            watched[str(message[1])] = pidfd


def patience(deadline: float | None) -> int | None:
    """Milliseconds until the deadline, rounded up (or it would spin through the last one); a day at most."""
    if deadline is None:
        return None
    return int(min(86400.0, max(0.0, deadline - time.monotonic())) * 1000) + 1


def receive(channel: socket) -> tuple[list[str | float] | None, int | None]:
    """The next message with its descriptor; None when the other side has closed."""
    data, ancillary, _, _ = channel.recvmsg(65536, CMSG_SPACE(_FD), MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % _FD])
    return (json.loads(data) if data else None), (fds[0] if fds else None)


def kill(watched: dict[str, int]) -> None:
    """SIGKILL for all, once."""
    while watched:
        _, pidfd = watched.popitem()
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        close(pidfd)


if __name__ == "__main__":
    main()
