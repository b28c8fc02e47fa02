"""People: who I am, who is in a workspace, new accounts."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Depends
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from postmill.api.access import Admin, SuperAdmin, member, user
from postmill.api.body import Body, new_router
from postmill.api.paging import Paged
from postmill.api.services import Served
from postmill.auth.members import add_member
from postmill.auth.names import check_email
from postmill.model.errors import BadRequest, Conflict, NotFound
from postmill.model.user import Actor, Role
from postmill.store import accounts, workspaces
from postmill.store.workspaces import Member

router = new_router("/users", "users")
workspace_router = new_router("/w/{workspace}", "users")

Reader = Annotated[Actor, Depends(member("users:read"))]


class Account(BaseModel):
    """Oneself, over all workspaces."""

    email: str
    login_type: str
    super_admin: bool
    verified: bool
    first_time_user: bool = False
    role_source: str = "manual"
    disabled: bool
    name: str | None
    company: str | None


class WorkspaceUser(BaseModel):
    """Somebody in a workspace. Folders and groups are empty until there are any."""

    email: str
    username: str
    is_admin: bool
    is_super_admin: bool
    operator: bool
    disabled: bool
    created_at: datetime
    name: str | None
    folders: list[str] = []
    folders_read: list[str] = []
    folders_owners: list[str] = []
    groups: list[str] = []
    non_member: bool = False

    @classmethod
    def of(cls, found: Member) -> "WorkspaceUser":
        """A member in the contract's words."""
        return cls(
            email=found.email,
            username=found.username,
            is_admin=found.role == "admin" or found.super_admin,
            is_super_admin=found.super_admin,
            operator=found.role == "operator",
            disabled=found.disabled,
            created_at=found.created_at,
            name=found.name,
        )


class NewAccount(Body):
    """An account to make. It can log in at once: Postmill sends no mail, with or without `skip_email`."""

    email: str
    password: str
    super_admin: bool
    name: str | None = Field(None, max_length=255)
    company: str | None = Field(None, max_length=255)
    skip_email: bool | None = None
    login_type: Literal["password"] | None = None


class NewMember(Body):
    """An account to let into a workspace: as administrator, operator, or (neither) developer."""

    email: str
    is_admin: bool
    operator: bool = False
    username: str | None = None

    @property
    def role(self) -> Role:
        """The one role that the two flags name.

        Raises:
            BadRequest: both are set.
        """
        if self.is_admin and self.operator:
            raise BadRequest("is_admin and operator exclude one another")
        return "admin" if self.is_admin else "operator" if self.operator else "developer"


@router.get("/whoami")
async def global_whoami(
    actor: Annotated[Actor, Depends(user("users:read", jobs=True, bound=True))], services: Served
) -> Account:
    """Who the token belongs to."""
    async with services.database.transaction(actor) as tx:
        found = await accounts.get(tx, actor.email)
    if found is None:
        raise NotFound("the account was deleted a moment ago")
    return Account(
        email=found.email,
        login_type=found.login_type,
        super_admin=actor.super_admin,
        verified=found.verified,
        disabled=found.disabled,
        name=found.name,
        company=found.company,
    )


@router.post("/create", status_code=201, response_class=PlainTextResponse)
async def create_user(body: NewAccount, actor: SuperAdmin, services: Served) -> str:
    """Make an account. It is in no workspace yet."""
    email = check_email(body.email)
    hash = await services.passwords.hash(body.password)
    async with services.database.transaction(actor) as tx:
        made = await accounts.insert(
            tx, email=email, password_hash=hash, super_admin=body.super_admin, name=body.name, company=body.company
        )
    if not made:
        raise Conflict(f"there is an account {email!r} already")
    return f"Created user {email}"


@workspace_router.get("/users/whoami")
async def whoami(actor: Reader, services: Served) -> WorkspaceUser:
    """Oneself in this workspace; a super admin is in each, member or not."""
    async with services.database.transaction(actor) as tx:
        found = await workspaces.member_by_email(tx, str(actor.workspace), actor.email)
        account = await accounts.get(tx, actor.email)
    if found is not None:
        return WorkspaceUser.of(found).model_copy(
            update={"is_super_admin": actor.super_admin, "is_admin": actor.is_admin}
        )
    if account is None:
        raise NotFound("the account was deleted a moment ago")
    stranger = Member(
        actor.email, actor.username or actor.email, "admin", False, account.created_at, True, account.name
    )
    return WorkspaceUser.of(stranger).model_copy(update={"is_super_admin": actor.super_admin, "non_member": True})


@workspace_router.get("/users/list")
async def list_users(actor: Reader, page: Paged, services: Served) -> list[WorkspaceUser]:
    """Who is in this workspace, by username."""
    async with services.database.transaction(actor) as tx:
        found = await workspaces.members(tx, str(actor.workspace), limit=page.limit, offset=page.offset)
    return [WorkspaceUser.of(one) for one in found]


@workspace_router.get("/users/get/{username}")
async def get_user(username: str, actor: Reader, services: Served) -> WorkspaceUser:
    """One member."""
    return WorkspaceUser.of(await _member(username, actor, services))


@workspace_router.get("/users/username_to_email/{username}", response_class=PlainTextResponse)
async def username_to_email(username: str, actor: Reader, services: Served) -> str:
    """The e-mail address of a member."""
    return (await _member(username, actor, services)).email


async def _member(username: str, actor: Actor, services: Served) -> Member:
    async with services.database.transaction(actor) as tx:
        found = await workspaces.member_by_username(tx, str(actor.workspace), username)
    if found is None:
        raise NotFound(f"no user {username[:60]!r} in workspace {actor.workspace!r}")
    return found


@workspace_router.post("/workspaces/add_user", status_code=201, response_class=PlainTextResponse)
async def add_user(body: NewMember, actor: Admin, services: Served) -> str:
    """Let an account into this workspace."""
    email = check_email(body.email)
    async with services.database.transaction(actor) as tx:
        username = await add_member(tx, str(actor.workspace), email, body.role, body.username)
    return f"Added user {email} as {username}"
