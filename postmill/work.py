"""Builds and runs a worker process."""

import asyncio
import os
import socket
import uuid

import postmill
from postmill.auth.instance import job_token_key
from postmill.auth.job_tokens import job_token
from postmill.engine import dependencies
from postmill.engine.platform import DirectPlatform
from postmill.environments import interpreters
from postmill.environments.python import PythonEnvironments
from postmill.executors import registry
from postmill.model.errors import PostmillError
from postmill.model.job import WorkerInfo
from postmill.process import beside, migrated_logins, on_signals
from postmill.queue.wake import Wake
from postmill.sandbox import level
from postmill.sandbox.deadman import DeadMan
from postmill.sandbox.mark import end_orphans
from postmill.sandbox.servers import Sandbox
from postmill.settings import Settings
from postmill.store.db import Database
from postmill.store.listen import CANCEL, WORK, listen
from postmill.worker.loop import Worker


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
        tags=settings.tags or (*registry.LANGUAGES, dependencies.TAG),
        slots=settings.slots,
    )


async def work(settings: Settings) -> None:
    """Claim and run jobs until SIGTERM or SIGINT; a second one ends the grace of what still runs."""
    logins = await migrated_logins(settings)
    end_orphans()
    info = _worker_info(settings)
    # Once, ahead: what a script's `# py:` may choose from.
    await asyncio.to_thread(interpreters.installed)
    async with Database.connect(logins.system_url, size=min(20, 2 * settings.slots + 3)) as database:
        wake = Wake(database)
        key = await job_token_key(database)
        platform = DirectPlatform(
            database, wake, settings, info, lambda job: job_token(key, job.id, job.lease, job.workspace_id)
        )
        deadman = DeadMan()
        deadman.start()
        sandbox = Sandbox(settings.slots, watch=deadman)
        executors = registry.Executors(sandbox, PythonEnvironments.of(settings))
        worker = Worker(platform, settings, executors.start, deadman)
        tags = frozenset(info.tags)

        def hint(channel: str, items: list[str]) -> None:
            if channel == CANCEL:
                worker.cancel(uuid.UUID(item) for item in items)
            elif not tags.isdisjoint(items):
                worker.work()

        on_signals(worker.drain)
        try:
            async with beside(
                listen(settings.listen_url or logins.system_url, [WORK, CANCEL], hint, lambda _: worker.work())
            ):
                print(f"worker {info.name}: {settings.slots} slots, isolation {info.isolation}", flush=True)
                await worker.run()
            await wake.close()
        finally:
            await sandbox.close()
            deadman.close()
