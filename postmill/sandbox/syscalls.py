"""Linux system calls that Python 3.11 does not have, for code that runs inside of jails: standard library only.

Numbers and structures: linux/sched.h, linux/mount.h, linux/capability.h, linux/prctl.h. Each raises OSError.
"""

import ctypes
import os
import platform
import signal
import struct

_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

_CLONE_VM = 0x00000100
_stack = ctypes.create_string_buffer(16 * 1024)
_PAUSE_STACK = ctypes.c_void_p((ctypes.addressof(_stack) + len(_stack)) & ~15)

_X86 = platform.machine() in ("x86_64", "AMD64")
_NUMBERS = {
    "capset": (126, 91),
    "landlock_restrict_self": (446, 446),
    "mkdirat": (258, 34),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "prctl": (157, 167),
    "prlimit64": (302, 261),
    "seccomp": (317, 277),
    "setgroups": (116, 159),
    "sethostname": (170, 161),
    "setresgid": (119, 149),
    "setresuid": (117, 147),
    "umask": (95, 166),
    "unshare": (272, 97),
}
"""On x86-64 and on aarch64."""
_SYS_PIVOT_ROOT = 155 if _X86 else 41
_SYS_MOUNT_SETATTR = 442


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


class Call:
    """A system call with its arguments laid out ahead, for a forked child that should touch little memory."""

    __slots__ = ("_arguments", "_kept", "_what")

    def __init__(self, name: str, *arguments: int | str | bytes | None) -> None:
        """Numbers as they are, texts as C strings, bytes as buffers."""
        self._kept = [
            ctypes.create_string_buffer(os.fsencode(each) if isinstance(each, str) else each)
            if isinstance(each, str | bytes)
            else ctypes.c_long(each or 0)
            for each in arguments
        ]
        self._arguments = (ctypes.c_long(_NUMBERS[name][0 if _X86 else 1]), *self._kept)
        self._what = f"{name} {' '.join(str(each) for each in arguments if isinstance(each, str))}".rstrip()

    def __call__(self) -> None:
        """Raises OSError."""
        if _libc.syscall(*self._arguments) < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{self._what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """unshare(2)."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def pausing_process(flags: int) -> int:
    """clone(2) a process that shares this one's memory and only waits in pause(2); returns its pid.

    No handler of a signal must be set in it: it would run on shared memory, and end the pause. What is ignored when it
    is made stays ignored.
    """
    # One stack is enough for all: each writes the same few words to it and never returns from the system call.
    wait = ctypes.cast(_libc.pause, ctypes.c_void_p)
    return _check(_libc.clone(wait, _PAUSE_STACK, ctypes.c_int(_CLONE_VM | flags | signal.SIGCHLD), None), "clone")


def setns(fd: int, kind: int) -> None:
    """setns(2): enter the namespace of `fd`, which must be of this CLONE_NEW* kind."""
    _check(_libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)), "setns")


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """mount(2)."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, options)]
    result = _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    _check(result, f"mount {kind or source or ''} on {target}")


def umount(target: str) -> None:
    """umount2(2) with MNT_DETACH."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2)."""
    _check(_libc.syscall(_SYS_PIVOT_ROOT, os.fsencode(new), os.fsencode(old)), "pivot_root")


def set_mount_flags(target: str, flags: int) -> None:
    """mount_setattr(2): add MS_RDONLY, MS_NOSUID, MS_NODEV or MS_NOEXEC to a mount and all below it (Linux 5.12)."""
    # Of these four, MOUNT_ATTR_* are the same bits as MS_*.
    attributes = struct.pack("QQQQ", flags, 0, 0, 0)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    arguments = (_AT_FDCWD, os.fsencode(target), _AT_RECURSIVE, buffer, ctypes.c_size_t(len(attributes)))
    _check(_libc.syscall(_SYS_MOUNT_SETATTR, *arguments), f"mount_setattr {target}")


def die_with_parent(signal: int) -> None:
    """The calling process gets this signal when the thread that made it ends. Check afterwards that it still lives."""
    _prctl(_PR_SET_PDEATHSIG, signal)


def set_dumpable(on: bool) -> None:
    """Whether processes of the same user may look into this one; exec sets it again."""
    _prctl(PR_SET_DUMPABLE, int(on))


def set_subreaper() -> None:
    """Orphans below this process become its children."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero), f"prctl {option}")


def loopback_up() -> None:
    """Bring up `lo` of a new network namespace."""
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = struct.pack("16sh", b"lo", 0).ljust(40, b"\0")
        flags = struct.unpack_from("h", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, name), 16)[0]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP).ljust(40, b"\0"))
