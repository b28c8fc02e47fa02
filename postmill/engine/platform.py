"""The direct form of the worker's six calls: straight to the queue. A remote worker's form speaks HTTP."""

from collections.abc import Callable

from postmill.engine import finish as ending
from postmill.engine.context import contextual
from postmill.engine.dependencies import wanted_text
from postmill.engine.job_secrets import job_secrets
from postmill.engine.modules import workspace_modules
from postmill.environments.sources import sources
from postmill.executors.contract import Task
from postmill.failpoint import failpoint
from postmill.language.options import check, read_options
from postmill.model.errors import LostLease
from postmill.model.job import ClaimedJob, Held, Pulse, Result, WorkerInfo
from postmill.model.options import Options
from postmill.queue.beat import beat
from postmill.queue.claim import Wanted, claim
from postmill.queue.wake import Wake
from postmill.settings import Settings
from postmill.store import jobs, streams
from postmill.store.db import Database


class DirectPlatform:
    """One worker's calls; see `worker/calls.py` for what each promises."""

    def __init__(
        self,
        database: Database,
        wake: Wake,
        settings: Settings,
        worker: WorkerInfo,
        token_of: Callable[[ClaimedJob], str],
    ) -> None:
        self._database = database
        self._wake = wake
        self._settings = settings
        self._worker = worker
        self._token_of = token_of
        self._secrets = sources(settings).secrets

    def _wanted(self, count: int) -> Wanted | None:
        if count <= 0:
            return None
        return Wanted(worker=self._worker.name, tags=self._worker.tags, count=count, lease_s=self._settings.lease)

    async def claim(self, count: int) -> list[ClaimedJob]:
        wanted = self._wanted(count)
        if wanted is None:
            return []
        async with self._database.transaction(pipeline=True) as tx:
            claimed = await claim(tx, wanted)
        found = await claimed.jobs()
        self._wake.changed(job.id for job in found)
        failpoint("after_claim")
        return found

    async def beat(self, pulse: Pulse) -> Held:
        failpoint("before_beat")
        async with self._database.transaction() as tx:
            return await beat(tx, self._worker, pulse, self._settings.lease)

    async def append_log(self, job: ClaimedJob, position: int, text: str) -> None:
        failpoint("before_log")
        async with self._database.transaction() as tx:
            await jobs.append_log(tx, job.id, job.lease, position, text)
        self._wake.changed([job.id])

    async def append_stream(self, job: ClaimedJob, position: int, text: str) -> None:
        failpoint("before_log")
        async with self._database.transaction() as tx:
            await streams.append(tx, job.id, job.lease, position, text)
        self._wake.changed([job.id])

    async def finish(self, job: ClaimedJob, result: Result | None, claim_next: int) -> list[ClaimedJob]:
        failpoint("before_finish")
        if result is None:
            await ending.hand_back(self._database, self._wake, job)
            return []
        try:
            found = await ending.end(self._database, self._wake, job, result, self._wanted(claim_next))
        except LostLease:
            if await ending.was_ended_by(self._database, job.id, job.lease):
                # The first try was committed and its answer lost.
                found = []
            else:
                raise
        self._wake.ended([job.id])
        self._wake.changed(next_job.id for next_job in found)
        return found

    async def resolve(self, job: ClaimedJob) -> Task:
        # The limits of a dependency job are not those of the script that it is for.
        options = read_options(job.content, job.language) if job.kind != "dependencies" else Options()
        check(options, self._settings.bounds)
        modules = await workspace_modules(self._database, job.workspace_id, job.script_path, job.content, job.language)
        requirements = await wanted_text(self._database, job, modules)
        failpoint("after_resolve")
        token = self._token_of(job)
        context = contextual(
            job,
            token=token,
            base_url=self._settings.public_url,
            internal_url=self._settings.internal_url,
            worker_group=self._worker.worker_group,
        )
        own = dict(entry.partition("=")[::2] for entry in job.envs)
        return Task(
            language=job.language,
            content=job.content,
            args=job.args,
            modules=modules,
            env={**own, **context},
            kind="dependencies" if job.kind == "dependencies" else "script",
            workspace=job.workspace_id,
            lock=job.lock or "",
            dedicated=job.dedicated,
            requirements=requirements,
            options=options,
            secrets=(*job_secrets(job, token), *self._secrets),
        )
