"""The fork-server: preloads what jobs need, then forks a sealed child for each order. Runs in the outer jail.

Standard library only. On its socket, JSON with descriptors: `{"fork": slot, "limits": {…}, "network": …}` with the
child's socket, stdout, stderr and status; answered, in order, with two pidfds, of the child's init and of its program,
or `{"error": …}`. `{"share": slot, "path": …}` makes a directory appear at /shared of the slot's children, and
`{"preload": [names]}` imports more. It ends with its socket.

The init of a child's pid namespace costs next to nothing: the jail's init (`outer.py`) makes it, with which it shares
its memory; it only waits in pause(2), for ever, and as it ignores SIGCHLD, the kernel reaps its orphans. One is kept in
stock. The program is forked into its namespace. When the program ends, the init is killed, and with it, by the kernel,
whatever the program left; then the end is told on `status`: `{"exit": code, "memory": bytes, "full": […]}`.
"""

import errno
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import types
from typing import Any, NoReturn

from postmill.sandbox import child
from postmill.sandbox.root import JOB, SLOTS
from postmill.sandbox.syscalls import (
    CLONE_NEWPID,
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_SHARED,
    mount,
    set_subreaper,
    setns,
    umount,
)

COMMON = ("base64", "collections", "contextlib", "datetime", "functools", "itertools", "json", "math", "re", "typing")
"""What scripts import most. Few: each page of memory makes every fork dearer."""
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_MESSAGE = 64 * 1024
_FDS = 8


def load(name: str) -> Any:
    """The runner's module: its `main(entrypoint)` runs a script in a forked child. "" for none."""
    return importlib.import_module(name) if name else None


def serve(config: dict[str, Any], without: frozenset[str], control: int, runner: Any, maker: socket.socket) -> NoReturn:
    """Prepare, say `{"ready": true}`, and answer orders until the worker closes the socket."""
    with socket.socket(fileno=control) as channel:
        problem = _prepare(config, without)
        channel.send(json.dumps({"ready": not problem, "problem": problem}).encode())
        if not problem:
            server = Zygote(channel, maker, child.Jail(config, without, runner), config["jobs"])
            _hide()
            _freeze()
            server.serve()
    os._exit(0)


class Program:
    """A child under way: its program, the init of its namespace, and where its end is told."""

    __slots__ = ("fd", "full", "id", "init", "pid", "place", "problem", "status")

    def __init__(self, number: int, pid: int, fd: int, init: int, status: int, place: str) -> None:
        self.id = number
        self.pid = pid
        self.fd = fd
        """Pidfd of the program."""
        self.init = init
        """Pidfd of the init; that of the program without pid namespaces."""
        self.status = status
        self.place = place
        """A directory that goes with it; "" for none."""
        self.full: list[int] = []
        """Descriptors of the file systems that it may fill."""
        self.problem = ""
        """Why it could not be sealed."""


