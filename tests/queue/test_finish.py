"""What follows from an end: the next run of a perpetual script, the result cache, large results."""

from typing import Any
from uuid import UUID

import pytest

from postmill.model.job import BLOB_ROW, INLINE_RESULT, Result
from postmill.queue.cancel import cancel
from postmill.queue.push import push_or_cached
from tests.queue.conftest import Queue, new_job

pytestmark = pytest.mark.anyio

SCRIPT = b"""INSERT INTO script (workspace_id, hash, path, content, language, created_by, restart_unless_cancelled)
             VALUES ('w', %(hash)s, 'u/ann/again', 'true', 'bash', 'ann', %(again)s) RETURNING hash"""


async def _perpetual(queue: Queue, again: bool = True) -> UUID:
    async with queue.database.transaction() as tx:
        await tx.execute("INSERT INTO workspace (id, name, owner) VALUES ('w', 'w', 'ann')")
    await queue.rows(SCRIPT, hash=7, again=again)
    return await queue.push(
        kind="script", content=None, script_hash=7, script_path="u/ann/again", perpetual=True, args='{"a": 1}'
    )


@pytest.mark.parametrize("status", ["success", "failure"])
async def test_a_perpetual_script_runs_again_however_it_ended(queue: Queue, status: str) -> None:
    first = await _perpetual(queue)
    [job] = await queue.claim()
    await queue.finish(job, Result(status="success" if status == "success" else "failure", result="1"))
    [row] = await queue.rows(
        b"SELECT job.*, queued.state, job.args::text AS args FROM job_queue AS queued JOIN job USING (id)"
    )
    assert row["id"] != first
    assert (row["state"], row["script_hash"], row["args"], row["perpetual"]) == ("scheduled", 7, '{"a": 1}', True)


async def test_a_cancelled_perpetual_script_stays_cancelled(queue: Queue) -> None:
    first = await _perpetual(queue)
    [job] = await queue.claim()
    async with queue.database.transaction() as tx:
        await cancel(tx, "w", first, "bob", "")
    await queue.finish(job)
    assert await queue.rows(b"SELECT id FROM job_queue") == []


async def test_a_script_whose_new_version_is_not_perpetual_ends(queue: Queue) -> None:
    await _perpetual(queue, again=False)
    [job] = await queue.claim()
    await queue.finish(job)
    assert await queue.rows(b"SELECT id FROM job_queue") == []


async def test_a_success_answers_the_same_question_until_it_expires(queue: Queue) -> None:
    asked: dict[str, Any] = {"cache_key": b"k", "cache_ttl_s": 60}
    await queue.push(new_job(**asked))
    [job] = await queue.claim()
    await queue.finish(job, Result(status="success", result='{"b":1,"a":2}'))
    again = new_job(**asked)
    async with queue.database.transaction() as tx:
        assert await push_or_cached(tx, again, 1.0)
    [row] = await queue.rows(b"SELECT result::text, cached, status FROM job_completed WHERE id = %(id)s", id=again.id)
    assert row == {"result": '{"b":1,"a":2}', "cached": True, "status": "success"}
    await queue.rows(b"UPDATE result_cache SET expires_at = clock() RETURNING key")
    async with queue.database.transaction() as tx:
        assert not await push_or_cached(tx, new_job(**asked), 2.0)


async def test_a_failure_is_not_remembered(queue: Queue) -> None:
    asked: dict[str, Any] = {"cache_key": b"k", "cache_ttl_s": 60}
    await queue.push(new_job(**asked))
    [job] = await queue.claim()
    await queue.finish(job, Result(status="failure", result="1"))
    assert await queue.rows(b"SELECT key FROM result_cache") == []


async def test_a_large_result_goes_into_rows_and_comes_out_whole(queue: Queue) -> None:
    text = '"' + "é" * BLOB_ROW + '"'
    await queue.push()
    [job] = await queue.claim()
    await queue.finish(job, Result(status="success", result=text))
    rows = await queue.rows(b"SELECT bytes FROM blob WHERE id = %(id)s ORDER BY seq", id=job.id)
    assert len(rows) == 3
    assert b"".join(row["bytes"] for row in rows).decode() == text
    assert await queue.value(b"SELECT (result ->> 'size')::int FROM job_completed") == len(text.encode())


async def test_a_large_result_of_a_cancelled_job_leaves_nothing_behind(queue: Queue) -> None:
    job_id = await queue.push()
    [job] = await queue.claim()
    async with queue.database.transaction() as tx:
        await cancel(tx, "w", job_id, "bob", "")
    await queue.finish(job, Result(status="success", result='"' + "x" * INLINE_RESULT + '"'))
    assert await queue.rows(b"SELECT id FROM blob") == []
