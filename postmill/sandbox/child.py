"""From fork to sealed to the job: a fork-server's child. Standard library only; runs in the outer jail.

`Jail.become` is called in the forked child, the second process of a pid namespace of its own. It makes the child's
private world with the rights of the fork-server's user namespace, gives these rights up for good, says so, and waits.
It is sealed before any byte of the job is read: what waits is a spare.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from postmill.sandbox import landlock, seccomp
from postmill.sandbox.root import COVERED, JOB, SHARED, SLOTS, covered
from postmill.sandbox.syscalls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    MS_SLAVE,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    Call,
    die_with_parent,
    loopback_up,
    set_subreaper,
    unshare,
)

_UID = 1000
"""Of the user's code, as it sees itself."""
_SHM_AT_MOST = 256 * 1024**2
_HEAD = struct.Struct("!II")
_PRIVATE = MS_NOSUID | MS_NODEV
REPLY = 3
_CAPABILITY_VERSION_3 = 0x20080522
_SET_MODE_FILTER = 1
_AT_FDCWD = -100
_PLANS = 1000


class Plan(NamedTuple):
    """The system calls that seal a child, laid out ahead: what a child does not touch, it need not copy."""

    world: tuple[Call, ...]
    """Its private namespaces and file systems."""
    network: bool
    """A network namespace of its own, with nothing but a loopback."""
    identity: tuple[Call, ...]
    """Its uid, and its user namespace."""
    seal: tuple[Call, ...]
    """Limits, and the end of all privileges."""
    last: tuple[Call, ...]
    """The filter of system calls: after it, none of the above could be made."""
    uid: int
    """As the fork-server's user namespace sees it."""
    limits: dict[str, int]


