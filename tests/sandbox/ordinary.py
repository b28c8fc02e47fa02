"""What ordinary scripts do, as a program: prints the names of what went wrong, and at the end 'done'.

The seals (seccomp, Landlock) are put on in front of it. Run with a writable working directory.
"""

import asyncio
import concurrent.futures
import ctypes
import multiprocessing
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from multiprocessing import shared_memory

_BASH = r"""
set -eu
cd "$(mktemp -d)"
seq 1000 | sort -rn --parallel=2 | tee all | head -n 1 >/dev/null || true
diff <(sort all) <(sort -u all)
mkdir -p a/b; echo x >a/b/c; chmod 755 a/b/c; ln -s b/c a/l; ln a/b/c a/h; cp -a a z; mv z y
tar -cf all.tar y; tar -xpf all.tar -C a; rm -r y; truncate -s 10 a/b/c; touch -d 2001-01-01 a/b/c
mkfifo pipe; (echo through >pipe) & read -r word <pipe; wait; [ "$word" = through ]
coproc cat; echo hello >&"${COPROC[1]}"; read -r word <&"${COPROC[0]}"; [ "$word" = hello ]
trap 'trapped=1' USR1; kill -USR1 $$; [ "$trapped" = 1 ]
timeout 5 sh -c 'cat <<<here' >/dev/null 2>&1 || timeout 5 bash -c 'cat <<<here' >/dev/null
(ulimit -n 64; nice -n 5 true); date +%s >/dev/null; stat -f . >/dev/null; df . >/dev/null; id >/dev/null
find . -name c -print0 | xargs -0 -n 1 -P 2 cat >/dev/null; dd if=/dev/zero of=z bs=1k count=4 2>/dev/null
sed -i s/x/y/ a/b/c; awk 'BEGIN { print 1 | "cat" }' >/dev/null; gzip -c z | gunzip >/dev/null
"""


def square(number: int) -> int:
    return number * number


def processes() -> None:
    assert subprocess.run(["/bin/echo", "x"], capture_output=True, text=True).stdout == "x\n"
    assert os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)[1] == 0
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def bash() -> None:
    done = subprocess.run(["bash", "-c", _BASH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def threads() -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(square, range(10))) == 285
    event = threading.Event()
    threading.Timer(0.01, event.set).start()
    assert event.wait(20)


def loop() -> None:
    async def body() -> None:
        def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello\n")
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.readline() == b"hello\n"
            writer.close()
        child = await asyncio.create_subprocess_exec("/bin/cat", stdin=-1, stdout=-1)
        assert (await child.communicate(b"x"))[0] == b"x"
        assert await asyncio.to_thread(square, 3) == 9

    asyncio.run(body())


def pools() -> None:
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(square, range(4))) == [0, 1, 4, 9]
    shared = shared_memory.SharedMemory(create=True, size=4096)
    assert shared.buf is not None
    shared.buf[0] = 1
    shared.close()
    shared.unlink()


def files() -> None:
    with sqlite3.connect("base.sqlite") as base:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("CREATE TABLE t AS SELECT 1 AS x")
        assert base.execute("SELECT x FROM t").fetchone() == (1,)
    with tempfile.TemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
        file.write(b"x" * 10_000)
        file.truncate(5)
        shutil.copytree("/etc/ssl", f"{folder}/ssl", ignore=lambda *_: ["private"], dirs_exist_ok=True)
        os.rename(f"{folder}/ssl", f"{folder}/moved")
    os.chmod("base.sqlite", 0o640)
    with open(os.open("fd", os.O_CREAT | os.O_WRONLY, 0o666), "w") as file:
        file.write("x")


def sockets() -> None:
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            assert udp.fileno() > 0
    ours, theirs = socket.socketpair()
    ours.sendall(b"x")
    assert theirs.recv(1) == b"x"
    assert socket.getaddrinfo("localhost", 80)
    assert socket.if_nameindex()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("local.sock")
        server.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("local.sock")


def signals() -> None:
    seen: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGVTALRM])
    os.kill(os.getpid(), signal.SIGVTALRM)
    assert signal.sigwait([signal.SIGVTALRM]) == signal.SIGVTALRM
    assert seen == [signal.SIGUSR1]
    fd = os.pidfd_open(os.getpid())
    signal.pidfd_send_signal(fd, 0)


def native() -> None:
    libc = ctypes.CDLL(None)
    assert libc.getpid() == os.getpid()
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    numbers = (ctypes.c_int * 3)(3, 1, 2)
    libc.qsort(numbers, 3, 4, compare(lambda a, b: a[0] - b[0]))
    assert list(numbers) == [1, 2, 3]
    # PER_LINUX and the question: what setarch and glibc ask.
    assert libc.personality(ctypes.c_ulong(0xFFFFFFFF)) == 0


EVERYTHING: tuple[Callable[[], None], ...] = (
    processes,
    bash,
    threads,
    loop,
    pools,
    files,
    sockets,
    signals,
    native,
)


def main() -> None:
    signal.alarm(100)
    for each in EVERYTHING:
        try:
            each()
        except BaseException:
            print(each.__name__, traceback.format_exc())
    print("done")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
