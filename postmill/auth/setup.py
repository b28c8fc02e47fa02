"""The first start: one administrator, one workspace. No default password anywhere.

Whoever opens the one-time link that the server prints becomes the administrator; or POSTMILL_ADMIN_EMAIL and
POSTMILL_ADMIN_PASSWORD name one, and nobody needs the link.
"""

import hashlib
import secrets
from dataclasses import dataclass

from postmill.auth.members import create_workspace
from postmill.auth.names import check_email, check_workspace
from postmill.auth.passwords import Passwords, check_password
from postmill.auth.sessions import IDLE
from postmill.auth.tokens import open_session
from postmill.model.errors import BadRequest, Conflict, PermissionDenied
from postmill.store import accounts, tokens
from postmill.store.db import Connection, Database

SECRET_NAME = "setup"
FIRST_WORKSPACE = "main"


@dataclass(frozen=True, slots=True)
class State:
    """Whether the first administrator is still to come, and whether the link that was shown is the newest one."""

    open: bool
    valid: bool


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What the set-up form asks."""

    email: str
    password: str
    workspace_id: str
    workspace_name: str


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def setup_link(database: Database) -> str | None:
    """Make a new one-time link, which ends the one before; None when there is an account.

    Returns the path and query (`/setup?token=…`) to put behind the public URL.
    """
    token = secrets.token_urlsafe(32)
    async with database.transaction() as tx:
        await accounts.lock_setup(tx)
        if await accounts.any_account(tx):
            return None
        await tokens.replace_secret(tx, SECRET_NAME, _digest(token))
    return f"/setup?token={token}"


async def state(tx: Connection, token: str) -> State:
    """What the set-up page shows."""
    if await accounts.any_account(tx):
        return State(open=False, valid=False)
    kept = await tokens.read_secret(tx, SECRET_NAME)
    return State(open=True, valid=kept is not None and secrets.compare_digest(kept, _digest(token)))


async def set_up(database: Database, passwords: Passwords, token: str, wish: FirstStart) -> str:
    """Make the administrator, the workspace and the membership; returns the token of their session.

    Of any number of calls at once one wins: the others wait for it, and find an account.

    Raises:
        BadRequest: e-mail, password or workspace cannot be.
        Conflict: the instance has been set up.
        PermissionDenied: not the newest link.
    """
    email = check_email(wish.email)
    check_password(wish.password)
    check_workspace(wish.workspace_id)
    async with database.transaction() as tx:
        await accounts.lock_setup(tx)
        if await accounts.any_account(tx):
            raise Conflict("Postmill has been set up already; log in")
        if not await tokens.spend_secret(tx, SECRET_NAME, _digest(token)):
            raise PermissionDenied("this is not the newest set-up link; the server's log shows it")
        # Hashed inside: the losers of a race are told so, and not that too many log in.
        await _first(tx, email, await passwords.hash(wish.password), id=wish.workspace_id, name=wish.workspace_name)
        return await open_session(tx, email, IDLE)


async def ensure_admin(database: Database, email: str, password: str, passwords: Passwords | None = None) -> bool:
    """Make the administrator and the workspace `main` unattended, if there is no account. True: made now.

    Raises:
        BadRequest: the e-mail or the password cannot be one.
    """
    try:
        email = check_email(email)
        check_password(password)
    except BadRequest as error:
        raise BadRequest(f"POSTMILL_ADMIN_EMAIL, POSTMILL_ADMIN_PASSWORD: {error.message}") from None
    async with database.transaction() as tx:
        await accounts.lock_setup(tx)
        if await accounts.any_account(tx):
            return False
        await tokens.delete_secret(tx, SECRET_NAME)
        hash = await (passwords or Passwords()).hash(password)
        await _first(tx, email, hash, id=FIRST_WORKSPACE, name=FIRST_WORKSPACE)
    return True


async def _first(tx: Connection, email: str, password_hash: str, *, id: str, name: str) -> None:
    await accounts.insert(tx, email=email, password_hash=password_hash, super_admin=True)
    await create_workspace(tx, id=id, name=name, owner=email)
