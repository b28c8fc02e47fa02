"""Landlock: an unprivileged process gives up, for itself and all that it starts, every path but those named.

The kernel checks the file that is reached, not the path that was written: neither links, nor `..`, nor a descriptor
from another namespace lead round it. What a process holds open already stays open.

Runs inside the jail, in any CPython from 3.11 on: standard library only, nothing of this package.

TCP is left alone: a Landlock rule names ports for every host, so that one which spares the user's own database cannot
refuse ours.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from contextlib import suppress

DEVICES = (
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
)
"""What programs expect to read and write. (/dev/fd, /dev/stdout lead into /proc; /dev/shm is a directory to write.)"""

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST_RIGHTS = (1 << 13) - 1
"""Of ABI 1: reading, executing, writing, and making and removing every kind of file."""
_MAKE_DEVICES = 1 << 6 | 1 << 11
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
"""The kernel takes no other right for a rule on a file."""
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_DEVICE = _WRITE_FILE | _READ_FILE | _READ_DIR | _TRUNCATE | _IOCTL_DEV
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1 << 0, 1 << 1

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""On every machine."""
_ASK_VERSION = 1
_PATH_BENEATH = 1
_SCOPE_ABI = 6


def abi() -> int:
    """The version of Landlock that this kernel offers; 0 where there is none, or where it is switched off."""
    return max(0, _call(_CREATE_RULESET, None, 0, _ASK_VERSION))


def scopes() -> int:
    """A ruleset that leaves every path and keeps signals and abstract sockets inside; -1 where the ABI is below 6.

    For `landlock_restrict_self(2)`.
    """
    if abi() < _SCOPE_ABI:
        return -1
    attributes = struct.pack("=QQQ", 0, 0, _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS)
    return _checked(_call(_CREATE_RULESET, attributes, len(attributes), 0), "landlock_create_ruleset")


def restrict(
    *, read: Iterable[str], write: Iterable[str], devices: Iterable[str] = DEVICES, scope: bool = True
) -> None:
    """Leave this thread, and all that it starts, these paths and what is below them. There is no way back.

    `read`: read and execute. `write`: everything but making devices. `devices`: read, write and control. A path that
    does not exist is skipped; one that leads elsewhere means the place it leads to. `scope`: where the ABI is 6 or
    more, no signal and no connection to an abstract socket reaches a process outside. Mounts cannot be changed, and
    processes outside cannot be traced, from here on.

    Call it in a process with one thread, after `seccomp.no_new_privs()`.

    Raises:
        OSError: ENOSYS or EOPNOTSUPP where `abi()` is 0; EPERM without no_new_privs; otherwise what the kernel says.
    """
    version = abi()
    handled = _FIRST_RIGHTS
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        handled |= right if version >= since else 0
    scopes = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if scope and version >= _SCOPE_ABI else 0
    # Handled accesses to files, to the network, and scopes; a kernel takes a longer one when the rest is zero.
    attributes = struct.pack("=QQQ", handled, 0, scopes)
    ruleset = _checked(_call(_CREATE_RULESET, attributes, len(attributes), 0), "landlock_create_ruleset")
    try:
        for paths, rights in ((read, _READ), (write, handled & ~_MAKE_DEVICES), (devices, _DEVICE)):
            for path in paths:
                # What this process cannot reach needs no rule.
                with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                    _allow(ruleset, path, rights & handled)
        _checked(_call(_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            rights &= _ON_FILES
        rule = struct.pack("=Qi", rights, beneath)
        _checked(_call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0), f"landlock_add_rule for {path}")
    finally:
        os.close(beneath)


def _call(number: int, *arguments: int | bytes | None) -> int:
    words = [each if each is None or isinstance(each, bytes) else ctypes.c_long(each) for each in arguments]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return int(libc.syscall(ctypes.c_long(number), *words))


def _checked(answer: int, what: str) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return answer
