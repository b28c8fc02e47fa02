"""One person's requests in one workspace; what the tests of scripts and jobs share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from httpx2 import AsyncClient, Response

from postmill.model.job import ClaimedJob, Result
from tests.api.conftest import Person
from tests.queue.conftest import Queue

HELLO = "def main(name: str, times: int = 2):\n    return name * times\n"
PATH = "f/a/hello"
TAGS = ("python3", "bash", "deno", "special")


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody at `/api/w/<workspace>`."""

    client: AsyncClient
    person: Person
    workspace: str = "main"

    def elsewhere(self, workspace: str) -> "Caller":
        return replace(self, workspace=workspace)

    async def get(self, path: str, **query: Any) -> Response:
        address = f"/api/w/{self.workspace}/{path}"
        return await self.client.get(address, params=query, headers=self.person.bearer, timeout=60)

    async def post(
        self,
        path: str,
        body: Any = None,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Response:
        """`body` goes out as JSON, `content` as it is."""
        return await self.client.post(
            f"/api/w/{self.workspace}/{path}",
            params=query,
            headers={**self.person.bearer, **(headers or {})},
            timeout=60,
            json=None if content is not None else body,
            content=content,
        )

    async def json(self, path: str, **query: Any) -> Any:
        """The answer to a GET that must be 200."""
        response = await self.get(path, **query)
        assert response.status_code == 200, response.text
        return response.json()

    async def create(self, path: str = PATH, content: str = HELLO, **settings: Any) -> Response:
        """Try to deploy. The query parameter `skip_if_noop` is told from the settings by its name."""
        query = {"skip_if_noop": settings.pop("skip_if_noop")} if "skip_if_noop" in settings else {}
        body = {"path": path, "content": content, "language": "python3", "summary": "", **settings}
        return await self.post("scripts/create", body, **query)

    async def deploy(self, path: str = PATH, content: str = HELLO, **settings: Any) -> str:
        """The new version's hash."""
        response = await self.create(path, content, **settings)
        assert response.status_code == 201, response.text
        return response.text

    async def script(self, path: str = PATH) -> dict[str, Any]:
        found: dict[str, Any] = await self.json(f"scripts/get/p/{path}")
        return found

    async def run(self, path: str = PATH, args: Mapping[str, Any] | None = None, **query: Any) -> UUID:
        """Queue a run that must be accepted."""
        response = await self.post(f"jobs/run/p/{path}", {"name": "Bob"} if args is None else args, **query)
        assert response.status_code == 201, response.text
        return UUID(response.text)

    async def preview(self, content: str = "true", language: str = "bash", **query: Any) -> UUID:
        response = await self.post("jobs/run/preview", {"content": content, "language": language}, **query)
        assert response.status_code == 201, response.text
        return UUID(response.text)

    async def job(self, id: UUID) -> dict[str, Any]:
        found: dict[str, Any] = await self.json(f"jobs_u/get/{id}")
        return found


async def finish_next(queue: Queue, result: str = "1", *, success: bool = True, worker: str = "one") -> ClaimedJob:
    """Be the worker that takes the next job and ends it at once."""
    [claimed] = await queue.claim(worker, tags=TAGS)
    await queue.finish(claimed, Result(status="success" if success else "failure", result=result))
    return claimed