class Zygote:
    """The loop: orders from the worker, words from children, ends of programs."""

    def __init__(self, channel: socket.socket, maker: socket.socket, jail: child.Jail, jobs: str) -> None:
        self._channel = channel
        self._maker = maker
        self._jobs = jobs
        self._spaces = "pid_namespace" not in jail.without
        if self._spaces:
            maker.send(b"i")
        self._jail = jail
        self._sealed, self._inbox = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sealed.setblocking(False)
        self._count = 0
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self._programs: dict[int, Program] = {}
        """By the descriptor of the program."""
        self._poll = select.poll()

    def serve(self) -> None:
        """Until the worker closes the socket."""
        control, sealed = self._channel.fileno(), self._sealed.fileno()
        self._poll.register(control, select.POLLIN)
        self._poll.register(sealed, select.POLLIN)
        while True:
            for fd, _ in self._poll.poll():
                if fd == sealed:
                    self._hear()
                elif fd != control:
                    self._hear()
                    self._end(self._programs.pop(fd))
                elif not self._obey():
                    return

    def _obey(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._channel, _MESSAGE, _FDS)
        if not data:
            return False
        order = json.loads(data)
        try:
            if "fork" in order:
                self._fork(order, fds)
            elif "share" in order:
                _share(order["share"], order["path"])
                self._channel.send(b"{}")
            else:
                problem = _preload(order["preload"])
                _freeze()
                self._channel.send(json.dumps({"error": problem} if problem else {}).encode())
        except OSError as error:
            self._channel.send(json.dumps({"error": str(error)}).encode())
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _fork(self, order: dict[str, Any], fds: list[int]) -> None:
        init = -1
        if self._spaces:
            _, (init,), _, _ = socket.recv_fds(self._maker, 1, 1)
            self._maker.send(b"i")
        try:
            if self._spaces:
                setns(init, CLONE_NEWPID)
            self._count += 1
            plan = self._jail.plan(order)
            place = self._directory(order["fork"])
            word = b'{"id": %d, "problem": ""}' % self._count
            pid = os.fork()
            if pid == 0:
                self._jail.become(plan, word, place, self._inbox, (fds[0], fds[1], fds[2]))
            if self._spaces:
                setns(self._own_pids, CLONE_NEWPID)
            fd = os.pidfd_open(pid)
        except OSError:
            if self._spaces:
                _kill(init)
                os.close(init)
            raise
        program = Program(self._count, pid, fd, init if self._spaces else os.dup(fd), os.dup(fds[3]), place)
        self._programs[fd] = program
        self._poll.register(fd, select.POLLIN)
        socket.send_fds(self._channel, [b"{}"], [program.init, fd])

    def _directory(self, slot: int) -> str:
        """Where a job without a root directory of its own has its /job and /tmp; "" for one that has."""
        if not self._jobs:
            return ""
        place = f"{self._jobs}/{self._count}"
        owner = self._jail.owner(slot)
        os.mkdir(place, 0o711)
        for name in ("job", "tmp"):
            os.mkdir(f"{place}/{name}", 0o700)
            if owner is not None:
                os.chown(f"{place}/{name}", owner, owner)
        return place

    def _hear(self) -> None:
        """Children are sealed, and hand over what they could fill; or they could not be."""
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self._sealed, _MESSAGE, _FDS)
            except BlockingIOError:
                return
            word = json.loads(data)
            for program in self._programs.values():
                if program.id == word["id"]:
                    program.full, program.problem = fds, word["problem"]

    def _end(self, program: Program) -> None:
        self._poll.unregister(program.fd)
        _, status, usage = os.wait4(program.pid, 0)
        if self._spaces:
            _kill(program.init)
            # The kernel ends the init of a pid namespace only after all others in it.
            gone = select.poll()
            gone.register(program.init, select.POLLIN)
            gone.poll()
        else:
            self._sweep()
        end: dict[str, Any] = {
            "exit": os.waitstatus_to_exitcode(status),
            "memory": usage.ru_maxrss * 1024,
            "full": sorted({what for fd in program.full for what in _full(fd)}),
        }
        if program.problem:
            end = {"failed": program.problem}
        try:
            os.write(program.status, json.dumps(end).encode() + b"\n")
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
        for fd in (program.fd, program.init, program.status, *program.full):
            os.close(fd)
        if program.place:
            shutil.rmtree(program.place, ignore_errors=True)

    def _sweep(self) -> None:
        """Without pid namespaces: what a program left has become this process's own child."""
        if "kill_tree" in self._jail.without:
            return
        known = {program.pid for program in self._programs.values()}
        while orphans := set(_children()) - known:
            for pid in orphans:
                try:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                except (ProcessLookupError, ChildProcessError):
                    pass


def _kill(pidfd: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        # The worker was faster.
        pass


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(word) for word in file.read().split()]


def _full(fd: int) -> list[str]:
    found = os.fstatvfs(fd)
    full = []
    if found.f_blocks > 0 and found.f_bfree == 0:
        full.append("disk")
    if found.f_files > 0 and found.f_ffree == 0:
        full.append("inodes")
    return full


def _share(slot: int, path: str | None) -> None:
    place = f"{SLOTS}/{slot}"
    if path is None:
        umount(place)
    else:
        mount(path, place, None, MS_BIND)


def _prepare(config: dict[str, Any], without: frozenset[str]) -> str:
    """Import and warm up; returns why this process cannot serve, or ""."""
    if "mount_namespace" not in without:
        mount(None, SLOTS, None, MS_SHARED)
        if "tmpfs" in without:
            for path in ("/tmp", JOB, "/dev/shm"):
                mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0777")
    if "pid_namespace" in without:
        set_subreaper()
    if "environment" not in without:
        os.environ.clear()
    os.environ.update(config["env"])
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    sys.dont_write_bytecode = True
    if config["directory"]:
        import site

        site.addsitedir(config["directory"])
    problem = _preload([*COMMON, *config["imports"]])
    # What these do once, they need not do in each child.
    code = compile("def main(a: int = 1) -> dict[str, int]:\n    return {'a': a}\n", "warm", "exec", dont_inherit=True)
    scope: dict[str, Any] = {}
    exec(code, scope)
    json.loads(json.dumps(scope["main"]()))
    return problem


def _preload(names: list[str]) -> str:
    """Import these; returns why there can be no more forks then, or ""."""
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException as error:
            # The job that needs it will say so itself.
            os.write(2, f"preload {name}: {type(error).__name__}: {error}\n".encode())
    if (ssl := sys.modules.get("_ssl")) is not None:
        # Its generator is made at the first use, at some cost; in a child, reseeding it is cheap.
        ssl.RAND_bytes(1)
    threads = len(os.listdir("/proc/self/task"))
    return f"an import started {threads - 1} threads, which a fork would lose" if threads > 1 else ""


def _hide() -> None:
    """What a script imports as postmill is its own affair; and `__main__` is not this program."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "postmill"]:
        del sys.modules[name]
    sys.modules["__main__"] = types.ModuleType("__main__")


def _freeze() -> None:
    gc.collect()
    gc.freeze()
