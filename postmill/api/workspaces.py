"""Workspaces: which there are for me, and new ones."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from postmill.api.access import identity_of, member, super_admin, user
from postmill.api.body import Body, new_router
from postmill.api.services import Served
from postmill.auth.members import create_workspace
from postmill.auth.names import check_workspace
from postmill.auth.sessions import no_such_workspace
from postmill.model.user import Actor
from postmill.store import workspaces
from postmill.store.workspaces import Membership

router = new_router("/workspaces", "workspaces")
workspace_router = new_router("/w/{workspace}/workspaces", "workspaces")

# A token for one workspace reads that one's line.
Reader = Annotated[Actor, Depends(user("workspaces:read", bound=True))]


class Workspace(BaseModel):
    """A workspace that one is in."""

    id: str
    name: str
    owner: str


class Visibility(BaseModel):
    """The pages that the role sees."""

    runs: bool
    schedules: bool
    resources: bool
    variables: bool
    assets: bool
    triggers: bool
    audit_logs: bool
    groups: bool
    folders: bool
    workers: bool


class Capabilities(BaseModel):
    """What the role may change."""

    code: bool
    flows: bool
    apps: bool
    manage_schedules: bool
    manage_triggers: bool
    visibility: Visibility


class UserWorkspace(BaseModel):
    """A workspace together with what one is in it."""

    id: str
    name: str
    username: str
    color: str = ""
    is_dev_workspace: bool = False
    disabled: bool
    role: str
    capabilities: Capabilities

    @classmethod
    def of(cls, found: Membership) -> "UserWorkspace":
        """A membership in the contract's words."""
        writes = found.role != "operator"
        capabilities = Capabilities(
            code=writes,
            flows=writes,
            apps=writes,
            manage_schedules=writes,
            manage_triggers=writes,
            visibility=Visibility(
                runs=True,
                schedules=True,
                resources=True,
                variables=True,
                assets=writes,
                triggers=True,
                audit_logs=writes,
                groups=True,
                folders=True,
                workers=True,
            ),
        )
        return cls(
            id=found.id,
            name=found.name,
            username=found.username,
            disabled=found.disabled,
            role=found.role,
            capabilities=capabilities,
        )


class UserWorkspaces(BaseModel):
    """All workspaces of an account."""

    email: str
    workspaces: list[UserWorkspace]


class WorkspaceId(Body):
    """A workspace's id."""

    id: str = Field(max_length=255)


class NewWorkspace(Body):
    """A workspace to make; `username` is the creator's name in it."""

    id: str
    name: str = Field(min_length=1, max_length=100)
    username: str | None = None


@router.get("/list")
async def list_workspaces(actor: Reader, request: Request, services: Served) -> list[Workspace]:
    """The workspaces that one is in."""
    async with services.database.transaction(actor) as tx:
        found = await workspaces.of_account(tx, actor.email, only=identity_of(request).bound_to)
    return [Workspace(id=one.id, name=one.name, owner=one.owner) for one in found if not one.disabled]


@router.get("/users")
async def list_user_workspaces(actor: Reader, request: Request, services: Served) -> UserWorkspaces:
    """The same with one's name, role and rights in each; also those where the membership is disabled."""
    async with services.database.transaction(actor) as tx:
        found = await workspaces.of_account(tx, actor.email, only=identity_of(request).bound_to)
    return UserWorkspaces(email=actor.email, workspaces=[UserWorkspace.of(one) for one in found])


@router.post("/exists")
async def exists_workspace(
    body: WorkspaceId, actor: Annotated[Actor, Depends(user("workspaces:read"))], services: Served
) -> bool:
    """Whether an id is taken, by whomever."""
    async with services.database.transaction(actor) as tx:
        return await workspaces.exists(tx, body.id)


@router.post("/create", status_code=201, response_class=PlainTextResponse)
async def create(
    body: NewWorkspace, actor: Annotated[Actor, Depends(super_admin("workspaces:write"))], services: Served
) -> str:
    """Make a workspace and become its administrator.

    A super admin's business: workers are shared, and a workspace is a place where its creator decides on everything.
    """
    check_workspace(body.id)
    async with services.database.transaction(actor) as tx:
        await create_workspace(tx, id=body.id, name=body.name, owner=actor.email, username=body.username)
    return f"Created workspace {body.id}"


@workspace_router.get("/get_workspace_name", response_class=PlainTextResponse)
async def get_workspace_name(actor: Annotated[Actor, Depends(member("workspaces:read"))], services: Served) -> str:
    """What people call this workspace."""
    async with services.database.transaction(actor) as tx:
        name = await workspaces.name_of(tx, str(actor.workspace))
    if name is None:
        raise no_such_workspace(str(actor.workspace))
    return name
