"""Dependencies: the workspace's dependency files, and the lock of code that is not deployed."""

from typing import Annotated, Any

from fastapi import Depends
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from postmill.api.access import admin, developer, member
from postmill.api.body import new_router
from postmill.api.services import Served, Services
from postmill.api.wire import utc
from postmill.engine import dependencies as engine
from postmill.model.errors import BadRequest, NotFound
from postmill.model.path import check_path
from postmill.model.script import MAX_CONTENT
from postmill.model.user import Actor
from postmill.store import dependencies

router = new_router("/w/{workspace}/workspace_dependencies", "workspace_dependencies")
jobs_router = new_router("/w/{workspace}/jobs", "job")

Reader = Annotated[Actor, Depends(member("scripts:read"))]
# Each line runs in everybody's scripts, whoever runs them.
Admin = Annotated[Actor, Depends(admin("scripts:write"))]
Previewer = Annotated[Actor, Depends(developer("jobs:run:previews"))]

_FILE_AT_MOST = 100_000


class NewFile(BaseModel):
    """The body of `workspace_dependencies/create`. Without a name it is the file that every script is given."""

    model_config = ConfigDict(strict=True, extra="ignore")

    workspace_id: str | None = None
    language: str
    name: str | None = None
    description: Annotated[str, Field(max_length=10_000)] | None = None
    content: Annotated[str, Field(max_length=_FILE_AT_MOST)]


class RawScript(BaseModel):
    """Code that is not deployed."""

    model_config = ConfigDict(strict=True, extra="ignore")

    raw_code: Annotated[str, Field(max_length=MAX_CONTENT)]
    language: str
    path: str | None = None
    script_path: str | None = None
    """As the command line spells it."""


class RawScripts(BaseModel):
    """The body of `jobs/run/dependencies_async`."""

    model_config = ConfigDict(strict=True, extra="ignore")

    raw_scripts: Annotated[list[RawScript], Field(min_length=1, max_length=1)]
    entrypoint: str | None = None


def _wire(found: dependencies.DependencyFile) -> dict[str, Any]:
    return {
        "id": found.id,
        "workspace_id": found.workspace_id,
        "language": found.language,
        "name": found.name or None,
        "description": found.description,
        "content": found.content,
        "archived": found.archived,
        "created_at": utc(found.created_at),
    }


@router.post("/create", status_code=201, response_class=PlainTextResponse)
async def create_workspace_dependencies(body: NewFile, actor: Admin, served: Served) -> str:
    """Save a dependency file; the scripts that are given it are resolved anew. The answer is its number."""
    if body.workspace_id not in (None, actor.workspace):
        raise BadRequest("workspace_id: another workspace than the address names")
    number = await engine.save_file(
        served.database,
        served.wake,
        served.settings,
        actor,
        language=body.language,
        name=body.name or "",
        description=body.description or "",
        content=body.content,
    )
    return str(number)


@router.get("/list")
async def list_workspace_dependencies(actor: Reader, served: Served) -> list[dict[str, Any]]:
    """The newest version of each dependency file."""
    async with served.database.transaction(actor) as tx:
        return [_wire(found) for found in await dependencies.list_files(tx, actor.workspace or "")]


@router.get("/get_latest/{language}")
async def get_latest_workspace_dependencies(
    language: str, actor: Reader, served: Served, name: str | None = None
) -> dict[str, Any] | None:
    """The newest version of one; null when there is none."""
    async with served.database.transaction(actor) as tx:
        found = await dependencies.file(tx, actor.workspace or "", language, name or "")
    return _wire(found) if found else None


@router.post("/archive/{language}", response_class=PlainTextResponse)
async def archive_workspace_dependencies(language: str, actor: Admin, served: Served, name: str | None = None) -> str:
    """Take it away from the scripts; they are resolved anew without it."""
    return await _remove(served, actor, language, name, forever=False)


@router.post("/delete/{language}", response_class=PlainTextResponse)
async def delete_workspace_dependencies(language: str, actor: Admin, served: Served, name: str | None = None) -> str:
    """The same, and its older versions go too."""
    return await _remove(served, actor, language, name, forever=True)


async def _remove(served: Services, actor: Actor, language: str, name: str | None, *, forever: bool) -> str:
    removed = await engine.remove_file(
        served.database, served.wake, served.settings, actor, language, name or "", forever=forever
    )
    if not removed:
        raise NotFound(f"dependency file {name or 'without a name'} of {language[:40]}")
    return f"{'deleted' if forever else 'archived'} {name or language}"


@jobs_router.post("/run/dependencies_async", status_code=201, response_class=PlainTextResponse)
async def run_raw_script_dependencies_async(body: RawScripts, actor: Previewer, served: Served) -> str:
    """Queue a job whose result is `{"lock": …}` for this code; the answer is its id."""
    [script] = body.raw_scripts
    if script.language != engine.LANGUAGE:
        raise BadRequest(f"language {script.language[:40]!r} has no locks in this version")
    if "\0" in script.raw_code:
        raise BadRequest("raw_code: a NUL character cannot be kept")
    path = script.path or script.script_path
    if path:
        check_path(path)
    job = await engine.resolve_raw(served.database, served.wake, served.settings, actor, path or None, script.raw_code)
    return str(job)
