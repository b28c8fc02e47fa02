"""The dead-man's timer itself: a process of its own, standard library only, started by `deadman.py`.

stdin is a socket of packets: ["extend", deadline], ["watch", key] with a pidfd, ["forget", key]. When the deadline
passes, every watched process is killed and it goes on; when the socket closes, they are killed, then for two seconds
whatever carries the worker's mark (the first argument), and it ends. ["leave"] ends it without those two seconds.

The mark is for a jail that was being made, whose pidfd was never handed over.
"""

import array
import contextlib
import json
import select
import signal
import sys
import time
from collections.abc import Callable
from os import close, getpid, kill, listdir
from socket import AF_UNIX, CMSG_SPACE, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socket

SWEEP_S = 2.0
_FD = array.array("i", [0]).itemsize


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket(AF_UNIX, SOCK_SEQPACKET, 0, 0) as channel:
        left_in_order = keep(channel)
    mark = sys.argv[1]
    end = time.monotonic() + (0.0 if left_in_order else SWEEP_S)
    while end_marked(lambda name: name == mark) or time.monotonic() < end:
        time.sleep(0.1)


def end_marked(chosen: Callable[[str], bool]) -> int:
    """SIGKILL for every other process whose last argument is chosen; returns how many there were."""
    count = 0
    for entry in listdir("/proc"):
        if entry.isdigit() and int(entry) != getpid():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
                if chosen(file.read(4000).rstrip(b"\0").rpartition(b"\0")[2].decode("utf-8", "replace")):
                    kill(int(entry), signal.SIGKILL)
                    count += 1
    return count


def keep(channel: socket) -> bool:
    """Keep the time until the other side closes; whether it had said that it leaves."""
    watched: dict[str, int] = {}
    deadline: float | None = None
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    while True:
        if not poll.poll(patience(deadline) if watched else None):
            if deadline is not None and time.monotonic() >= deadline:
                kill_all(watched)
            continue
        message, pidfd = receive(channel)
        if message is None or message[0] == "leave":
            kill_all(watched)
            return message is not None
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


def kill_all(watched: dict[str, int]) -> None:
    """SIGKILL for all, once."""
    while watched:
        _, pidfd = watched.popitem()
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        close(pidfd)


if __name__ == "__main__":
    main()
