"""Builds and runs a server process: API, UI and upkeep on one port."""

import asyncio
import contextlib
from collections.abc import Iterator

import uvicorn

import postmill
from postmill.api.app import create_app
from postmill.api.services import Services
from postmill.api.stream import Watchers
from postmill.auth import setup
from postmill.auth.instance import job_token_key
from postmill.engine.start import Starter
from postmill.model.errors import PostmillError
from postmill.process import beside, migrated_logins, on_signals
from postmill.queue.rank import Ranks
from postmill.queue.wake import Wake
from postmill.settings import Settings
from postmill.store.db import Database
from postmill.store.listen import CHANGED, listen
from postmill.upkeep.due import Due
from postmill.upkeep.forever import forever
from postmill.upkeep.prune import Prune
from postmill.upkeep.ranks import RefreshRanks
from postmill.upkeep.rescue import PERIOD_S as RESCUE_S
from postmill.upkeep.rescue import Rescue

GRACEFUL_S = 3
"""What open streams are given when the server stops; their readers come back with a cursor."""


class _Server(uvicorn.Server):
    """uvicorn re-raises the signals that it took, and nothing after it would run: ours are the only handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings) -> None:
    """API, UI and upkeep on one port, until SIGTERM or SIGINT."""
    logins = await migrated_logins(settings)
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

        on_signals(stop)
        listen_url = settings.listen_url or logins.system_url
        async with beside(
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
