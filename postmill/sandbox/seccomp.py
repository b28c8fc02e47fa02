"""The system calls that a job is refused, as a table, and the filter that the kernel runs before each call.

A list of what is denied, not of what is allowed: ordinary programs in any language run, and what only administrators,
debuggers and exploits call does not. A call that libraries try first and replace when the kernel lacks it is answered
with ENOSYS. So is every call that is newer than this table, until somebody has looked at it.

Runs inside the jail, in any CPython from 3.11 on: standard library only, nothing of this package.

**Invariant**: only the low 32 bits of an argument are looked at where the kernel looks at those alone. A comparison of
all 64 would be passed by whoever sets a high bit.
"""

import ctypes
import os
import struct
from collections.abc import Iterator
from errno import EACCES, EAFNOSUPPORT, EAGAIN, ENOSYS, EPERM, EPROTONOSUPPORT
from typing import NamedTuple

NEWEST = 469
"""file_setattr of Linux 6.17: the last call that this table was checked against. From 424 on all machines agree."""


class Bits(NamedTuple):
    """The argument at this place has one of these bits."""

    place: int
    bits: int


class OneOf(NamedTuple):
    """The argument at this place, under the mask, is one of these."""

    place: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF


class NoneOf(NamedTuple):
    """The argument at this place, under the mask, is none of these."""

    place: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF


class Rule(NamedTuple):
    """One refusal. Several of one call are tried in their order; a call that none refuses goes through."""

    name: str
    x86_64: int | None
    aarch64: int | None
    """Numbers of the call; None where the machine has no such call."""
    why: str
    when: tuple[Bits | OneOf | NoneOf, ...] = ()
    """All must hold; empty: always."""
    answer: int = EPERM


