"""Dependencies: what a script wants, the job that resolves it, and which versions must be resolved again.

A version whose `lock` is NULL waits for the job in `lock_job`, or (`lock_error`) was told why there is none. Whatever
ends that job settles it in the same transaction; a job that another one has replaced has no say any more.
"""

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from postmill.engine.modules import modules_in
from postmill.environments.lock import read_lock
from postmill.environments.resolver import TIMEOUT_S
from postmill.environments.sources import index_of
from postmill.language import python
from postmill.language.python_requirements import (
    DEFAULT,
    Requirements,
    Unclear,
    file_lines,
    file_names,
    read_requirements,
    requirements,
)
from postmill.model.errors import BadRequest
from postmill.model.job import ClaimedJob, NewJob, new_id
from postmill.model.script import NewScript, Script
from postmill.model.user import Actor
from postmill.queue.push import push, push_or_cached
from postmill.queue.wake import Wake
from postmill.settings import Settings
from postmill.store import dependencies, scripts
from postmill.store.db import Connection, Database

TAG = "dependency"
LANGUAGE = "python3"
FRESH_S = 24 * 3600
"""For so long the same requirements of one workspace get the same lock without being resolved again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a version begins with."""

    lock: str | None
    """None: `wanted` is to be resolved."""
    wanted: Requirements = field(default_factory=Requirements)


async def plan(tx: Connection, workspace: str, new: NewScript) -> Plan:
    """Read what a script to be deployed brings and wants.

    Raises:
        BadRequest: a requirement, or a lock of its own, that cannot be read.
    """
    given = "\n".join(new.lock) if isinstance(new.lock, list) else new.lock or ""
    if new.language != LANGUAGE:
        return Plan(given)
    await scripts.lock_imports(tx, workspace)
    wanted = await wanted_by(tx, workspace, new.path, new.content)
    if not given.strip():
        return Plan("" if wanted.empty else None, wanted)
    try:
        return Plan(read_lock(given).text(), wanted)
    except BadRequest:
        # Versions without hashes, as other tools write them: they are kept, and their hashes found.
        try:
            pinned = read_requirements(given)
        except Unclear as error:
            raise BadRequest(f"lock: {error}") from None
        return Plan("" if pinned.empty else None, pinned)


async def wanted_by(tx: Connection, workspace: str, path: str | None, content: str) -> Requirements:
    """What a Python source wants together with the libraries that it imports, as they are now. Raises BadRequest."""
    return _requirements(
        content,
        await modules_in(tx, workspace, path, content, LANGUAGE),
        await dependencies.files(tx, workspace, LANGUAGE),
    )


async def wanted_text(database: Database, job: ClaimedJob, modules: dict[str, str]) -> str:
    """What a job is to be resolved with; "" when its lock is known, or nothing is wanted. Raises BadRequest."""
    if job.language != LANGUAGE or (job.kind != "dependencies" and job.lock is not None):
        return ""
    if job.kind == "dependencies" and (told := json.loads(job.args).get("requirements")) is not None:
        return str(told)
    async with database.transaction() as tx:
        files = await dependencies.files(tx, job.workspace_id, LANGUAGE)
    return _requirements(job.content, modules, files).text()


def _requirements(content: str, modules: dict[str, str], files: dict[str, str]) -> Requirements:
    try:
        return requirements(content, modules, {name or DEFAULT: text for name, text in files.items()})
    except Unclear as error:
        raise BadRequest(f"dependencies: {error}") from None


async def deployed(
    tx: Connection, settings: Settings, actor: Actor, script: Script, plan: Plan, before: Script | None
) -> bool:
    """After a version was inserted: its job, and those of who imports it. Whether there is something to claim.

    `before` is the version that was the head of this path.
    """
    if script.language != LANGUAGE:
        await dependencies.set_imports(tx, script.workspace_id, script.path, [])
        return False
    files = (_file_path(name) for name in file_names(script.content))
    imported = {*python.imports(script.content, script.path).workspace, *files} - {script.path}
    await dependencies.set_imports(tx, script.workspace_id, script.path, sorted(imported))
    queued = False
    if script.lock_job is not None:
        job = _job(actor, settings, script.path, script.hash, script.lock_job, plan.wanted)
        if await push_or_cached(tx, job, time.time()):
            await dependencies.settle(tx, job.id)
        else:
            queued = True
    if await _changed(tx, script, before):
        queued = await lock_again(tx, settings, actor, [script.path]) or queued
    return queued


async def _changed(tx: Connection, script: Script, before: Script | None) -> bool:
    """Whether a deploy changes what those who import this script want."""

    async def wanted(content: str) -> Requirements | None:
        try:
            return await wanted_by(tx, script.workspace_id, script.path, content)
        except BadRequest:
            return None

    earlier = await wanted(before.content) if before is not None and before.language == LANGUAGE else Requirements()
    return earlier is None or earlier != await wanted(script.content)


