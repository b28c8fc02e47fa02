"""Deploy a script: a new version becomes the head of its path and archives the one before, in one transaction."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from psycopg import errors

from postmill.auth.permissions import check_actor_scope, check_owner
from postmill.engine import dependencies
from postmill.engine.dependencies import Plan
from postmill.language import LANGUAGES, signature
from postmill.language.merge import merge_schema
from postmill.language.options import check, read_options
from postmill.model.errors import BadRequest, Conflict
from postmill.model.job import new_id
from postmill.model.path import check_path
from postmill.model.script import NewScript, Script, content_hash, parse_hash, print_hash
from postmill.model.user import Actor
from postmill.queue.wake import Wake
from postmill.settings import Settings
from postmill.store import drafts, scripts
from postmill.store.db import Connection, Database


def _check(new: NewScript, settings: Settings) -> None:
    check_path(new.path)
    if new.language not in LANGUAGES:
        raise BadRequest(f"language {new.language!r} is not supported yet; there are: {', '.join(LANGUAGES)}")
    for name in ("content", "summary", "description"):
        if "\0" in (getattr(new, name) or ""):
            raise BadRequest(f"{name}: a NUL character cannot be kept")
    new.check_settings()
    check(read_options(new.content, new.language), settings.bounds)
    if new.timeout is not None and new.timeout > settings.job_timeout:
        raise BadRequest(
            f"timeout: {new.timeout} s is over this instance's {settings.job_timeout} s (POSTMILL_JOB_TIMEOUT)"
        )


def _version(workspace: str, new: NewScript, parent: int | None, plan: Plan, created_by: str) -> Script:
    read = signature(new.language, new.content)
    if read.error is not None:
        raise BadRequest(f"content: {read.error}")
    schema: dict[str, Any] = merge_schema(read.schema, new.json_schema)
    return Script(
        workspace_id=workspace,
        hash=content_hash(workspace, new, parent),
        path=new.path,
        parent_hash=parent,
        summary=new.summary,
        description=new.description or "",
        content=new.content,
        language=new.language,
        kind=new.kind or "script",
        schema=schema,
        lock=plan.lock,
        lock_error=None,
        lock_job=new_id() if plan.lock is None else None,
        no_main=not read.has_main,
        tag=new.tag,
        timeout_s=new.timeout,
        priority=new.priority,
        concurrent_limit=new.concurrent_limit,
        concurrency_window_s=new.concurrency_time_window_s,
        concurrency_key=new.concurrency_key,
        cache_ttl_s=new.cache_ttl,
        delete_after_s=0 if new.delete_after_use else new.delete_after_secs,
        restart_unless_cancelled=bool(new.restart_unless_cancelled),
        visible_to_runner_only=bool(new.visible_to_runner_only),
        dedicated_worker=bool(new.dedicated_worker),
        strict=read.strict,
        envs=new.envs or [],
        labels=new.labels or [],
        deployment_message=new.deployment_message,
        created_by=created_by,
        created_at=datetime.now(UTC),
        archived=False,
        deleted=False,
    )


async def _parent(tx: Connection, workspace: str, new: NewScript, head: Script | None) -> Script | None:
    """The version that the new one follows: the head, and nothing else. (A moved script's is the head elsewhere.)"""
    if new.auto_parent and head is not None:
        return head
    if new.parent_hash is None:
        if head is not None:
            raise Conflict(
                f"{new.path} exists already: name its head {print_hash(head.hash)} as parent_hash, or set auto_parent"
            )
        return None
    named = await scripts.version(tx, workspace, parse_hash(new.parent_hash))
    if named is None:
        raise BadRequest(f"parent_hash: there is no version {new.parent_hash}")
    if head is not None and head.hash != named.hash:
        raise Conflict(
            f"{new.path} was deployed meanwhile: its head is {print_hash(head.hash)}, not {new.parent_hash}"
            f" (by {head.created_by})"
        )
    return named


async def _free_hash(tx: Connection, workspace: str, hash_: int) -> int:
    """The next hash that no version has: the same content comes back after it was archived or deleted."""
    while await scripts.hash_taken(tx, workspace, hash_):
        hash_ = (hash_ + 1 + 2**63) % 2**64 - 2**63
    return hash_


async def deploy(
    database: Database,
    settings: Settings,
    actor: Actor,
    new: NewScript,
    *,
    wake: Wake | None = None,
    skip_if_noop: bool = False,
) -> int:
    """Returns the hash of the new version; of the head, when nothing differs and `skip_if_noop` is set.

    A version that wants packages gets its lock from a dependency job, which is pushed with it.

    Raises:
        BadRequest: says which field is wrong, or where the syntax is.
        Conflict: the path has another head than the one named.
        PermissionDenied: the script would move away from a path that is somebody else's.
    """
    _check(new, settings)
    workspace = actor.workspace or ""
    try:
        # The system's, not the actor's: only the system pushes jobs, and the version and its job come together.
        async with database.transaction() as tx:
            await scripts.lock_path(tx, workspace, new.path)
            head = await scripts.head(tx, workspace, new.path)
            parent = await _parent(tx, workspace, new, head)
            if parent is not None and parent.path != new.path:
                # The script moves, which takes it away from where it was.
                check_actor_scope(actor, "scripts:write", parent.path)
                check_owner(actor, parent.path)
            planned = await dependencies.plan(tx, workspace, new)
            script = _version(workspace, new, parent.hash if parent else None, planned, actor.username or actor.email)
            if not new.skip_draft_deletion:
                paths = {new.path, parent.path if parent else new.path}
                await drafts.delete(tx, workspace, "script", sorted(paths), actor.email)
            if skip_if_noop and head is not None and _same(head, script, new):
                return head.hash
            if parent is not None:
                await scripts.archive_hash(tx, workspace, parent.hash)
            script = replace(script, hash=await _free_hash(tx, workspace, script.hash))
            await scripts.insert(tx, script)
            queued = await dependencies.deployed(tx, settings, actor, script, planned, head)
    except errors.UniqueViolation as error:
        raise Conflict(f"{new.path}: version {new.parent_hash} has a successor already; history is linear") from error
    if queued and wake is not None:
        wake.work([dependencies.TAG])
    return script.hash


def _same(head: Script, script: Script, new: NewScript) -> bool:
    ignored = {"hash", "parent_hash", "created_by", "created_at", "deployment_message", "lock_error", "lock_job"}
    if not new.lock:
        # It follows from the rest.
        ignored.add("lock")
    names = [name for name in Script.__slots__ if name not in ignored]
    return all(getattr(head, name) == getattr(script, name) for name in names)
