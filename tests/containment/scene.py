"""The machine that the attacks are after: files, sockets, descriptors and an environment that hold a secret."""

import contextlib
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

BAIT = "postmill-bait"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where everything is. All of it may be read by everybody, so that only the sandbox keeps it."""

    secret: str
    home: Path
    port: int
    abstract_name: str

    def arguments(self) -> dict[str, str | int]:
        """Of the scripts, as far as they are the same in each run."""
        return {
            "secret": self.secret,
            "secret_file": str(self.home / "settings"),
            "bait": f"{BAIT}-{self.secret}",
            "open_directory": str(self.home / "open"),
            "setuid_program": str(self.home / "setuid"),
            "database_socket": str(self.home / "database"),
            "port": self.port,
            "abstract_name": self.abstract_name,
            "worker_pid": os.getpid(),
        }


@contextlib.contextmanager
def laid_out() -> Iterator[Scene]:
    """Make it, as this process and its files; nothing of it is left afterwards."""
    secret = uuid4().hex
    home = Path(tempfile.mkdtemp(prefix="postmill-scene-", dir="/var/tmp"))
    with contextlib.ExitStack() as undo:
        undo.callback(shutil.rmtree, home)
        home.chmod(0o755)
        for name in ("settings", f"{BAIT}-{secret}"):
            (home / name).write_text(secret)
        (home / "open").mkdir()
        (home / "open").chmod(0o777)
        shutil.copy("/usr/bin/id", home / "setuid")
        (home / "setuid").chmod(0o4755)
        abstract_name = f"postmill-{secret}"
        addresses: tuple[tuple[int, str | tuple[str, int]], ...] = (
            (socket.AF_UNIX, str(home / "database")),
            (socket.AF_UNIX, f"\0{abstract_name}"),
            (socket.AF_INET, ("127.0.0.1", 0)),
        )
        for family, address in addresses:
            listener = undo.enter_context(socket.socket(family))
            listener.bind(address)
            listener.listen(64)
        (home / "database").chmod(0o777)
        held = os.open(home / "settings", os.O_RDONLY)
        undo.callback(os.close, held)
        os.set_inheritable(held, True)
        os.environ["SCENE_DATABASE_URL"] = secret
        undo.callback(os.environ.pop, "SCENE_DATABASE_URL")
        yield Scene(secret, home, listener.getsockname()[1], abstract_name)


def new_mark() -> str:
    """A number of seconds for `sleep` that no other process on this machine has."""
    return f"8{uuid4().int % 10**12:012d}"


def marked(mark: str) -> list[int]:
    """The processes that sleep so long."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{entry}/cmdline").read_bytes() == f"sleep\0{mark}\0".encode():
                found.append(int(entry))
    return found


def end(mark: str) -> None:
    """Kill what a test has left."""
    for pid in marked(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
