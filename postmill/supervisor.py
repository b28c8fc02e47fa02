"""`postmill up`: the embedded database, one server and the workers as child processes, started and stopped in order.

A child that dies is started again. Ctrl-C and SIGTERM stop workers first (they hand back what they cannot finish), then
the server, then the database; a second Ctrl-C hurries the workers. kill -9 leaves nothing behind: every child asked the
kernel for a signal at its parent's death, and the next start finds the rest.
"""

import asyncio
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from postmill.model.errors import PostmillError
from postmill.settings import Settings
from postmill.store import embedded

RESTART_S = 1.0
PATIENCE_S = 10.0
"""Beyond the grace, before a child is killed."""


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Supervisor:
    """One `postmill up` a home."""

    def __init__(self, settings: Settings, *, reload: bool) -> None:
        self._settings = settings
        self._reload = reload
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._database = embedded.Embedded(settings.home) if settings.database_url is None else None
        self._stopping = asyncio.Event()
        self._lock: int | None = None

    def run(self) -> None:
        """Until Ctrl-C or SIGTERM; nothing that it started is then left.

        Raises:
            PostmillError: another `postmill up` has this home, or the database cannot be started.
        """
        self._settings.home.mkdir(parents=True, exist_ok=True)
        self._take_home()
        try:
            asyncio.run(self._run())
        finally:
            if self._database is not None:
                self._database.stop()

    def _take_home(self) -> None:
        path = self._settings.home / "up.lock"
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PostmillError(
                f"another `postmill up` uses {self._settings.home}: stop it, or set POSTMILL_HOME"
            ) from None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        if self._database is not None:
            print(f"starting Postgres {embedded.MAJOR} below {self._settings.home}", flush=True)
            # From the main thread: the kernel's signal at a parent's death means the thread that forked.
            self._database.launch()
        # The children take longer to import than Postgres to start: they begin at once, and wait for it if they must.
        keepers = [asyncio.create_task(self._keep_children())]
        if self._database is not None:
            await asyncio.to_thread(self._database.wait_until_ready)
            keepers.append(asyncio.create_task(embedded.keep_running(self._database)))
        if self._reload:
            keepers.append(asyncio.create_task(self._watch_files()))
        await self._stopping.wait()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        print("stopping", flush=True)
        await self._end([name for name in self._children if name != "server"], self._settings.grace + PATIENCE_S)
        await self._end(["server"], PATIENCE_S)

    def _stop(self) -> None:
        if self._stopping.is_set():
            for name, child in self._children.items():
                if name != "server" and child.poll() is None:
                    child.send_signal(signal.SIGTERM)
        self._stopping.set()

    def _names(self) -> list[str]:
        return ["server", *(f"worker {number}" for number in range(1, self._settings.workers + 1))]

    def _start(self, name: str) -> None:
        self._children[name] = subprocess.Popen(
            [sys.executable, "-m", "postmill", name.split()[0]],
            stdin=subprocess.DEVNULL,
            # The terminal's Ctrl-C is ours to pass on, in order.
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )

    async def _keep_children(self) -> None:
        started: dict[str, float] = {}
        while True:
            for name in self._names():
                child = self._children.get(name)
                if child is not None and child.poll() is None:
                    continue
                if child is not None:
                    print(f"{name} ended with {child.returncode}; starting it again", file=sys.stderr, flush=True)
                    await asyncio.sleep(max(0.0, started[name] + RESTART_S - time.monotonic()))
                started[name] = time.monotonic()
                self._start(name)
            await asyncio.sleep(0.1)

    async def _watch_files(self) -> None:
        from watchfiles import awatch

        async for _ in awatch(Path(__file__).parent):
            print("files changed: restarting", flush=True)
            await self._end(list(self._children), PATIENCE_S)

    async def _end(self, names: list[str], patience: float) -> None:
        """SIGTERM, and SIGKILL for who is still there after `patience` seconds."""
        children = [self._children[name] for name in names if name in self._children]
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + patience
        while any(child.poll() is None for child in children) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()
