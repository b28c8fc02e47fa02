"""What the log of a job must not show."""

from typing import Any

import pytest

from postmill.engine.job_secrets import job_secrets
from postmill.model.job import ClaimedJob
from tests.api.caller import TAGS
from tests.queue.conftest import Queue, queue

__all__ = ["queue"]

PREVIEW = "from pydantic import SecretStr\n\ndef main(key: SecretStr, name: str):\n    pass\n"


async def claimed(queue: Queue, **more: Any) -> ClaimedJob:
    await queue.push(args='{"key": "sesame", "name": "Ann", "big": 1%s}' % ("0" * 5000), **more)
    [job] = await queue.claim(tags=TAGS)
    return job


@pytest.mark.anyio
async def test_a_job_always_hides_its_token(queue: Queue) -> None:
    assert job_secrets(await claimed(queue), "token") == ("token",)


@pytest.mark.anyio
async def test_a_preview_hides_what_its_source_calls_secret(queue: Queue) -> None:
    job = await claimed(queue, language="python3", tag="python3", content=PREVIEW)
    assert job_secrets(job, "token") == ("token", "sesame")
