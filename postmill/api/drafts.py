"""Drafts: kept as one types, one a person and script; a save after somebody else's deploy is a conflict."""

import json
from typing import Annotated, Any, Literal

from fastapi import Depends, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import AwareDatetime, Field

from postmill.api.access import developer
from postmill.api.body import Body, new_router
from postmill.api.paging import Paged
from postmill.api.services import Served, Services
from postmill.api.wire import utc
from postmill.auth.permissions import check_owner, check_role
from postmill.model.errors import Conflict, NotFound, PermissionDenied
from postmill.model.json_text import raw_members
from postmill.model.path import check_path
from postmill.model.script import parse_hash, print_hash
from postmill.model.user import Actor
from postmill.store import drafts
from postmill.store.db import Connection

router = new_router("/w/{workspace}/drafts", "draft")

Lister = Annotated[Actor, Depends(developer("scripts:read"))]
Reader = Annotated[Actor, Depends(developer("scripts:read:{path}"))]
Writer = Annotated[Actor, Depends(developer("scripts:write:{path}"))]
Kind = Literal["script"]
"""What has drafts in this version."""

_JSON = "application/json"


class Save(Body):
    """The body of `drafts/update`. A null value takes the draft away."""

    value: Any = None
    base_hash: Annotated[str, Field(max_length=16)] | None = None
    """The version that the editor began with; without it the draft's own, or at its first save the head."""
    last_sync: Annotated[AwareDatetime | None, Field(strict=False)] = None
    """The `current_timestamp` of this window's last save: a later one of another window is a conflict."""
    force: bool = False
    """Save whatever was deployed or saved meanwhile; the draft then follows the head."""


@router.post("/update/{kind}/{path:path}")
async def update_draft(
    kind: Kind, path: str, body: Save, actor: Writer, request: Request, served: Served
) -> dict[str, Any]:
    """Save one's own draft; 409 when somebody deployed since it was begun, unless forced."""
    check_path(path)
    check_owner(actor, path)
    async with served.database.transaction(actor) as tx:
        if body.value is None:
            await drafts.delete(tx, actor.workspace or "", kind, [path], actor.email)
            return {"status": "deleted", "current_timestamp": None, "path": path}
        base = await _base(tx, actor, kind, path, body)
        # The text as it was sent: key order, and numbers as they were written.
        value = raw_members((await request.body()).decode())["value"]
        saved = await drafts.save(tx, actor.workspace or "", kind, path, actor.email, value=value, base_hash=base)
    return {"status": "saved", "current_timestamp": utc(saved), "path": path}


async def _base(tx: Connection, actor: Actor, kind: str, path: str, body: Save) -> int | None:
    """The version that the draft goes on from.

    Raises:
        Conflict: another one is the head now, or another window has saved meanwhile.
    """
    workspace = actor.workspace or ""
    stored = await drafts.get(tx, workspace, kind, path, actor.email, lock=True)
    head = await drafts.head(tx, workspace, path)
    if body.force:
        return head
    if stored is not None and body.last_sync is not None and stored.saved_at > body.last_sync:
        raise Conflict(f"your draft of {path} was saved in another window at {utc(stored.saved_at)}; send force")
    base = parse_hash(body.base_hash) if body.base_hash else stored.base_hash if stored else head
    if base != head:
        now = f"its head is {print_hash(head)}" if head is not None else "it is there no more"
        began = f"from {print_hash(base)}" if base is not None else "when there was none"
        raise Conflict(f"{path} was deployed meanwhile: {now}, and your draft began {began}; send force to keep it")
    return base


def _draft_json(draft: drafts.Draft, head: int | None) -> str:
    about = {
        "created_at": utc(draft.saved_at),
        "base_hash": print_hash(draft.base_hash) if draft.base_hash is not None else None,
        "head_hash": print_hash(head) if head is not None else None,
        "conflict": draft.base_hash != head,
    }
    return f'{{"value":{draft.value},{json.dumps(about)[1:]}'


