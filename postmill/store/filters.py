"""Filters of job lists: a closed set of SQL fragments, joined with AND. Values are parameters, always."""

from dataclasses import dataclass, field
from typing import Any

_FRAGMENTS: dict[str, bytes] = {
    "created_by": b"job.created_by = %(created_by)s",
    "label": b"(%(label)s = ANY(job.labels) OR coalesce(%(label)s = ANY(done.labels), false))",
    "worker": b"coalesce(done.worker, queued.worker) = %(worker)s",
    "parent_job": b"job.parent_job = %(parent_job)s",
    "script_path_exact": b"job.script_path = %(script_path_exact)s",
    "script_path_start": b"starts_with(job.script_path, %(script_path_start)s)",
    "script_hash": b"job.script_hash = %(script_hash)s",
    "started_before": b"coalesce(done.started_at, queued.started_at) < %(started_before)s",
    "started_after": b"coalesce(done.started_at, queued.started_at) > %(started_after)s",
    "created_before": b"job.created_at < %(created_before)s",
    "created_after": b"job.created_at > %(created_after)s",
    "completed_before": b"done.completed_at < %(completed_before)s",
    "completed_after": b"done.completed_at > %(completed_after)s",
    "running": b"coalesce(queued.state = 'running', false) = %(running)s",
    "scheduled_for_before_now": b"(done.id IS NOT NULL OR job.scheduled_for <= clock()) = %(scheduled_for_before_now)s",
    "suspended": b"coalesce(queued.state = 'suspended', false) = %(suspended)s",
    "job_kinds": b"job.kind = ANY(%(job_kinds)s)",
    "args": b"comparable(job.args) @> comparable(%(args)s::json)",
    "result": b"(NOT coalesce(done.result_blob, false) AND comparable(done.result) @> comparable(%(result)s::json))",
    "tag": b"job.tag = %(tag)s",
    "trigger_kind": b"job.trigger_kind = %(trigger_kind)s",
    "is_skipped": b"coalesce(done.status = 'skipped', false) = %(is_skipped)s",
    "has_null_parent": b"(job.parent_job IS NULL) = %(has_null_parent)s",
    "is_flow_step": b"false = %(is_flow_step)s",
    "success": b"done.status = CASE WHEN %(success)s THEN 'success' ELSE 'failure' END",
    "status": b"done.status = %(status)s",
    "queued": b"(done.id IS NULL) = %(queued)s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """`chosen`: filter → value, of those in `NAMES`; what is not named does not filter."""

    workspace: str
    email: str
    admin: bool
    chosen: dict[str, Any] = field(default_factory=dict)
    limit: int = 30
    offset: int = 0
    ascending: bool = False

    def where(self) -> bytes:
        """The condition; raises KeyError for a filter that there is not."""
        fragments = [
            b"job.workspace_id = %(workspace)s",
            b"(job.visible_to_owner OR job.email = %(email)s OR %(admin)s)",
            *(_FRAGMENTS[name] for name in self.chosen),
        ]
        return b" AND ".join(fragments)

    def order(self) -> bytes:
        return b"ASC" if self.ascending else b"DESC"

    def parameters(self) -> dict[str, Any]:
        return {
            "workspace": self.workspace,
            "email": self.email,
            "admin": self.admin,
            "limit": self.limit,
            "offset": self.offset,
            **self.chosen,
        }


NAMES = frozenset(_FRAGMENTS)