class Jail:
    """What all children of one fork-server have in common."""

    def __init__(self, config: dict[str, Any], without: frozenset[str], runner: Any) -> None:
        self.without = without
        self._runner = runner
        self._root = bool(config["root"])
        # Both ask for it to be there first.
        lasting = "no_new_privs" not in without
        self._filter = seccomp.program() if lasting and "seccomp" not in without else b""
        self._filter_memory = ctypes.create_string_buffer(self._filter, max(1, len(self._filter)))
        self._landlock = lasting and "landlock" not in without
        self._scopes = landlock.scopes() if self._landlock else -1
        self._plans: dict[str, Plan] = {}
        self._uid = int(config["uid"] or 0) if "user_namespace" in without else 0
        self._covered = covered(config["directories"])
        self._readable = (*config["directories"], *config["etc"], "/proc")
        self._shared_uid = "user_namespace" in without and (not self._root or "uid" in without)

    def plan(self, order: dict[str, Any]) -> Plan:
        """How a child for this order is sealed. Made in the fork-server, where it is shared by all its children."""
        key = json.dumps(order)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) > _PLANS:
                self._plans.clear()
            plan = self._plans[key] = Plan(
                world=tuple(self._world(order["fork"], order["limits"])),
                network=order["network"] == "none" and "network" not in self.without,
                identity=tuple(self._identity(self._uid + order["fork"] + 1)),
                seal=tuple(self._seal(order["limits"])),
                last=tuple(self._last()),
                uid=order["fork"] + 1 if self._root and "uid" not in self.without else 0,
                limits=order["limits"],
            )
        return plan

    def _world(self, slot: int, limits: dict[str, int]) -> Iterator[Call]:
        without = self.without
        if "mount_namespace" in without:
            return
        yield Call("unshare", CLONE_NEWNS | CLONE_NEWUTS | (0 if "ipc_namespace" in without else CLONE_NEWIPC))
        yield Call("mount", None, "/", None, MS_REC | MS_SLAVE, None)
        yield Call("sethostname", "job", 3)
        if "pid_namespace" not in without:
            yield Call("mount", "proc", "/proc", "proc", _PRIVATE | MS_NOEXEC, None)
        if "tmpfs" not in without:
            size = 0 if "limit_disk" in without else limits["disk"]
            inodes = 0 if "limit_inodes" in without else limits["inodes"]
            uid = self._uid + slot + 1
            owner = f",uid={uid},gid={uid}" if self._root and "uid" not in without else ""
            yield _tmpfs("/tmp", size, inodes, "mode=1777")
            yield _tmpfs(JOB, size, inodes, f"mode=0755{owner}")
            yield from self._uncover()
            yield _tmpfs("/dev/shm", min(size, _SHM_AT_MOST), inodes, "mode=1777")
        options = "newinstance,ptmxmode=0666,mode=0620"
        yield Call("mount", "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, options)
        yield Call("mount", f"{SLOTS}/{slot}", SHARED, None, MS_BIND, None)

    def _uncover(self) -> Iterator[Call]:
        """What an installation below /tmp has there, again above the job's own /tmp."""
        made = {"", "/tmp", JOB}
        for number, path in enumerate(self._covered):
            parts = path.split("/")
            for folder in ("/".join(parts[:depth]) for depth in range(2, len(parts))):
                if folder not in made:
                    made.add(folder)
                    yield Call("mkdirat", _AT_FDCWD, folder, 0o755)
            if os.path.isdir(path):
                yield Call("mkdirat", _AT_FDCWD, path, 0o755)
            else:
                yield Call("mknodat", _AT_FDCWD, path, stat.S_IFREG | 0o644, 0)
            yield Call("mount", f"{COVERED}/{number}", path, None, MS_BIND | MS_REC, None)

    def _identity(self, uid: int) -> Iterator[Call]:
        if self._root and "uid" not in self.without:
            yield Call("setgroups", 0, None)
            yield Call("setresgid", uid, uid, uid)
            yield Call("setresuid", uid, uid, uid)
            # Or /proc/self would be root's, and with it the maps to be written.
            yield Call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
        if "user_namespace" not in self.without:
            yield Call("unshare", CLONE_NEWUSER)

    def _seal(self, limits: dict[str, int]) -> Iterator[Call]:
        """Give everything up, in the order in which each step still allows the next."""
        for name, kind, value in (
            # In a user namespace of its own, the limit of processes counts its own only.
            ("limit_pids", resource.RLIMIT_NPROC, limits["pids"]),
            ("limit_files", resource.RLIMIT_NOFILE, limits["files"]),
            ("limit_disk", resource.RLIMIT_FSIZE, limits["disk"]),
            ("limit_memory", resource.RLIMIT_AS, limits["memory"]),
            ("", resource.RLIMIT_CORE, 0),
        ):
            # Without a user namespace it counts all of a user's: a slot's own, or (_without_namespaces) this one's.
            if name not in self.without and not (kind == resource.RLIMIT_NPROC and self._shared_uid):
                yield Call("prlimit64", 0, kind, struct.pack("=QQ", value, value), None)
        yield Call("umask", 0o022)
        if "capabilities" not in self.without:
            yield Call("capset", struct.pack("Ii", _CAPABILITY_VERSION_3, 0), bytes(24))
        if "no_new_privs" not in self.without:
            yield Call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if self._scopes >= 0:
            yield Call("landlock_restrict_self", self._scopes, 0)

    def _last(self) -> Iterator[Call]:
        if self._filter:
            head = struct.pack("@HP", len(self._filter) // 8, ctypes.addressof(self._filter_memory))
            yield Call("seccomp", _SET_MODE_FILTER, 0, head)

    def owner(self, slot: int) -> int | None:
        """Who owns a job's directory where it has no root directory of its own; None: this process's user."""
        return self._uid + slot + 1 if self._root and "uid" not in self.without else None

    def become(self, plan: Plan, word: bytes, place: str, inbox: socket.socket, fds: tuple[int, int, int]) -> NoReturn:
        """In a forked child: be a job's program. Never returns.

        `word` is said to the inbox when it is sealed. `place` is the directory that holds its /job and /tmp: "" in a
        root directory of its own. `fds` are its socket, stdout and stderr.
        """
        code = 127
        try:
            try:
                full = self._enter(plan, place, (inbox.fileno(), *fds))
            except BaseException as error:
                word = json.dumps({**json.loads(word), "problem": f"{type(error).__name__}: {error}"}).encode()
                socket.send_fds(inbox, [word], [])
                os._exit(code)
            socket.send_fds(inbox, [word], full)
            inbox.close()
            if "descriptors" not in self.without:
                _close_others(*fds)
            if self._runner is not None:
                reseed()
                self._runner.rehearse()
            self._wait_and_run(place, *fds)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode("utf-8", "replace"))
        os._exit(code)

    def _enter(self, plan: Plan, place: str, fds: tuple[int, ...]) -> list[int]:
        if "descriptors" not in self.without:
            _close_others(*fds, *([self._scopes] if self._scopes >= 0 else []))
        os.setsid()
        for call in plan.world:
            call()
        if plan.network:
            unshare(CLONE_NEWNET)
            loopback_up()
        full = [os.open(path, os.O_PATH) for path in ("/tmp", JOB, "/dev/shm")] if not place else []
        for call in plan.identity:
            call()
        if "user_namespace" not in self.without:
            _write("/proc/self/setgroups", b"deny")
            _write("/proc/self/uid_map", b"%d %d 1" % (_UID, plan.uid))
            _write("/proc/self/gid_map", b"%d %d 1" % (_UID, plan.uid))
        for call in plan.seal:
            call()
        if place:
            self._without_namespaces(plan, place)
        for call in plan.last:
            call()
        return full

    def _without_namespaces(self, plan: Plan, place: str) -> None:
        set_subreaper()
        die_with_parent(signal.SIGKILL)
        if self._shared_uid and "limit_pids" not in self.without:
            # Counted together with all else that this user runs.
            most = plan.limits["pids"] + _tasks_of_this_user()
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
        if self._landlock:
            landlock.restrict(read=self._readable, write=(place,))

    def _wait_and_run(self, place: str, job: int, stdout: int, stderr: int) -> None:
        message = _receive(job)
        if message is None:
            os._exit(0)
        head, content = message
        os.dup2(stdout, 1)
        os.dup2(stderr if head["split"] else stdout, 2)
        os.close(stdout)
        os.close(stderr)
        # Here, after the others are gone, 3 is free or is the job's own.
        if job != REPLY:
            os.dup2(job, REPLY)
            os.close(job)
        self._run(place, head, content)

    def _run(self, place: str, head: dict[str, Any], content: memoryview) -> None:
        os.chdir(place + JOB)
        if "tmpfs" in self.without:
            os.umask(0)
            for name, _ in head["files"]:
                if os.path.exists(name):
                    os.unlink(name)
        _lay_out(head["files"], content)
        if place:
            # What says /job or /tmp means those of this job.
            inside = {name: place + value for name, value in head["env"].items() if value in (JOB, "/tmp")}
            head["env"] |= inside
            head["argv"] = [place + word if word.startswith(f"{JOB}/") else word for word in head["argv"]]
        if "environment" not in self.without:
            os.environ.clear()
        os.environ.update(head["env"])
        os.write(REPLY, b"S")
        if head["call"] is not None and self._runner is not None:
            if head["warm"]:
                self._runner.serve(head["call"], _next_call)
            self._runner.main(head["call"])
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        if REPLY != head["reply_fd"]:
            os.dup2(REPLY, head["reply_fd"])
            os.close(REPLY)
        os.set_inheritable(head["reply_fd"], True)
        os.execve(head["argv"][0], head["argv"], os.environ)


def _next_call() -> bool:
    """Wait for another call of the same, and put its arguments and environment in place; False when none will come."""
    message = _receive(REPLY)
    if message is None:
        return False
    head, content = message
    _lay_out(head["files"], content)
    os.environ.clear()
    os.environ.update(head["env"])
    return True


def _tasks_of_this_user() -> int:
    """Threads, as RLIMIT_NPROC counts them."""
    user, count = os.getuid(), 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == user:
                    count += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                # It has ended.
                pass
    return count


def _tmpfs(path: str, size: int, inodes: int, mode: str) -> Call:
    return Call("mount", "tmpfs", path, "tmpfs", _PRIVATE, f"size={size},nr_inodes={inodes},{mode}")


def reseed() -> None:
    """What a fork would share: OpenSSL tells forks by pid, and each job's is the same; numpy does not tell at all."""
    if (ssl := sys.modules.get("_ssl")) is not None:
        ssl.RAND_add(os.urandom(32), 0.0)
    if (numpy := sys.modules.get("numpy.random")) is not None:
        numpy.seed()


def _close_others(*keep: int) -> None:
    """Close every descriptor from 3 on but these."""
    low = 3
    for fd in sorted(keep):
        os.closerange(low, fd)
        low = max(low, fd + 1)
    os.closerange(low, 1 << 20)


def _receive(job: int) -> tuple[dict[str, Any], memoryview] | None:
    """The one message: two lengths, a head in JSON, the content of its files. None when nothing came."""
    lengths = _exactly(job, _HEAD.size)
    if lengths is None:
        return None
    head_length, content_length = _HEAD.unpack(lengths)
    head, content = _exactly(job, head_length), _exactly(job, content_length)
    if head is None or content is None:
        return None
    return json.loads(head), memoryview(content)


def _exactly(fd: int, size: int) -> bytes | None:
    got = bytearray()
    while len(got) < size:
        piece = os.read(fd, min(size - len(got), 1 << 20))
        if not piece:
            return None
        got += piece
    return bytes(got)


def _lay_out(files: list[tuple[str, int]], content: memoryview) -> None:
    made = set()
    for name, length in files:
        folder = os.path.dirname(name)
        if folder and folder not in made:
            os.makedirs(folder, exist_ok=True)
            made.add(folder)
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        left = content[:length]
        while left:
            left = left[os.write(fd, left) :]
        os.close(fd)
        content = content[length:]


def _write(path: str, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, text)
    os.close(fd)
