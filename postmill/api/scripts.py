"""Scripts: deploy, read, list, archive, delete."""

import json
from typing import Annotated, Any

from fastapi import Depends, Query
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict

from postmill.api.access import admin, developer, member
from postmill.api.body import new_router
from postmill.api.drafts import overlay
from postmill.api.services import Served, Services
from postmill.api.wire import script_wire, utc
from postmill.auth.permissions import check_actor_scope, check_owner, check_role
from postmill.engine.deploy import deploy
from postmill.model.errors import NotFound
from postmill.model.path import check_path
from postmill.model.script import NewScript, Script, parse_hash, print_hash
from postmill.model.user import Actor
from postmill.store import scripts

router = new_router("/w/{workspace}/scripts", "script")

Lister = Annotated[Actor, Depends(member("scripts:read"))]
PathReader = Annotated[Actor, Depends(member("scripts:read:{path}"))]
HashReader = Annotated[Actor, Depends(member("scripts:read", path_follows=True))]
PathWriter = Annotated[Actor, Depends(developer("scripts:write:{path}"))]
Writer = Annotated[Actor, Depends(developer("scripts:write", path_follows=True))]
Admin = Annotated[Actor, Depends(admin("scripts:write"))]

MAX_PAGE = 1000


@router.post("/create", status_code=201, response_class=PlainTextResponse)
async def create_script(body: NewScript, actor: Writer, served: Served, skip_if_noop: bool = False) -> str:
    """Deploy a new version; the answer is its hash."""
    check_path(body.path)
    check_actor_scope(actor, "scripts:write", body.path)
    check_owner(actor, body.path)
    deployed = await deploy(served.database, served.settings, actor, body, wake=served.wake, skip_if_noop=skip_if_noop)
    return print_hash(deployed)


async def _head(served: Services, actor: Actor, path: str) -> Script:
    async with served.database.transaction(actor) as tx:
        found = await scripts.latest(tx, actor.workspace or "", path)
    if found is None:
        raise NotFound(f"script {path}")
    return found


async def _version(served: Services, actor: Actor, hash_: str, scope: str) -> Script:
    async with served.database.transaction(actor) as tx:
        found = await scripts.version(tx, actor.workspace or "", parse_hash(hash_))
    if found is None:
        raise NotFound(f"script version {hash_[:40]}")
    check_actor_scope(actor, scope, found.path)
    return found


@router.get("/get/p/{path:path}")
async def get_script_by_path(path: str, actor: PathReader, served: Served, get_draft: bool = False) -> Response:
    """The head, or the newest archived version when there is none; with `get_draft` also one's own draft."""
    if not get_draft:
        return Response(json.dumps(script_wire(await _head(served, actor, path))), media_type="application/json")
    check_role(actor, "developer")
    async with served.database.transaction(actor) as tx:
        found = await scripts.latest(tx, actor.workspace or "", path)
    more = await overlay(served, actor, path, deployed=found is not None)
    if more is None:
        raise NotFound(f"script {path}, and no draft of it")
    known = script_wire(found) if found else {"path": path}
    return Response(f"{json.dumps(known)[:-1]},{more}}}", media_type="application/json")


@router.get("/get/h/{hash}")
async def get_script_by_hash(hash: str, actor: HashReader, served: Served) -> dict[str, Any]:
    """One version."""
    return script_wire(await _version(served, actor, hash, "scripts:read"))


@router.get("/deployment_status/h/{hash}")
async def get_script_deployment_status(hash: str, actor: HashReader, served: Served) -> dict[str, Any]:
    """Whether a version's dependencies are resolved: its lock, or why there is none, and the job that finds it."""
    found = await _version(served, actor, hash, "scripts:read")
    job = str(found.lock_job) if found.lock_job else None
    return {"lock": found.lock, "lock_error_logs": found.lock_error, "job_id": job}


@router.get("/raw/p/{path:path}", response_class=PlainTextResponse)
async def raw_script_by_path(path: str, actor: PathReader, served: Served) -> str:
    """The source of the head; a file ending behind the path (`.py`, `.sh`) is taken off."""
    for ending in ("", ".py", ".sh"):
        async with served.database.transaction(actor) as tx:
            found = await scripts.head(tx, actor.workspace or "", path.removesuffix(ending) if ending else path)
        if found is not None and path.endswith(ending):
            return found.content
    raise NotFound(f"script {path}")


@router.get("/raw/h/{hash}", response_class=PlainTextResponse)
async def raw_script_by_hash(hash: str, actor: HashReader, served: Served) -> str:
    """The source of one version."""
    return (await _version(served, actor, hash.partition(".")[0], "scripts:read")).content


