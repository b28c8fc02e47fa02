"""The one place that builds and joins the parts: up, server, worker, migrate, doctor."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import replace

import uvicorn

import postmill
from postmill.api.app import create_app
from postmill.api.services import Services, job_token_key
from postmill.api.stream import Watchers
from postmill.auth import setup
from postmill.auth.job_tokens import job_token
from postmill.cli.app import Commands, run_cli
from postmill.doctor import diagnose
from postmill.engine.platform import DirectPlatform
from postmill.engine.start import Starter
from postmill.executors import registry
from postmill.journal import write_journal
from postmill.model.errors import PostmillError, Unavailable
from postmill.model.job import WorkerInfo
from postmill.queue.rank import Ranks
from postmill.queue.wake import Wake
from postmill.sandbox import level
from postmill.sandbox.deadman import DeadMan
from postmill.settings import Settings, read_settings
from postmill.store import embedded, migrate
from postmill.store.db import Database
from postmill.store.listen import CANCEL, CHANGED, WORK, listen
from postmill.supervisor import Supervisor
from postmill.upkeep.due import Due
from postmill.upkeep.forever import forever
from postmill.upkeep.prune import Prune
from postmill.upkeep.ranks import RefreshRanks
from postmill.upkeep.rescue import PERIOD_S as RESCUE_S
from postmill.upkeep.rescue import Rescue
from postmill.worker.loop import Worker

GRACEFUL_S = 3
"""What open streams are given when the server stops; their readers come back with a cursor."""


def database_url(settings: Settings) -> str:
    """DATABASE_URL, or the embedded database of this home."""
    return settings.database_url or embedded.url(settings.home)


async def _logins(settings: Settings) -> migrate.Logins:
    """The two roles of a migrated database; waits for the database for as long as it takes."""
    told = False
    while True:
        try:
            logins = await migrate.roles(database_url(settings))
            await migrate.migrate(logins.system_url)
            return logins
        except Unavailable as error:
            if not told:
                print(f"waiting for the database: {error.message}", file=sys.stderr, flush=True)
            told = True
            await asyncio.sleep(1)


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


@contextlib.asynccontextmanager
async def _tasks(*coroutines: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run coroutines beside the block."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Server(uvicorn.Server):
    """uvicorn re-raises the signals that it took, and nothing after it would run: ours are the only handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings) -> None:
    """API, UI and upkeep on one port, until SIGTERM or SIGINT."""
    logins = await _logins(settings)
    async with Database.connect(logins.system_url, logins.api_url, size=20) as database:
        wake, ranks, watchers = Wake(database), Ranks(), Watchers()
        services = Services(
            settings=settings,
            database=database,
            job_token_key=await job_token_key(database),
            starter=Starter(database, wake, ranks, settings),
            wake=wake,
            watchers=watchers,
        )
        if settings.admin_email and settings.admin_password:
            await setup.ensure_admin(database, settings.admin_email, settings.admin_password)
        server = _Server(
            uvicorn.Config(
                create_app(services),
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACEFUL_S,
                lifespan="off",
            )
        )

        def stop() -> None:
            server.should_exit = True

        _on_signals(stop)
        listen_url = settings.listen_url or logins.system_url
        async with _tasks(
            listen(listen_url, [CHANGED], watchers.on_payload, watchers.on_connection),
            forever("rescue", Rescue(database, wake, min(RESCUE_S, settings.lease / 5)).sweep),
            forever("due", Due(database, wake).sweep),
            forever("prune", Prune(database, wake, settings.retention_days).sweep),
            forever("ranks", RefreshRanks(database, ranks).sweep),
            _announce(server, settings, database),
        ):
            await server.serve()
        await wake.close()
    if not server.started:
        raise PostmillError(f"port {settings.port} of {settings.host} cannot be had: set POSTMILL_PORT")


async def _announce(server: uvicorn.Server, settings: Settings, database: Database) -> None:
    """Say where people go, once the port answers."""
    while not server.started:
        await asyncio.sleep(0.01)
    print(f"Postmill {postmill.__version__} is at {settings.public_url}", flush=True)
    link = await setup.setup_link(database)
    if link is not None:
        print(f"Set it up (the link works once): {settings.public_url}{link}", flush=True)


def _worker_info(settings: Settings) -> WorkerInfo:
    host = socket.gethostname()
    try:
        ip = socket.gethostbyname(host)
    except OSError:
        ip = "127.0.0.1"
    found = level.probe()
    if not found.ok:
        raise PostmillError(f"no sandbox on this machine: {found.detail}")
    return WorkerInfo(
        name=f"wk-{host}-{os.getpid()}-{uuid.uuid4().hex[:6]}",
        instance=host,
        pid=os.getpid(),
        ip=ip,
        version=postmill.__version__,
        isolation=found.name,
        tags=settings.tags or registry.LANGUAGES,
        slots=settings.slots,
    )


async def work(settings: Settings) -> None:
    """Claim and run jobs until SIGTERM or SIGINT; a second one ends the grace of what still runs."""
    logins = await _logins(settings)
    info = _worker_info(settings)
    async with Database.connect(logins.system_url, size=min(20, 2 * settings.slots + 3)) as database:
        wake = Wake(database)
        key = await job_token_key(database)
        platform = DirectPlatform(
            database, wake, settings, info, lambda job: job_token(key, job.id, job.lease, job.workspace_id)
        )
        deadman = DeadMan()
        deadman.start()
        worker = Worker(platform, settings, registry.start, deadman)
        tags = frozenset(info.tags)

        def hint(channel: str, items: list[str]) -> None:
            if channel == CANCEL:
                worker.cancel(uuid.UUID(item) for item in items)
            elif not tags.isdisjoint(items):
                worker.work()

        _on_signals(worker.drain)
        try:
            async with _tasks(
                listen(settings.listen_url or logins.system_url, [WORK, CANCEL], hint, lambda _: worker.work())
            ):
                print(f"worker {info.name}: {settings.slots} slots, isolation {info.isolation}", flush=True)
                await worker.run()
            await wake.close()
        finally:
            deadman.close()


async def _migrate(settings: Settings) -> None:
    logins = await migrate.roles(database_url(settings))
    applied = await migrate.migrate(logins.system_url)
    print(f"applied {', '.join(applied)}" if applied else "the database is up to date")
    if logins.advice:
        print(
            f"second wall off: {database_url.__doc__} may not create roles. As its administrator run:\n{logins.advice}"
        )


async def _doctor(settings: Settings) -> bool:
    return await diagnose(settings, database_url)


def main() -> None:
    """The command `postmill`."""
    try:
        settings = read_settings()
    except PostmillError as error:
        print(f"postmill: {error.message}", file=sys.stderr)
        raise SystemExit(2) from None
    write_journal()

    def up(reload: bool) -> None:
        Supervisor(settings, reload=reload).run()

    def worker(slots: int | None) -> None:
        asyncio.run(work(replace(settings, slots=slots) if slots else settings))

    commands = Commands(
        up=up,
        server=lambda: asyncio.run(serve(settings)),
        worker=worker,
        migrate=lambda: asyncio.run(_migrate(settings)),
        doctor=lambda: asyncio.run(_doctor(settings)),
    )
    try:
        run_cli(commands)
    except PostmillError as error:
        print(f"postmill: {error.message}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
