"""Letting an account into a workspace."""

from postmill.auth.names import check_username, username_of
from postmill.model.errors import Conflict, NotFound
from postmill.model.user import Role
from postmill.store import accounts, workspaces
from postmill.store.db import Connection

_TRIES = 100


async def add_member(tx: Connection, workspace: str, email: str, role: Role, username: str | None = None) -> str:
    """Make an account a member; returns its username there.

    Without a wish the username comes from the e-mail, with a number when a namesake was first.

    Raises:
        BadRequest: the username cannot be one.
        Conflict: a member already, or the username is taken.
        NotFound: no account with this e-mail.
    """
    if await accounts.get(tx, email) is None:
        raise NotFound(f"no account {email!r}; a super admin makes one with POST /api/users/create")
    if await workspaces.member_by_email(tx, workspace, email) is not None:
        raise Conflict(f"{email} is a member of workspace {workspace!r} already")
    base = check_username(username) if username else username_of(email)
    names = [base] if username else [base, *(f"{base}{number}" for number in range(2, _TRIES))]
    for name in names:
        if await workspaces.add_member(tx, workspace=workspace, email=email, username=name, role=role):
            return name
    raise Conflict(f"the username {base!r} is taken in workspace {workspace!r}; choose another")


async def create_workspace(tx: Connection, *, id: str, name: str, owner: str, username: str | None = None) -> None:
    """Make a workspace with its owner as the first administrator.

    Raises:
        BadRequest: the username cannot be one.
        Conflict: the id is taken.
        NotFound: no account of the owner.
    """
    if not await workspaces.insert(tx, id=id, name=name, owner=owner):
        raise Conflict(f"workspace {id!r} exists; choose another id")
    await add_member(tx, id, owner, "admin", username)
