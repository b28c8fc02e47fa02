"""Scripts: what is deployed (the contract's NewScript) and what a version is."""

import hashlib
import json
import string
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from postmill.model.errors import BadRequest

MAX_CONTENT = 2 * 1024 * 1024
Kind = Literal["script", "failure", "trigger", "command", "approval", "preprocessor"]

_Seconds = Annotated[int, Field(gt=0, le=10 * 366 * 86400)]

NOT_YET = (
    "is_template",
    "codebase",
    "debounce_key",
    "debounce_delay_s",
    "debounce_args_to_accumulate",
    "max_total_debouncing_time",
    "max_total_debounces_amount",
    "cache_ignore_s3_path",
    "ws_error_handler_muted",
    "on_behalf_of",
    "on_behalf_of_email",
    "modules",
    "job_token_scopes",
)
"""Settings of the contract that cannot take effect in this version: a value is refused, never ignored."""


class NewScript(BaseModel):
    """The body of `scripts/create`. Times in seconds."""

    model_config = ConfigDict(strict=True, extra="ignore")

    path: str
    content: Annotated[str, Field(max_length=MAX_CONTENT)]
    language: str
    summary: Annotated[str, Field(max_length=1000)] = ""
    description: Annotated[str, Field(max_length=100_000)] | None = ""
    parent_hash: str | None = None
    auto_parent: bool | None = None
    """Take the path's head as the parent, whatever it is."""
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    lock: str | list[str] | None = None
    kind: Kind | None = None
    tag: Annotated[str, Field(min_length=1, max_length=50)] | None = None
    envs: list[str] | None = None
    concurrent_limit: Annotated[int, Field(gt=0, le=1_000_000)] | None = None
    concurrency_time_window_s: Annotated[int, Field(ge=0, le=366 * 86400)] | None = None
    concurrency_key: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    cache_ttl: _Seconds | None = None
    timeout: _Seconds | None = None
    delete_after_secs: Annotated[int, Field(ge=0, le=10 * 366 * 86400)] | None = None
    delete_after_use: bool | None = None
    priority: Annotated[int, Field(ge=0, le=100)] | None = None
    restart_unless_cancelled: bool | None = None
    visible_to_runner_only: bool | None = None
    deployment_message: Annotated[str, Field(max_length=5000)] | None = None
    skip_draft_deletion: bool | None = None
    """Keep the deployer's draft of this path."""
    labels: list[Annotated[str, Field(min_length=1, max_length=100)]] | None = None
    dedicated_worker: bool | None = None
    """One warm process serves many calls."""

    is_template: bool | None = None
    codebase: str | None = None
    debounce_key: str | None = None
    debounce_delay_s: int | None = None
    debounce_args_to_accumulate: list[str] | None = None
    max_total_debouncing_time: int | None = None
    max_total_debounces_amount: int | None = None
    cache_ignore_s3_path: bool | None = None
    ws_error_handler_muted: bool | None = None
    on_behalf_of: str | None = None
    on_behalf_of_email: str | None = None
    modules: dict[str, Any] | None = None
    job_token_scopes: list[str] | None = None

    def check_settings(self) -> None:
        """Refuse what cannot take effect.

        Raises:
            BadRequest: names the field.
        """
        for name in NOT_YET:
            if getattr(self, name):
                raise BadRequest(f"{name}: not available in this version of Postmill; leave it out")
        if self.concurrent_limit is None and (self.concurrency_key or self.concurrency_time_window_s):
            raise BadRequest("concurrency_key and concurrency_time_window_s have no effect without concurrent_limit")
        if self.dedicated_worker and self.language != "python3":
            raise BadRequest("dedicated_worker: only scripts in python3 can be kept warm")
        if self.restart_unless_cancelled and self.cache_ttl:
            raise BadRequest("cache_ttl: the runs of a perpetual script are never answered from the cache")
        for entry in self.envs or ():
            name, equals, value = entry.partition("=")
            if not equals or not (name.isascii() and name.isidentifier()) or "\0" in value:
                raise BadRequest(f"envs: {entry!r} must be NAME=value")
            if name.startswith("WM_") or name in ("BASE_INTERNAL_URL", "PATH", "HOME"):
                raise BadRequest(f"envs: {name} is set by the platform")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One version: immutable, named by its hash. Times in seconds."""

    workspace_id: str
    hash: int
    path: str
    parent_hash: int | None
    summary: str
    description: str
    content: str
    language: str
    kind: str
    schema: dict[str, Any] | None
    lock: str | None
    lock_error: str | None
    lock_job: UUID | None
    """The dependency job whose answer counts."""
    no_main: bool
    tag: str | None
    timeout_s: int | None
    priority: int | None
    concurrent_limit: int | None
    concurrency_window_s: int | None
    concurrency_key: str | None
    cache_ttl_s: int | None
    delete_after_s: int | None
    restart_unless_cancelled: bool
    visible_to_runner_only: bool
    dedicated_worker: bool
    strict: bool
    envs: list[str]
    labels: list[str]
    deployment_message: str | None
    created_by: str
    created_at: datetime
    archived: bool
    deleted: bool


_DIGITS = frozenset(string.hexdigits)


def print_hash(value: int) -> str:
    """The contract's spelling: 16 hexadecimal digits."""
    return f"{value & (2**64 - 1):016x}"


def parse_hash(text: str) -> int:
    """A hash as Postgres keeps it: a signed 64 bit integer.

    Raises:
        BadRequest: it is not a hexadecimal number of 64 bits.
    """
    try:
        if not set(text) <= _DIGITS or len(text) > 16:
            raise ValueError
        value = int(text, 16)
    except ValueError:
        raise BadRequest(f"{text[:40]!r} is not a script hash (16 hexadecimal digits)") from None
    return value - 2**64 if value >= 2**63 else value


def content_hash(workspace: str, new: NewScript, parent: int | None) -> int:
    """A version's name: of what it is, where it is, and what it follows; so that going back is a new version."""
    document = json.dumps([workspace, parent, new.model_dump(mode="json", by_alias=True)], sort_keys=True)
    return int.from_bytes(hashlib.sha256(document.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True)
