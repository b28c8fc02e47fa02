"""One's own tokens."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import PlainTextResponse
from pydantic import AwareDatetime, Field

from postmill.api.access import identity_of, user
from postmill.api.body import Body, new_router
from postmill.api.paging import Paged
from postmill.api.services import Served
from postmill.auth.sessions import no_such_workspace
from postmill.auth.tokens import Wish, check_wish, mint
from postmill.model.errors import BadRequest, NotFound
from postmill.model.user import Actor
from postmill.store import tokens, workspaces
from postmill.store.db import Connection
from postmill.store.tokens import Token

router = new_router("/users/tokens", "tokens")

# Beyond it, some reader of the time would fail.
MAX_LIFE = timedelta(days=36525)

Writer = Annotated[Actor, Depends(user("tokens:write", bound=True))]
Reader = Annotated[Actor, Depends(user("tokens:read", bound=True))]


class NewToken(Body):
    """A token to make. `scopes` null: all that the asking token may; empty: nothing."""

    label: str | None = Field(None, max_length=255)
    expiration: AwareDatetime | None = Field(None, strict=False)
    scopes: list[str] | None = None
    workspace_id: str | None = Field(None, max_length=50)
    read_only: bool | None = None

    def wish(self) -> Wish:
        """What is asked for.

        Raises:
            BadRequest: it would end in the past, or after a hundred years.
        """
        if self.expiration is not None and not timedelta() < self.expiration - datetime.now(UTC) < MAX_LIFE:
            raise BadRequest("expiration must lie in the future, and at most a hundred years ahead")
        scopes = None if self.scopes is None else tuple(self.scopes)
        return Wish(self.label, self.expiration, scopes, self.workspace_id, self.read_only or False)


@router.get("/list")
async def list_tokens(
    actor: Reader, request: Request, page: Paged, services: Served, exclude_ephemeral: bool = False
) -> list[Token]:
    """One's tokens, newest first; `exclude_ephemeral` leaves sessions out."""
    async with services.database.transaction(actor) as tx:
        return await tokens.list_of(
            tx,
            actor.email,
            bound_to=identity_of(request).bound_to,
            exclude_sessions=exclude_ephemeral,
            limit=page.limit,
            offset=page.offset,
        )


@router.post("/create", status_code=201, response_class=PlainTextResponse)
async def create_token(body: NewToken, actor: Writer, request: Request, services: Served) -> str:
    """A new token, shown this once. It is never wider than the one that asks."""
    wish = body.wish()
    check_wish(identity_of(request), wish)
    async with services.database.transaction(actor) as tx:
        if wish.workspace_id is not None:
            await _check_workspace(tx, actor, wish.workspace_id)
        return await mint(tx, actor.email, wish)


async def _check_workspace(tx: Connection, actor: Actor, workspace: str) -> None:
    found = await workspaces.of_account(tx, actor.email, only=workspace)
    anywhere = actor.super_admin and await workspaces.name_of(tx, workspace) is not None
    if not found and not anywhere:
        raise no_such_workspace(workspace)


@router.delete("/delete/{token_prefix}", response_class=PlainTextResponse)
async def delete_token(token_prefix: str, actor: Writer, request: Request, services: Served) -> str:
    """End one of one's tokens, named by its first ten characters."""
    async with services.database.transaction(actor) as tx:
        hash = await tokens.delete_by_prefix(tx, actor.email, token_prefix, bound_to=identity_of(request).bound_to)
    if hash is None:
        raise NotFound(f"you have no token that begins with {token_prefix[:60]!r}")
    services.remembered.forget(hash)
    return f"Deleted token {token_prefix}"
