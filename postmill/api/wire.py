"""Spellings of the contract that several resources share."""

from datetime import UTC, datetime
from typing import Any

from postmill.model.script import Script, print_hash


def utc(time: datetime) -> str:
    """RFC 3339 with microseconds and Z."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def script_wire(script: Script) -> dict[str, Any]:
    """The contract's Script."""
    return {
        "workspace_id": script.workspace_id,
        "hash": print_hash(script.hash),
        "path": script.path,
        "parent_hashes": [print_hash(script.parent_hash)] if script.parent_hash is not None else None,
        "summary": script.summary,
        "description": script.description,
        "content": script.content,
        "created_by": script.created_by,
        "created_at": utc(script.created_at),
        "archived": script.archived,
        "schema": script.schema,
        "deleted": script.deleted,
        "is_template": False,
        "extra_perms": {},
        "lock": script.lock,
        "lock_error_logs": script.lock_error,
        "language": script.language,
        "kind": script.kind,
        "starred": False,
        "tag": script.tag,
        "draft_only": False,
        "is_draft": False,
        "envs": script.envs,
        "concurrent_limit": script.concurrent_limit,
        "concurrency_time_window_s": script.concurrency_window_s,
        "concurrency_key": script.concurrency_key,
        "cache_ttl": script.cache_ttl_s,
        "dedicated_worker": script.dedicated_worker or None,
        "ws_error_handler_muted": None,
        "priority": script.priority,
        "timeout": script.timeout_s,
        "delete_after_secs": script.delete_after_s,
        "restart_unless_cancelled": script.restart_unless_cancelled or None,
        "visible_to_runner_only": script.visible_to_runner_only or None,
        "auto_kind": "lib" if script.no_main else None,
        "no_main_func": script.no_main,
        "has_preprocessor": False,
        "labels": script.labels,
        "strict": script.strict,
    }