_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_NEW_TIME = 0x00000080
"""Of unshare only: in clone's flags it is a part of the signal's number."""
_CREATES = 0o100 | 0o20000000
"""O_CREAT and O_TMPFILE's own bit: without them the mode argument is whatever the register held."""
_SET_ID = 0o6000
_FORMAT = 0o170000
_DEVICES = (0o020000, 0o060000)
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_STREAM, _DATAGRAM, _TYPE = 1, 2, 0xF
_PERSONALITIES = (0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)
"""Linux, 32-bit Linux, each with the kernel's version as 2.6, and the question which it is."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

RULES: tuple[Rule, ...] = (
    # By argument. First, as the kernel remembers the answer only for calls whose arguments no rule looks at.
    Rule("openat", 257, 56, "makes a setuid file", (Bits(2, _CREATES), Bits(3, _SET_ID))),
    Rule("open", 2, None, "makes a setuid file", (Bits(1, _CREATES), Bits(2, _SET_ID))),
    Rule("ioctl", 16, 29, "types into a terminal for others", (OneOf(1, (_TIOCSTI, _TIOCLINUX)),)),
    Rule("clone", 56, 220, "new namespaces open kernel code meant for root", (Bits(0, _NEW_NAMESPACES),)),
    Rule(
        "socket", 41, 198, "families beyond local and IP", (NoneOf(0, (_UNIX, _INET, _INET6, _NETLINK)),), EAFNOSUPPORT
    ),
    Rule(
        "socket",
        41,
        198,
        "raw and packet sockets forge and overhear traffic",
        (OneOf(0, (_INET, _INET6)), NoneOf(1, (_STREAM, _DATAGRAM), _TYPE)),
    ),
    Rule(
        "socket",
        41,
        198,
        "netlink beyond the routes that getaddrinfo reads",
        (OneOf(0, (_NETLINK,)), NoneOf(2, (0,))),
        EPROTONOSUPPORT,
    ),
    Rule("socketpair", 53, 199, "families beyond local", (NoneOf(0, (_UNIX,)),), EAFNOSUPPORT),
    Rule("chmod", 90, None, "makes a setuid file", (Bits(1, _SET_ID),)),
    Rule("fchmod", 91, 52, "makes a setuid file", (Bits(1, _SET_ID),)),
    Rule("fchmodat", 268, 53, "makes a setuid file", (Bits(2, _SET_ID),)),
    Rule("fchmodat2", 452, 452, "makes a setuid file", (Bits(2, _SET_ID),)),
    Rule("creat", 85, None, "makes a setuid file", (Bits(1, _SET_ID),)),
    Rule("mknod", 133, None, "makes a setuid file", (Bits(1, _SET_ID),)),
    Rule("mknod", 133, None, "makes a device", (OneOf(1, _DEVICES, _FORMAT),)),
    Rule("mknodat", 259, 33, "makes a setuid file", (Bits(2, _SET_ID),)),
    Rule("mknodat", 259, 33, "makes a device", (OneOf(2, _DEVICES, _FORMAT),)),
    Rule("unshare", 272, 97, "new namespaces open kernel code meant for root", (Bits(0, _NEW_NAMESPACES | _NEW_TIME),)),
    Rule("personality", 135, 92, "turns off address randomisation and its like", (NoneOf(0, _PERSONALITIES),)),
    # Arguments in memory, which a filter cannot read: libraries fall back to the call before it.
    Rule("clone3", 435, 435, "hides the flags of new namespaces; clone takes its place", answer=ENOSYS),
    Rule("openat2", 437, 437, "hides the mode of a setuid file; openat takes its place", answer=ENOSYS),
    Rule("io_uring_setup", 425, 425, "does calls past this filter", answer=ENOSYS),
    Rule("io_uring_enter", 426, 426, "does calls past this filter", answer=ENOSYS),
    Rule("io_uring_register", 427, 427, "does calls past this filter", answer=ENOSYS),
    Rule("memfd_secret", 447, 447, "memory that no limit's reader sees", answer=ENOSYS),
    # Other processes.
    Rule("ptrace", 101, 117, "reads and steers another process"),
    Rule("process_vm_readv", 310, 270, "reads another process's memory"),
    Rule("process_vm_writev", 311, 271, "writes another process's memory"),
    Rule("process_madvise", 440, 440, "advises on another process's memory"),
    Rule("kcmp", 312, 272, "compares kernel pointers of two processes"),
    Rule("pidfd_getfd", 438, 438, "takes another process's descriptor"),
    Rule("move_pages", 279, 239, "moves another process's memory"),
    Rule("migrate_pages", 256, 238, "moves another process's memory"),
    # Keys outlive the job and are found by uid, not by namespace.
    Rule("add_key", 248, 217, "keyrings are shared by uid"),
    Rule("request_key", 249, 218, "keyrings are shared by uid, and it starts a program of root's"),
    Rule("keyctl", 250, 219, "keyrings are shared by uid"),
    # File systems.
    Rule("mount", 165, 40, "changes what is where"),
    Rule("umount2", 166, 39, "uncovers what a mount hides"),
    Rule("pivot_root", 155, 41, "changes the root"),
    Rule("chroot", 161, 51, "changes the root"),
    Rule("move_mount", 429, 429, "changes what is where"),
    Rule("open_tree", 428, 428, "copies mounts"),
    Rule("open_tree_attr", 467, 467, "copies mounts"),
    Rule("fsopen", 430, 430, "makes a file system"),
    Rule("fsconfig", 431, 431, "makes a file system"),
    Rule("fsmount", 432, 432, "makes a file system"),
    Rule("fspick", 433, 433, "changes a file system"),
    Rule("mount_setattr", 442, 442, "makes read-only mounts writable"),
    Rule("name_to_handle_at", 303, 264, "half of opening a file without its path"),
    Rule("open_by_handle_at", 304, 265, "opens a file without its path"),
    Rule("quotactl", 179, 60, "administers quotas"),
    Rule("quotactl_fd", 443, 443, "administers quotas"),
    Rule("swapon", 167, 224, "administers swap"),
    Rule("swapoff", 168, 225, "administers swap"),
    Rule("fanotify_init", 300, 262, "watches whole file systems"),
    Rule("lookup_dcookie", 212, 18, "names files for profilers"),
    # Namespaces and the kernel itself.
    Rule("setns", 308, 268, "enters another namespace"),
    Rule("bpf", 321, 280, "loads programs into the kernel"),
    Rule("perf_event_open", 298, 241, "measures other processes and the kernel"),
    Rule("userfaultfd", 323, 282, "stops the kernel at a chosen place, which exploits need"),
    Rule("kexec_load", 246, 104, "starts another kernel"),
    Rule("kexec_file_load", 320, 294, "starts another kernel"),
    Rule("init_module", 175, 105, "loads kernel modules"),
    Rule("finit_module", 313, 273, "loads kernel modules"),
    Rule("delete_module", 176, 106, "unloads kernel modules"),
    Rule("syslog", 103, 116, "reads the kernel's log, addresses and all"),
    # The machine.
    Rule("reboot", 169, 142, "stops the machine"),
    Rule("sethostname", 170, 161, "renames the machine"),
    Rule("setdomainname", 171, 162, "renames the machine"),
    Rule("acct", 163, 89, "switches accounting"),
    Rule("vhangup", 153, 58, "hangs up a terminal"),
    Rule("settimeofday", 164, 170, "sets the clock"),
    Rule("clock_settime", 227, 112, "sets the clock"),
    Rule("adjtimex", 159, 171, "sets the clock"),
    Rule("clock_adjtime", 305, 266, "sets the clock"),
    Rule("iopl", 172, None, "reaches hardware ports"),
    Rule("ioperm", 173, None, "reaches hardware ports"),
    Rule("modify_ldt", 154, None, "16-bit segments: code that nobody tests"),
    Rule("uselib", 134, None, "obsolete"),
    Rule("ustat", 136, None, "obsolete"),
    Rule("sysfs", 139, None, "obsolete"),
    Rule("nfsservctl", 180, 42, "obsolete"),
)

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_X32 = 0x40000000

_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in struct seccomp_data; both machines are little-endian, so that an argument's low half comes first."""
_LOAD, _AND, _IF_EQUAL, _IF_ABOVE, _IF_FROM, _IF_BITS, _RETURN = 0x20, 0x54, 0x15, 0x25, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000

_PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 38, 39, 22
_SET_MODE_FILTER, _TSYNC = 1, 1

Instruction = tuple[int, int, int, int]
"""Code, how many to skip if true, if false, and the operand."""


def program(*, allow: frozenset[str] = frozenset(), machine: str = "") -> bytes:
    """The filter as the kernel takes it, without the rules of the calls named in `allow`.

    `machine` is 'x86_64' or 'aarch64'; this one's own when it is empty. A call of another architecture (i386, x32)
    kills the process, as its numbers mean other calls.

    Raises:
        ValueError: a name without a rule, or a machine that the table does not know.
    """
    machine = machine or os.uname().machine
    if machine not in _AUDIT:
        raise ValueError(f"there is no filter for {machine!r}; there are {', '.join(_AUDIT)}")
    if unknown := allow - {rule.name for rule in RULES}:
        raise ValueError(f"no rule names {', '.join(sorted(unknown))}")
    return b"".join(struct.pack("=HBBI", *each) for each in _instructions(machine, allow))


def _instructions(machine: str, allow: frozenset[str]) -> Iterator[Instruction]:
    yield _LOAD, 0, 0, _ARCHITECTURE
    yield _IF_EQUAL, 1, 0, _AUDIT[machine]
    yield _RETURN, 0, 0, _KILL_PROCESS
    yield _LOAD, 0, 0, _NUMBER
    if machine == "x86_64":
        # -1 is no call of x32's but what a debugger puts there to skip a call.
        yield _IF_EQUAL, 2, 0, 0xFFFFFFFF
        yield _IF_FROM, 0, 1, _X32
        yield _RETURN, 0, 0, _KILL_PROCESS
    yield _IF_ABOVE, 0, 1, NEWEST
    yield _RETURN, 0, 0, _ERRNO | ENOSYS
    for rule in RULES:
        number = rule.x86_64 if machine == "x86_64" else rule.aarch64
        if number is None or rule.name in allow:
            continue
        # What holds leads on to the refusal; what does not skips it and, where an argument was loaded, loads anew.
        block: list[Instruction] = [(_RETURN, 0, 0, _ERRNO | rule.answer)]
        for condition in reversed(rule.when):
            block = [*_test(condition, len(block)), *block]
        yield _IF_EQUAL, 0, len(block), number
        yield from block
        if rule.when:
            yield _LOAD, 0, 0, _NUMBER
    yield _RETURN, 0, 0, _ALLOW


def _test(condition: Bits | OneOf | NoneOf, rest: int) -> Iterator[Instruction]:
    """Goes on when the condition holds; else skips the `rest` instructions behind it."""
    yield _LOAD, 0, 0, _ARGUMENTS + 8 * condition.place
    if isinstance(condition, Bits):
        yield _IF_BITS, 0, rest, condition.bits
        return
    yield _AND, 0, 0, condition.mask
    count = len(condition.values)
    for at, value in enumerate(condition.values, 1):
        left = count - at
        if isinstance(condition, NoneOf):
            yield _IF_EQUAL, left + rest, 0, value
        else:
            yield _IF_EQUAL, left, 0 if left else rest, value


def no_new_privs() -> None:
    """From here on no program gains rights by being started: not by a setuid bit, not by file capabilities.

    Raises:
        OSError: the kernel refuses.
    """
    _checked(_libc().prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))), "PR_SET_NO_NEW_PRIVS")


def install(program: bytes) -> None:
    """Put every thread of this process, and all that it starts, under the filter. There is no way back.

    Raises:
        OSError: EACCES without `no_new_privs()` before it; EAGAIN when a thread has a filter of its own; otherwise
            what the kernel says.
    """
    libc = _libc()
    if libc.prctl(_PR_GET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (0, 0, 0, 0))) != 1:
        raise OSError(EACCES, "a filter needs no_new_privs first")
    instructions = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions)))
    number = ctypes.c_long(_SECCOMP[os.uname().machine])
    thread = libc.syscall(number, ctypes.c_ulong(_SET_MODE_FILTER), ctypes.c_ulong(_TSYNC), head)
    if thread > 0:
        raise OSError(EAGAIN, f"thread {thread} has a filter of its own")
    _checked(thread, "SECCOMP_SET_MODE_FILTER")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(answer: int, what: str) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
