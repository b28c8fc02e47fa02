"""Tokens that people and their programs hold: `pm_` and 43 URL-safe characters, 256 bits of chance."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from postmill.auth.permissions import check_within
from postmill.model.errors import Conflict, PermissionDenied
from postmill.model.user import Actor
from postmill.store import tokens
from postmill.store.db import Connection

PREFIX_LENGTH = 10
_TOKEN = re.compile(r"pm_[A-Za-z0-9_\-]{43}\Z")
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Identity:
    """An actor together with the limits of the credential that was shown."""

    actor: Actor
    kind: str
    """session, api or job."""
    hash: bytes | None = None
    """Of the token; a job's has none."""
    bound_to: str | None = None
    """The only workspace where the credential is good."""
    expiration: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks of a new token."""

    label: str | None = None
    expiration: datetime | None = None
    scopes: tuple[str, ...] | None = None
    workspace_id: str | None = None
    read_only: bool = False


def make_token() -> str:
    """A new token. Keep its `digest`; show it once."""
    return "pm_" + secrets.token_urlsafe(32)


def looks_like_token(text: str) -> bool:
    """Whether it is worth a look into the database."""
    return _TOKEN.match(text) is not None


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def check_wish(holder: Identity, wish: Wish) -> None:
    """A token makes no token that is wider than itself: in scopes, workspace, writing, or time. Pure.

    The time of a session does not count: it belongs to a person who has typed a password.

    Raises:
        BadRequest: a scope cannot be read.
        PermissionDenied: says what goes beyond.
    """
    actor = holder.actor
    if holder.kind == "job":
        raise PermissionDenied("a job's own token cannot make tokens; pass one to the job as a variable")
    check_within(actor.scopes, wish.scopes)
    if actor.read_only and not wish.read_only:
        raise PermissionDenied("a read-only token can only make read-only tokens")
    if holder.bound_to is not None and wish.workspace_id != holder.bound_to:
        raise PermissionDenied(f"this token can only make tokens of workspace {holder.bound_to!r}")
    outlives = holder.expiration is not None and (wish.expiration is None or wish.expiration > holder.expiration)
    if holder.kind == "api" and outlives:
        raise PermissionDenied("a token that expires cannot make one that lasts longer; send an earlier expiration")


async def mint(tx: Connection, email: str, wish: Wish) -> str:
    """Make an API token; the caller has let `check_wish` judge.

    Raises:
        Conflict: no free prefix was found, which takes some 10^5 tokens of one account.
    """
    for _ in range(_TRIES):
        token = make_token()
        if await tokens.insert(
            tx,
            hash=digest(token),
            prefix=token[:PREFIX_LENGTH],
            email=email,
            kind="api",
            label=wish.label,
            workspace_id=wish.workspace_id,
            scopes=None if wish.scopes is None else list(wish.scopes),
            read_only=wish.read_only,
            expiration=wish.expiration,
        ):
            return token
    raise Conflict("no free token prefix; delete tokens that are not used")


async def open_session(tx: Connection, email: str, lasts: timedelta) -> str:
    """Make the token of a fresh login; never one that the browser brought along.

    Raises:
        Conflict: as `mint`.
    """
    for _ in range(_TRIES):
        token = make_token()
        if await tokens.insert(
            tx,
            hash=digest(token),
            prefix=token[:PREFIX_LENGTH],
            email=email,
            kind="session",
            label="session",
            lasts=lasts,
        ):
            return token
    raise Conflict("no free token prefix; delete tokens that are not used")
