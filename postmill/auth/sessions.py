"""From a secret that somebody shows to the actor that it stands for.

A session lasts three days without use, and thirty days at most; an API token as long as its owner said. Each is
looked up in one statement, and the answer is kept for two seconds, so that a revoked right ends within five on
every replica, and at once on the one where it was revoked. Job tokens are looked up each time.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from postmill.auth import job_tokens
from postmill.auth.job_tokens import JobToken
from postmill.auth.tokens import Identity
from postmill.model.errors import NotAuthorized, NotFound, PermissionDenied
from postmill.model.user import Actor, Role
from postmill.store import tokens
from postmill.store.db import Connection

IDLE = timedelta(days=3)
LONGEST = timedelta(days=30)
REMEMBER_S = 2.0
MAX_REMEMBERED = 10_000

_UNKNOWN = "this token is not valid (any more); log in again, or make a new one"
_ENDED = "the job has ended, and its token with it"


def no_such_workspace(workspace: str) -> NotFound:
    """One text for a workspace that is not there and one that is none of the caller's business."""
    return NotFound(f"workspace {workspace[:60]!r} does not exist, or you are not a member of it")


class Remembered:
    """Recent answers, the oldest first. Only good ones: strangers' guesses take no room."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._found: OrderedDict[tuple[bytes, str | None], tuple[float, Identity]] = OrderedDict()
        self.generation = 0
        """Changes when something is forgotten: an answer that was asked for before is not kept."""

    def __len__(self) -> int:
        return len(self._found)

    def get(self, hash: bytes, workspace: str | None) -> Identity | None:
        """The identity, if it was looked up within the last two seconds."""
        until, identity = self._found.get((hash, workspace), (0.0, None))
        return identity if until > self._clock() else None

    def put(self, hash: bytes, workspace: str | None, identity: Identity, generation: int) -> None:
        """Keep an answer that was asked for at `generation`."""
        if generation != self.generation:
            return
        self._found[hash, workspace] = (self._clock() + REMEMBER_S, identity)
        self._found.move_to_end((hash, workspace))
        while len(self._found) > MAX_REMEMBERED:
            self._found.popitem(last=False)

    def forget(self, hash: bytes) -> None:
        """A token was revoked here."""
        self.generation += 1
        for key in [key for key in self._found if key[0] == hash]:
            del self._found[key]


async def identify_token(tx: Connection, hash: bytes, workspace: str | None) -> Identity:
    """Who holds the token with this hash, in `workspace` (None: outside of any).

    Raises:
        NotAuthorized: unknown, expired, or the account is disabled.
        NotFound: no such workspace for this account or token.
        PermissionDenied: the membership is disabled.
    """
    found = await tokens.identify(tx, hash, workspace)
    if found is None:
        raise NotAuthorized(_UNKNOWN)
    if found.expired:
        raise NotAuthorized("this token has expired; log in again, or make a new one")
    if found.account_disabled:
        raise NotAuthorized("this account is disabled; ask a super admin")
    if found.stale:
        await tokens.touch(tx, hash, idle=IDLE, longest=LONGEST)
    role = found.role
    if workspace is not None:
        outside = found.bound_to is not None and found.bound_to != workspace
        if found.workspace is None or outside or (role is None and not found.super_admin):
            raise no_such_workspace(workspace)
        _check_member(workspace, found.member_disabled, found.super_admin)
        if found.super_admin:
            role = "admin"
    actor = Actor(
        email=found.email,
        # A token for one workspace is no key to the instance.
        super_admin=found.super_admin and found.bound_to is None,
        workspace=workspace,
        username=found.username,
        role=role,
        token_prefix=found.prefix,
        scopes=None if found.scopes is None else tuple(found.scopes),
        read_only=found.read_only,
    )
    return Identity(actor, found.kind, hash, found.bound_to, found.expiration)


async def identify_job(tx: Connection, key: bytes, token: JobToken, workspace: str | None) -> Identity:
    """The running job that holds this token; it has the rights of its owner in its own workspace, and there only.

    Raises:
        NotAuthorized: not ours, of another workspace, or the job has ended.
        PermissionDenied: its owner's membership is disabled.
    """
    if workspace is not None and not job_tokens.is_genuine(key, token, workspace):
        raise NotAuthorized(_UNKNOWN)
    found = await tokens.running_job(tx, token.job, token.lease)
    if found is None:
        raise NotAuthorized(_ENDED)
    if not job_tokens.is_genuine(key, token, found.workspace):
        # One text with the line above: a stranger does not learn which jobs run.
        raise NotAuthorized(_ENDED)
    if found.account_disabled or (found.role is None and not found.super_admin):
        raise NotAuthorized("the owner of this job has lost access to its workspace")
    _check_member(found.workspace, found.member_disabled, found.super_admin)
    if workspace is None:
        return Identity(Actor(found.email, job=token.job), "job", bound_to=found.workspace)
    username = found.username or found.permissioned_as.removeprefix("u/")
    role: Role | None = "admin" if found.super_admin else found.role
    actor = Actor(found.email, workspace=workspace, username=username, role=role, job=token.job)
    return Identity(actor, "job", bound_to=workspace)


def _check_member(workspace: str, disabled: bool, super_admin: bool) -> None:
    if disabled and not super_admin:
        raise PermissionDenied(f"your membership of workspace {workspace!r} is disabled; ask an administrator")
