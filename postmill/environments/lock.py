"""**Pure**: the text of a lock. Read strictly, as it comes from a jail or from whoever deploys a script.

    # py: 3.11
    six==1.17.0 \\
        --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274

What is read is printed anew before it is given to the installer: an option, an address or a file's path in a lock
would make a program outside of any jail fetch or read what the author of the lock chose.
"""

import hashlib
import re
from dataclasses import dataclass

from postmill.model.errors import BadRequest

MAX_LOCK = 4 * 1024 * 1024
"""Characters."""
_PYTHON = re.compile(r"#\s*py\s*:?\s*(3)\.?(\d+)\S*\s*")
_ENTRY = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*==\s*([A-Za-z0-9][A-Za-z0-9._+!-]*)\s*(?:;([^#@\\]*))?"
)
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package."""

    name: str
    version: str
    hashes: tuple[str, ...]
    marker: str = ""

    def text(self) -> str:
        head = f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")
        return " \\\n".join([head, *(f"    --hash={hash_}" for hash_ in self.hashes)]) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What is installed, to the byte."""

    python: str = ""
    """'3.11'; "" for the worker's own."""
    pins: tuple[Pin, ...] = ()

    def text(self) -> str:
        """As it is stored."""
        return (f"# py: {self.python}\n" if self.python else "") + self.pinned()

    def pinned(self) -> str:
        """For the installer."""
        return "".join(pin.text() for pin in self.pins)

    def key(self, python: str) -> str:
        """The name of its environment with this Python ('3.11.7'): 32 hexadecimal digits."""
        return hashlib.sha256(f"{python}\n{self.pinned()}".encode()).hexdigest()[:32]

    def without(self, names: frozenset[str]) -> "Lock":
        """The same, less these packages."""
        return Lock(python=self.python, pins=tuple(pin for pin in self.pins if normal(pin.name) not in names))


def normal(name: str) -> str:
    """A package's name in its one spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> Lock:
    """Read a lock.

    Raises:
        BadRequest: a line that is not `name==version` with its hashes; the message names it.
    """
    if len(text) > MAX_LOCK:
        raise BadRequest(f"the lock has over {MAX_LOCK} characters")
    python = ""
    pins: list[Pin] = []
    for line in text.replace("\r\n", "\n").replace("\\\n", " ").split("\n"):
        if line.startswith("#"):
            if not python and (match := _PYTHON.fullmatch(line)):
                python = f"{match[1]}.{match[2]}"
            continue
        if line.strip():
            pins.append(_pin(line.strip()))
    names = [normal(pin.name) for pin in pins if not pin.marker]
    if len(set(names)) != len(names):
        raise BadRequest("the lock names a package twice")
    return Lock(python=python, pins=tuple(sorted(pins, key=lambda pin: (normal(pin.name), pin.version, pin.marker))))


def _pin(line: str) -> Pin:
    head, *rest = re.split(r"\s+(?=--)", line)
    # A comment behind an entry: the resolver's "via".
    words = [re.sub(r"\s+#.*", "", word).strip() for word in rest]
    match = _ENTRY.fullmatch(head)
    if match is None:
        raise BadRequest(f"lock: {line[:100]!r} is not name==version with hashes")
    hashes = [_HASH.fullmatch(word) for word in words]
    if not hashes or None in hashes:
        raise BadRequest(f"lock: {head[:100]!r} has no --hash=sha256:…, which every package needs")
    marker = re.sub(r"\s+", " ", match[3] or "").strip()
    if not marker.isprintable():
        raise BadRequest(f"lock: {line[:100]!r} is not name==version with hashes")
    return Pin(
        name=match[1],
        version=match[2],
        marker=marker,
        hashes=tuple(sorted({found[1] for found in hashes if found is not None})),
    )
