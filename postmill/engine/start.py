"""How a run begins: read the script with the actor's rights, check the arguments, push as the system."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import errors

from postmill.failpoint import failpoint
from postmill.language import LANGUAGES, signature
from postmill.language.schema import check_arguments
from postmill.model.errors import BadRequest, Conflict, NotFound
from postmill.model.job import Limit, NewJob, new_id
from postmill.model.path import check_path
from postmill.model.script import Script, print_hash
from postmill.model.user import Actor
from postmill.queue.push import first_request, push, push_or_cached
from postmill.queue.rank import Ranks
from postmill.queue.wake import Wake
from postmill.settings import Settings
from postmill.store import scripts
from postmill.store.db import Connection, Database

_TEMPLATE = re.compile(r"\$(workspace|args\[([^\]]{1,100})\])")
MAX_KEY = 500
MAX_TAG = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What a run is called with: the values, and the JSON text that is kept."""

    values: dict[str, Any]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the caller of a run may choose. Times in seconds."""

    scheduled_for: datetime | None = None
    scheduled_in_s: float = 0
    tag: str | None = None
    job_id: UUID | None = None
    parent_job: UUID | None = None
    root_job: UUID | None = None
    cache_ttl_s: int | None = None
    timeout_s: int | None = None
    invisible_to_owner: bool = False
    idempotency_key: str | None = None
    trigger_kind: str = "api"


class Starter:
    """Pushes runs. One a server process: it knows virtual time."""

    def __init__(self, database: Database, wake: Wake, ranks: Ranks, settings: Settings) -> None:
        self._database = database
        self._wake = wake
        self._ranks = ranks
        self._settings = settings

    async def run_path(self, actor: Actor, path: str, arguments: Arguments, options: RunOptions) -> UUID:
        """Run the head of a path. Raises BadRequest, NotFound, Conflict."""
        async with self._database.transaction(actor, pipeline=True) as tx:
            cursor = await scripts.ask_head(tx, actor.workspace or "", path)
        script = await scripts.answer(cursor)
        if script is None:
            raise NotFound(f"script {path} (deploy one with scripts/create, or see scripts/list)")
        if script.lock is None:
            # Its dependencies are not resolved (yet): the version before it goes on serving.
            async with self._database.transaction(actor) as tx:
                script = await scripts.locked_before(tx, script) or script
        return await self._run(actor, script, arguments, options)

    async def run_hash(self, actor: Actor, hash_: int, arguments: Arguments, options: RunOptions) -> UUID:
        """Run one version. Raises BadRequest, NotFound, Conflict."""
        async with self._database.transaction(actor) as tx:
            script = await scripts.version(tx, actor.workspace or "", hash_)
        if script is None:
            raise NotFound(f"script version {print_hash(hash_)}")
        return await self._run(actor, script, arguments, options)

    async def run_preview(
        self, actor: Actor, language: str, content: str, path: str | None, arguments: Arguments, options: RunOptions
    ) -> UUID:
        """Run code that is not deployed. Its own mistakes (a syntax error, no main) are the job's failure."""
        if language not in LANGUAGES:
            raise BadRequest(f"language {language!r} is not supported yet; there are: {', '.join(LANGUAGES)}")
        if "\0" in content:
            raise BadRequest("content: a NUL character cannot be kept")
        if path:
            check_path(path)
        read = signature(language, content)
        if read.error is None and read.has_main:
            _refuse(check_arguments(read.schema, arguments.values, strict=read.strict))
        job = NewJob(
            id=options.job_id or new_id(),
            workspace_id=actor.workspace or "",
            kind="preview",
            language=language,
            content=content,
            script_path=path or None,
            tag=_tag(options.tag or language, actor, arguments),
            timeout_s=self._timeout(options.timeout_s, None),
            **_common(actor, arguments, options),
        )
        return await self._push(job, options)

    async def _run(self, actor: Actor, script: Script, arguments: Arguments, options: RunOptions) -> UUID:
        if script.no_main:
            raise BadRequest(f"{script.path} has no main function: it is a library, to be imported")
        if script.lock is None and script.lock_error:
            raise BadRequest(f"{script.path} cannot run, its dependencies were not resolved: {script.lock_error}")
        _refuse(check_arguments(script.schema or {}, arguments.values, strict=script.strict))
        if script.visible_to_runner_only:
            options = _with_invisible(options)
        if options.cache_ttl_s and script.restart_unless_cancelled:
            raise BadRequest("cache_ttl: the runs of a perpetual script are never answered from the cache")
        cache_ttl = options.cache_ttl_s or script.cache_ttl_s
        job = NewJob(
            id=options.job_id or new_id(),
            workspace_id=script.workspace_id,
            kind="script",
            language=script.language,
            script_hash=script.hash,
            script_path=script.path,
            tag=_tag(options.tag or script.tag or script.language, actor, arguments),
            timeout_s=self._timeout(options.timeout_s, script.timeout_s),
            priority=script.priority or 0,
            limit=_limit(script, actor, arguments),
            cache_key=_cache_key(script, arguments) if cache_ttl else None,
            cache_ttl_s=cache_ttl,
            delete_after_s=script.delete_after_s,
            perpetual=script.restart_unless_cancelled,
            labels=tuple(script.labels),
            envs=tuple(script.envs),
            **_common(actor, arguments, options),
        )
        return await self._push(job, options)

    def _timeout(self, asked: int | None, own: int | None) -> int:
        return min(value for value in (asked, own, self._settings.job_timeout) if value is not None)

    async def _push(self, job: NewJob, options: RunOptions) -> UUID:
        rank = self._ranks.next(job.workspace_id)
        cached = False
        try:
            if options.idempotency_key is not None:
                async with self._database.transaction() as tx:
                    earlier = await first_request(tx, job, options.idempotency_key, _request_hash(job))
                    if earlier is not None:
                        return earlier
                    cached = await self._push_in(tx, job, rank)
            elif job.cache_key is not None:
                async with self._database.transaction() as tx:
                    cached = await self._push_in(tx, job, rank)
            else:
                async with self._database.transaction(pipeline=True) as tx:
                    await push(tx, job, rank)
        except errors.UniqueViolation as error:
            raise Conflict(f"job {job.id} exists already") from error
        failpoint("after_push")
        if cached:
            self._wake.ended([job.id])
        else:
            self._wake.work([job.tag])
        return job.id

    async def _push_in(self, tx: Connection, job: NewJob, rank: float) -> bool:
        if job.scheduled_for is None and not job.scheduled_in_s:
            return await push_or_cached(tx, job, rank)
        await push(tx, job, rank)
        return False


