"""Builds and runs a worker process."""

import asyncio
import os
import socket
import sys
import uuid

import postmill
from postmill.auth.instance import job_token_key
from postmill.auth.job_tokens import job_token
from postmill.engine import dependencies
from postmill.engine.platform import DirectPlatform
from postmill.environments import interpreters
from postmill.environments.python import PythonEnvironments
from postmill.executors import registry
from postmill.executors.networks import Networks
from postmill.model.errors import PostmillError
from postmill.model.job import WorkerInfo
from postmill.model.options import LEVELS
from postmill.process import beside, migrated_logins, on_signals
from postmill.queue.wake import Wake
from postmill.sandbox import level
from postmill.sandbox.deadman import DeadMan
from postmill.sandbox.machine import Machine, look
from postmill.sandbox.mark import end_orphans
from postmill.sandbox.network import Filtered, Plan
from postmill.sandbox.servers import Sandbox
from postmill.settings import Settings
from postmill.store.conninfo import REACHABLE, tcp_hosts
from postmill.store.db import Database
from postmill.store.listen import CANCEL, WORK, listen
from postmill.store.migrate import Logins
from postmill.worker.loop import Worker, bounds


def _worker_info(settings: Settings, machine: Machine) -> WorkerInfo:
    host = socket.gethostname()
    try:
        ip = socket.gethostbyname(host)
    except OSError:
        ip = "127.0.0.1"
    reached = settings.network == "host" and tcp_hosts(settings.database_url, settings.listen_url)
    return WorkerInfo(
        name=f"wk-{host}-{os.getpid()}-{uuid.uuid4().hex[:6]}",
        instance=host,
        pid=os.getpid(),
        ip=ip,
        version=postmill.__version__,
        isolation=machine.level.name,
        how=machine.level.how,
        networks=machine.networks,
        no_filter=machine.refusals.get("filtered", ""),
        limits_by=machine.limits_by,
        refuses=machine.refuses(settings.min_isolation, settings.network),
        database=REACHABLE if reached else "",
        tags=settings.tags or (*registry.LANGUAGES, dependencies.TAG),
        slots=settings.slots,
    )


def _sandbox(settings: Settings, machine: Machine, deadman: DeadMan) -> Sandbox:
    """With spares that are sealed with what a job has by default."""
    return Sandbox(
        settings.slots,
        bounds(settings),
        memory=settings.spare_mb * 1024**2,
        without=level.WITHOUT[machine.level.name],
        netns=machine.filtered.netns if isinstance(machine.filtered, Filtered) else None,
        watch=deadman,
    )


def _announce(info: WorkerInfo, machine: Machine) -> None:
    print(f"worker {info.name}: {info.slots} slots, isolation {info.isolation}", flush=True)
    if info.refuses:
        print(f"*** THIS WORKER RUNS NO JOBS: {info.refuses} ***", file=sys.stderr, flush=True)
    elif info.isolation != LEVELS[-1]:
        print(
            f"*** JOBS ARE HELD BY ISOLATION {info.isolation} ONLY: {machine.level.detail}."
            " POSTMILL_MIN_ISOLATION=L3 would refuse this machine ***",
            file=sys.stderr,
            flush=True,
        )


async def work(settings: Settings) -> None:
    """Claim and run jobs until SIGTERM or SIGINT; a second one ends the grace of what still runs."""
    logins = await migrated_logins(settings)
    end_orphans()
    machine = look(Plan(api=settings.internal_address, refused=tcp_hosts(settings.database_url, settings.listen_url)))
    try:
        if not machine.level.ok:
            raise PostmillError(f"no sandbox on this machine: {machine.level.detail}")
        await _work(settings, logins, machine)
    finally:
        machine.close()


async def _work(settings: Settings, logins: Logins, machine: Machine) -> None:
    info = _worker_info(settings, machine)
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
        sandbox = _sandbox(settings, machine, deadman)
        networks = Networks(default=settings.network, refusals=machine.refusals)
        executors = registry.Executors(sandbox, PythonEnvironments.of(settings), networks)
        worker = Worker(platform, settings, executors.start, deadman, refuses=info.refuses)
        tags = frozenset(info.tags)

        def hint(channel: str, items: list[str]) -> None:
            if channel == CANCEL:
                worker.cancel(uuid.UUID(item) for item in items)
            elif not tags.isdisjoint(items):
                worker.work()

        on_signals(worker.drain)
        try:
            async with beside(
                listen(settings.listen_url or logins.system_url, [WORK, CANCEL], hint, lambda _: worker.work()),
                *([machine.filtered.keep_current()] if isinstance(machine.filtered, Filtered) else []),
            ):
                _announce(info, machine)
                await worker.run()
            await wake.close()
        finally:
            await sandbox.close()
            deadman.close()
