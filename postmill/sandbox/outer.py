"""Makes the outer jail of a fork-server and starts it there: a program of its own, standard library only.

    python -I -S -B outer.py CONFIG CONTROL MARK

CONFIG is a descriptor with the configuration as JSON (`fork_server.py` writes it), CONTROL the socket on which the
fork-server takes its orders. MARK is only to be seen by others (`mark.py`).

This process dies with the worker, the init of the jail's pid namespace with this one; the fork-server's pid is neither
1 nor that of its jobs' programs (2), as OpenSSL tells forks by their pid.

As root, the root directory is built with root's own rights, which may pass 0700 directories above an interpreter; only
then the init enters a user namespace in which it is nobody outside, and there a second pid namespace, for the first is
not that user namespace's to make more of. An ordinary user's jail is a user namespace from the start.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any, NoReturn

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from postmill.sandbox import root, zygote
from postmill.sandbox.syscalls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    die_with_parent,
    pausing_process,
    set_dumpable,
    set_subreaper,
    setns,
    unshare,
)

_FLAGS = {
    "mount_namespace": CLONE_NEWNS,
    "ipc_namespace": CLONE_NEWIPC,
    "pid_namespace": CLONE_NEWPID,
}
"""What the jail is made of; its host name goes with each job's mounts."""


def main() -> None:
    with open(int(sys.argv[1]), "rb") as file:
        config: dict[str, Any] = json.load(file)
    control = int(sys.argv[2])
    die_with_parent(signal.SIGKILL)
    if os.getppid() != config["parent"]:
        sys.exit("the worker is gone")
    # By name now: what is inside may not find this package any more.
    runner = zygote.load(config["runner"])
    del sys.path[0]
    os.umask(0o022)
    without = frozenset(config["without"])
    flags = sum(flag for name, flag in _FLAGS.items() if name not in without)
    if config["netns"] is not None:
        setns(config["netns"], CLONE_NEWNET)
        os.close(config["netns"])
    user = "user_namespace" not in without
    host_proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    if user and not config["root"]:
        uid, gid = os.geteuid(), os.getegid()
        unshare(CLONE_NEWUSER)
        _map("/proc/self", [(0, uid, 1)], [(0, gid, 1)], deny_setgroups=True)
    if flags:
        unshare(flags)
    go, may_go = os.pipe()
    asked, ask = os.pipe()
    init = os.fork()
    if init == 0:
        os.close(may_go)
        os.close(asked)
        os.close(host_proc)
        _init(config, without, control, runner, ask, go)
    os.close(go)
    os.close(ask)
    os.close(control)
    if user and config["root"] and os.read(asked, 1):
        ids = [(0, config["uid"], config["slots"] + 1)]
        os.fchdir(host_proc)
        _map(f"{init}", ids, ids, deny_setgroups=False)
        os.chdir("/")
    os.write(may_go, b"g")
    os.waitpid(init, 0)


def _init(config: dict[str, Any], without: frozenset[str], control: int, runner: Any, ask: int, go: int) -> NoReturn:
    """Pid 1 of the outer jail, until the fork-server ends. Never returns."""
    code = 1
    try:
        die_with_parent(signal.SIGKILL)
        if "mount_namespace" not in without:
            root.build(config["directories"], config["links"], config["etc"], config["slots"])
        if config["root"] and "user_namespace" not in without:
            unshare(CLONE_NEWUSER)
            os.write(ask, b"?")
        # Also the proof that the parent was there when die_with_parent was called: it writes, or this ends here.
        if os.read(go, 1) != b"g":
            os._exit(1)
        os.close(ask)
        if config["root"] and "user_namespace" not in without:
            os.setgroups([])
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            # A change of uid had ended the first one.
            die_with_parent(signal.SIGKILL)
            _still_there(go)
            if _again(without):
                # In namespaces that belong to the user namespace: more can be made of these, and mounts added.
                root.mount_proc()
        os.close(go)
        if "pid_namespace" in without:
            set_subreaper()
        code = _serve(config, without, control, runner)
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    os._exit(code)


def _still_there(go: int) -> None:
    """The parent keeps the other end of this pipe open for as long as it lives."""
    poll = select.poll()
    poll.register(go, 0)
    if poll.poll(0):
        os._exit(1)


def _again(without: frozenset[str]) -> bool:
    """Enter a second pid and mount namespace; this process only waits. Whether there is anything to mount."""
    if "mount_namespace" not in without:
        unshare(CLONE_NEWNS)
    if "pid_namespace" in without:
        return False
    unshare(CLONE_NEWPID)
    init = os.fork()
    if init != 0:
        _, status = os.waitpid(init, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    return "mount_namespace" not in without


def _serve(config: dict[str, Any], without: frozenset[str], control: int, runner: Any) -> int:
    """The jail's init: makes the inits of its jobs, and ends when the fork-server does."""
    # Takes the pid 2.
    first = os.fork()
    if first == 0:
        os._exit(0)
    os.waitpid(first, 0)
    # Or the namespaces of what is made here may not be entered: to have changed its uid forbids looking into it.
    set_dumpable(True)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        zygote.serve(config, without, control, runner, theirs)
    theirs.close()
    os.close(control)
    # The kernel reaps: what ends here, and, as this is inherited, the orphans of each job.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while ours.recv(1):
        init = os.pidfd_open(pausing_process(CLONE_NEWPID))
        socket.send_fds(ours, [b"i"], [init])
        os.close(init)
    _end_children(without)
    return 0


def _end_children(without: frozenset[str]) -> None:
    """Without pid namespaces: orphans of the fork-server, which is gone, have become this process's own children."""
    if "pid_namespace" in without:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            while pids := file.read().split():
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                file.seek(0)


def _map(
    process: str, uids: list[tuple[int, int, int]], gids: list[tuple[int, int, int]], *, deny_setgroups: bool
) -> None:
    """Write a user namespace's maps: (inside, outside, count) each."""
    if deny_setgroups:
        _write(f"{process}/setgroups", "deny")
    _write(f"{process}/uid_map", "".join(f"{a} {b} {c}\n" for a, b, c in uids))
    _write(f"{process}/gid_map", "".join(f"{a} {b} {c}\n" for a, b, c in gids))


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