@router.get("/get_own/{kind}/{path:path}")
async def get_own_draft(kind: Kind, path: str, actor: Reader, served: Served) -> Response:
    """One's own draft, and whether somebody has deployed since it was begun; null without one."""
    async with served.database.transaction(actor) as tx:
        found = await drafts.get(tx, actor.workspace or "", kind, path, actor.email)
        head = await drafts.head(tx, actor.workspace or "", path)
    return Response(_draft_json(found, head) if found else "null", media_type=_JSON)


async def _email(tx: Connection, actor: Actor, username: str | None) -> str:
    """Whose draft is meant."""
    if username is None or username == actor.username:
        return actor.email
    found = await drafts.email_of(tx, actor.workspace or "", username)
    if found is None:
        raise NotFound(f"user {username[:60]}")
    return found


@router.get("/get/{kind}/{path:path}")
async def get_draft_for_user(
    kind: Kind, path: str, actor: Reader, served: Served, username: str | None = None
) -> Response:
    """The draft of one member; one's own by default."""
    async with served.database.transaction(actor) as tx:
        email = await _email(tx, actor, username)
        found = await drafts.get(tx, actor.workspace or "", kind, path, email)
        head = await drafts.head(tx, actor.workspace or "", path)
    if found is None:
        raise NotFound(f"draft of {kind} {path[:255]}")
    return Response(_draft_json(found, head), media_type=_JSON)


@router.get("/list")
async def list_drafts(actor: Lister, page: Paged, served: Served, all_users: bool = False) -> list[dict[str, Any]]:
    """The items that one has a draft of; with `all_users` those that anybody has."""
    async with served.database.transaction(actor) as tx:
        rows = await drafts.list_items(
            tx, actor.workspace or "", actor.email, all_users=all_users, limit=page.limit, offset=page.offset
        )
    return [
        {name: row[name] for name in ("kind", "path", "summary", "draft_only", "mine")}
        | {"legacy_draft": False, "created_at": utc(row["created_at"]), "can_write": _can_write(actor, row["path"])}
        | {"draft_users": [{"username": name} for name in row["usernames"]]}
        for row in rows
    ]


def _can_write(actor: Actor, path: str) -> bool:
    try:
        check_owner(actor, path)
    except PermissionDenied:
        return False
    return True


@router.post("/delete_for_user/{kind}/{path:path}", response_class=PlainTextResponse)
async def delete_draft_for_user(
    kind: Kind, path: str, actor: Writer, served: Served, username: str | None = None
) -> str:
    """Take away one's own draft; an administrator also that of another member."""
    async with served.database.transaction(actor) as tx:
        if username not in (None, actor.username):
            check_role(actor, "admin")
        email = await _email(tx, actor, username)
        if not await drafts.delete(tx, actor.workspace or "", kind, [path], email):
            raise NotFound(f"draft of {kind} {path[:255]}")
    return f"deleted the draft of {path}"


async def overlay(served: Services, actor: Actor, path: str, *, deployed: bool) -> str | None:
    """What `get_draft=true` adds to a script, as members of a JSON object; None when there is neither."""
    async with served.database.transaction(actor) as tx:
        own = await drafts.get(tx, actor.workspace or "", "script", path, actor.email)
        others = await drafts.of_others(tx, actor.workspace or "", "script", path, actor.email)
    if own is None and not deployed:
        return None
    about: dict[str, Any] = {
        "is_draft": own is not None,
        "no_deployed": not deployed,
        "other_drafts_users": [{"username": row["username"], "draft_saved_at": utc(row["saved_at"])} for row in others],
    }
    if own is None:
        return json.dumps(about)[1:-1]
    about["draft_saved_at"] = utc(own.saved_at)
    about["draft_base"] = print_hash(own.base_hash) if own.base_hash is not None else None
    return f'{json.dumps(about)[1:-1]},"draft":{own.value}'
