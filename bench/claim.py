"""W7: claims with 100,000 queued jobs over 10 tags and 50 workspaces; and the finish-and-claim pipeline."""

import asyncio
import time

import psycopg

from bench.figures import Figure, percentile
from postmill.model.job import Result
from postmill.queue.claim import Wanted, claim
from postmill.queue.finish import Ending, finish
from postmill.store import migrate
from postmill.store.db import Database

FILL = """
WITH definition AS (
    INSERT INTO job (id, workspace_id, kind, language, content, args, tag, created_by, permissioned_as, email,
                     scheduled_for, timeout_s)
    SELECT gen_random_uuid(), 'ws' || n %% 50, 'preview', 'bash', 'true', '{}', 'tag' || n %% 10, 'ann', 'u/ann',
           'ann@example.com', now(), 60
    FROM generate_series(1, %s) AS n RETURNING id, workspace_id, tag, scheduled_for
)
INSERT INTO job_queue (id, workspace_id, state, scheduled_for, priority, rank, tag)
SELECT id, workspace_id, 'available', scheduled_for, 0, random() * 100000, tag FROM definition
"""


async def _measure(url: str, queued: int, count: int) -> list[Figure]:
    logins = await migrate.roles(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL, (queued,))
        connection.execute("ANALYZE")
    claims, pipelines = [], []
    cpu = 0.0
    wanted = Wanted(worker="bench", tags=[f"tag{n}" for n in range(10)], count=1, lease_s=60)
    async with Database.connect(logins.system_url, size=2) as database:
        for number in range(count):
            started = time.perf_counter()
            async with database.transaction(pipeline=True) as tx:
                claimed = await claim(tx, wanted)
            [job] = await claimed.jobs()
            if number >= 10:
                claims.append((time.perf_counter() - started) * 1000)
        for _ in range(count):
            started, cpu_then = time.perf_counter(), time.process_time()
            async with database.transaction(pipeline=True) as tx:
                await finish(tx, Ending(id=job.id, lease=job.lease), Result(status="success", result="1"))
                claimed = await claim(tx, wanted)
            [job] = await claimed.jobs()
            cpu += time.process_time() - cpu_then
            pipelines.append((time.perf_counter() - started) * 1000)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE job, job_queue, job_completed CASCADE")
    what = f"claim with {queued:,} queued jobs, 10 tags, 50 workspaces"
    return [
        Figure(id="W7", what=f"{what}, p50", value=percentile(claims, 0.5), unit="ms"),
        Figure(id="W7 p99", what=f"{what}, p99", value=percentile(claims, 0.99), unit="ms", reach="50", then="20"),
        Figure(
            id="pipeline",
            what="finish and claim of the next, one round trip, p50",
            value=percentile(pipelines, 0.5),
            unit="ms",
        ),
        Figure(id="pipeline", what="the same, CPU of the worker", value=cpu / count * 1000, unit="ms"),
    ]


def claims(url: str, queued: int = 100_000, count: int = 500) -> list[Figure]:
    return asyncio.run(_measure(url, queued, count))