@router.get("/exists/p/{path:path}")
async def exists_script_by_path(path: str, actor: PathReader, served: Served) -> bool:
    """Whether the path runs something."""
    async with served.database.transaction(actor) as tx:
        return await scripts.head(tx, actor.workspace or "", path) is not None


@router.get("/history/p/{path:path}")
async def get_script_history_by_path(
    path: str, actor: PathReader, served: Served, page: int = 1, per_page: int = 100
) -> list[dict[str, Any]]:
    """Versions of a path, newest first."""
    limit = max(1, min(per_page, MAX_PAGE))
    async with served.database.transaction(actor) as tx:
        offset = (max(1, min(page, 10**6)) - 1) * limit
        rows = await scripts.history(tx, actor.workspace or "", path, limit, offset)
    return [
        {
            "script_hash": print_hash(row["hash"]),
            "deployment_msg": row["deployment_message"],
            "created_at": utc(row["created_at"]),
            "created_by": row["created_by"],
        }
        for row in rows
    ]


class ListQuery(BaseModel):
    """The filters of `scripts/list`."""

    model_config = ConfigDict(extra="forbid")

    page: int = 1
    per_page: int = 100
    order_desc: bool = True
    created_by: str | None = None
    path_start: str | None = None
    path_exact: str | None = None
    parent_hash: str | None = None
    show_archived: bool = False
    include_without_main: bool = False
    kinds: str | None = None
    languages: str | None = None
    label: str | None = None
    starred_only: bool = False
    is_template: bool | None = None
    include_draft_only: bool = False
    with_deployment_msg: bool = False
    token: str | None = None


@router.get("/list")
async def list_scripts(actor: Lister, query: Annotated[ListQuery, Query()], served: Served) -> list[dict[str, Any]]:
    """Heads of the workspace (archived ones with `show_archived`), newest first, without their content."""
    if query.starred_only or query.is_template:
        # Nothing can be starred or a template yet: an honest empty list.
        return []
    limit = max(1, min(query.per_page, MAX_PAGE))
    filters = {
        "workspace": actor.workspace,
        "archived": query.show_archived,
        "path_start": query.path_start,
        "path_exact": query.path_exact,
        "created_by": query.created_by,
        "without_main": query.include_without_main,
        "kinds": query.kinds.split(",") if query.kinds else None,
        "languages": query.languages.split(",") if query.languages else None,
        "label": query.label,
        "parent_hash": parse_hash(query.parent_hash) if query.parent_hash else None,
        "ascending": not query.order_desc,
        "limit": limit,
        "offset": (max(1, min(query.page, 10**6)) - 1) * limit,
    }
    async with served.database.transaction(actor) as tx:
        found = await scripts.list_scripts(tx, filters)
    return [script_wire(script) | {"content": "", "deployment_msg": script.deployment_message} for script in found]


@router.get("/list_paths")
async def list_script_paths(actor: Lister, served: Served) -> list[str]:
    """The paths of all heads."""
    async with served.database.transaction(actor) as tx:
        return await scripts.list_paths(tx, actor.workspace or "")


@router.post("/archive/p/{path:path}", response_class=PlainTextResponse)
async def archive_script_by_path(path: str, actor: PathWriter, served: Served) -> str:
    """Take the head away: the path runs nothing until the next deploy."""
    check_owner(actor, path)
    async with served.database.transaction(actor) as tx:
        if not await scripts.archive_path(tx, actor.workspace or "", path):
            raise NotFound(f"script {path}")
    return f"archived {path}"


@router.post("/archive/h/{hash}")
async def archive_script_by_hash(hash: str, actor: Writer, served: Served) -> dict[str, Any]:
    """Archive one version."""
    script = await _version(served, actor, hash, "scripts:write")
    check_owner(actor, script.path)
    async with served.database.transaction(actor) as tx:
        await scripts.archive_hash(tx, actor.workspace or "", script.hash)
    return script_wire(script) | {"archived": True}


@router.post("/delete/h/{hash}")
async def delete_script_by_hash(hash: str, actor: Admin, served: Served) -> dict[str, Any]:
    """Empty one version; it stays as a link of the history."""
    script = await _version(served, actor, hash, "scripts:write")
    async with served.database.transaction(actor) as tx:
        await scripts.delete_hash(tx, actor.workspace or "", script.hash)
    return script_wire(script) | {"content": "", "schema": None, "lock": None, "deleted": True, "archived": True}


@router.post("/delete/p/{path:path}")
async def delete_script_by_path(path: str, actor: Admin, served: Served) -> str:
    """Empty all versions of a path; jobs that ran keep their arguments, logs and results."""
    async with served.database.transaction(actor) as tx:
        if not await scripts.delete_path(tx, actor.workspace or "", path):
            raise NotFound(f"script {path}")
    return path