def _common(actor: Actor, arguments: Arguments, options: RunOptions) -> dict[str, Any]:
    return {
        "args": arguments.text,
        "created_by": actor.username or actor.email,
        "permissioned_as": actor.permissioned_as,
        "email": actor.email,
        "parent_job": options.parent_job,
        "root_job": options.root_job,
        "trigger_kind": options.trigger_kind,
        "scheduled_for": options.scheduled_for,
        "scheduled_in_s": options.scheduled_in_s,
        "visible_to_owner": not options.invisible_to_owner,
    }


def _with_invisible(options: RunOptions) -> RunOptions:
    values = {name: getattr(options, name) for name in RunOptions.__slots__}
    return RunOptions(**values | {"invisible_to_owner": True})


def _refuse(problems: list[str]) -> None:
    if problems:
        raise BadRequest("arguments: " + "; ".join(problems))


def _fill(template: str, actor: Actor, arguments: Arguments) -> str:
    """`$workspace` and `$args[name]` in a tag or a concurrency key."""

    def value(match: re.Match[str]) -> str:
        if match[1] == "workspace":
            return actor.workspace or ""
        found = arguments.values.get(match[2])
        return found if isinstance(found, str) else json.dumps(found)

    return _TEMPLATE.sub(value, template)


def _tag(template: str, actor: Actor, arguments: Arguments) -> str:
    tag = _fill(template, actor, arguments)
    if not tag or len(tag) > MAX_TAG or "," in tag or "\0" in tag:
        raise BadRequest(f"tag {tag[:80]!r} must have 1 to {MAX_TAG} characters and no comma")
    return tag


def _limit(script: Script, actor: Actor, arguments: Arguments) -> Limit | None:
    if script.concurrent_limit is None:
        return None
    key = _fill(script.concurrency_key or script.path, actor, arguments)
    if len(key) > MAX_KEY:
        # Never cut: two keys that differ at their end are two keys.
        key = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return Limit(
        key=f"{script.workspace_id}/{key}".replace("\0", "\u2400"),
        slots=script.concurrent_limit,
        window_s=script.concurrency_window_s or 0,
    )


def _cache_key(script: Script, arguments: Arguments) -> bytes:
    text = json.dumps([script.workspace_id, script.hash, arguments.values], sort_keys=True)
    return hashlib.sha256(text.encode()).digest()


def _request_hash(job: NewJob) -> bytes:
    what = [job.script_path, job.script_hash, job.language, job.content, job.args, job.email]
    return hashlib.sha256(json.dumps(what).encode("utf-8", "surrogatepass")).digest()