async def lock_again(tx: Connection, settings: Settings, actor: Actor, imports: Iterable[str]) -> bool:
    """Resolve the heads anew whose imports lead to one of these. Whether there was any.

    They keep the lock they have until there is another, and the versions in it where they can.
    """
    workspace = actor.workspace or ""
    changed = list(imports)
    found = [each for each in await dependencies.dependents(tx, workspace, changed) if each.path not in changed]
    for each in found:
        job = _job(actor, settings, each.path, each.hash, new_id(), None)
        await push(tx, job, time.time())
        await dependencies.expect(tx, workspace, each.hash, job.id)
    return bool(found)


async def resolve_raw(
    database: Database, wake: Wake, settings: Settings, actor: Actor, path: str | None, content: str
) -> UUID:
    """Queue a job that finds the lock of code that is not deployed. Raises BadRequest."""
    async with database.transaction() as tx:
        wanted = await wanted_by(tx, actor.workspace or "", path, content)
        job = _job(actor, settings, path, None, new_id(), wanted, content=content)
        cached = await push_or_cached(tx, job, time.time())
    if cached:
        wake.ended([job.id])
    else:
        wake.work([TAG])
    return job.id


def _job(
    actor: Actor,
    settings: Settings,
    path: str | None,
    hash_: int | None,
    id_: UUID,
    wanted: Requirements | None,
    content: str | None = None,
) -> NewJob:
    """`wanted` None: what the version wants when the job begins, and never out of the cache."""
    more: dict[str, Any] = {}
    if wanted is not None:
        text = wanted.text()
        key = json.dumps(["python lock", actor.workspace, index_of(settings), text])
        more = {
            "args": json.dumps({"requirements": text}),
            "cache_key": hashlib.sha256(key.encode()).digest(),
            "cache_ttl_s": FRESH_S,
        }
    return NewJob(
        id=id_,
        workspace_id=actor.workspace or "",
        kind="dependencies",
        language=LANGUAGE,
        tag=TAG,
        script_path=path,
        script_hash=hash_,
        content=content,
        created_by=actor.username or actor.email,
        permissioned_as=actor.permissioned_as,
        email=actor.email,
        timeout_s=min(int(TIMEOUT_S), settings.job_timeout),
        **more,
    )


# Workspace dependency files -------------------------------------------------------------------------------------------


def check_file(language: str, name: str, content: str) -> None:
    """Raises BadRequest: another language, a name or a line that cannot be."""
    if language != LANGUAGE:
        raise BadRequest(f"language {language!r}: only {LANGUAGE} has dependency files in this version")
    if name == DEFAULT:
        raise BadRequest(f"name: {DEFAULT!r} is how scripts name the file without a name")
    if name and not (name.replace("_", "").replace("-", "").isalnum() and name.isascii() and len(name) <= 100):
        raise BadRequest("name: up to 100 letters, digits, - and _")
    try:
        file_lines(content)
    except Unclear as error:
        raise BadRequest(f"content: {error}") from None


async def save_file(
    database: Database,
    wake: Wake,
    settings: Settings,
    actor: Actor,
    *,
    language: str,
    name: str,
    description: str,
    content: str,
) -> int:
    """A new version of a dependency file; who is given it is resolved anew. Returns its number. Raises BadRequest."""
    check_file(language, name, content)
    workspace = actor.workspace or ""
    async with database.transaction() as tx:
        await scripts.lock_imports(tx, workspace)
        await dependencies.archive_file(tx, workspace, language, name)
        number = await dependencies.insert_file(
            tx,
            workspace,
            language,
            name,
            description=description,
            content=content,
            created_by=actor.username or actor.email,
        )
        queued = await lock_again(tx, settings, actor, [_file_path(name or DEFAULT)])
    if queued:
        wake.work([TAG])
    return number


async def remove_file(
    database: Database, wake: Wake, settings: Settings, actor: Actor, language: str, name: str, *, forever: bool
) -> bool:
    """Archive a dependency file, or delete all its versions; who was given it is resolved anew. False: none there."""
    workspace = actor.workspace or ""
    remove = dependencies.delete_file if forever else dependencies.archive_file
    async with database.transaction() as tx:
        await scripts.lock_imports(tx, workspace)
        if not await remove(tx, workspace, language, name):
            return False
        queued = await lock_again(tx, settings, actor, [_file_path(name or DEFAULT)])
    if queued:
        wake.work([TAG])
    return True


def _file_path(name: str) -> str:
    """How a dependency file stands among the imports: no script's path begins so."""
    return "dependencies/requirements.in" if name == DEFAULT else f"dependencies/{name}.requirements.in"
