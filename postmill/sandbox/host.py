"""What the sandbox finds on this machine: the system's directories, the interpreter, whether we are root."""

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from postmill.model.errors import SandboxError

_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
)
_FIRST_UIDS = (200_000, 50_000)
"""Above every account of a usual system; the second for containers that map 65,536 uids."""
UIDS = 128 * 64
"""How many uids the slots of this machine's workers share out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """This machine, as far as a jail is concerned."""

    first_uid: int | None
    """As root: the first of the uids that jobs run as. None for an ordinary user, who takes user namespaces."""
    directories: tuple[str, ...]
    """Seen read-only at the same place."""
    links: tuple[tuple[str, str], ...]
    """(path, target) of the system's symbolic links, such as /bin → usr/bin."""
    uids: int = UIDS
    etc: tuple[str, ...] = _ETC
    """What a job may read of /etc, where it is there."""

    @property
    def root(self) -> bool:
        return self.first_uid is not None


@functools.cache
def survey() -> Host:
    """Look round once.

    Raises:
        SandboxError: names what is missing.
    """
    if sys.platform != "linux":
        raise SandboxError(f"jobs run in Linux namespaces, which {sys.platform} does not have")
    root = os.geteuid() == 0
    directories = ["/usr"]
    links = []
    for path in _SYSTEM:
        if os.path.islink(path):
            links.append((path, os.readlink(path)))
        elif os.path.isdir(path):
            directories.append(path)
    return Host(
        first_uid=first_uid(Path("/proc/self/uid_map").read_text()) if root else None,
        directories=tuple(directories),
        links=tuple(links),
    )


@functools.cache
def interpreter() -> tuple[str, str]:
    """The real interpreter of this process and its prefix: not a virtual environment's, not a shim."""
    executable = getattr(sys, "_base_executable", None) or sys.executable
    return os.path.realpath(executable), os.path.realpath(sys.base_prefix)


def first_uid(uid_map: str) -> int:
    """The first uid for jobs that /proc/self/uid_map allows.

    Raises:
        SandboxError: this container maps too few uids.
    """
    ranges = [(int(start), int(length)) for start, _, length in map(str.split, uid_map.splitlines())]
    for wanted in _FIRST_UIDS:
        if any(start <= wanted and wanted + UIDS <= start + length for start, length in ranges):
            return wanted
    raise SandboxError(
        f"as root, jobs run as one of the uids {_FIRST_UIDS[-1]} to {_FIRST_UIDS[-1] + UIDS}, which this container "
        "does not map; map 65,536 uids, or run Postmill as an ordinary user"
    )
