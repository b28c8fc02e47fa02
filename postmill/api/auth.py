"""Login, logout, and the first start."""

import ipaddress
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from postmill.api.access import COOKIE, check_same_site, public, secret_of
from postmill.api.body import Body, new_router
from postmill.api.services import Served
from postmill.auth import setup
from postmill.auth.login import log_in
from postmill.auth.names import check_email, username_of
from postmill.auth.sessions import LONGEST
from postmill.auth.setup import FirstStart
from postmill.auth.tokens import digest, looks_like_token
from postmill.engine.examples import deploy_examples
from postmill.model.user import Actor
from postmill.settings import Settings
from postmill.store import tokens

router = new_router("/auth", "auth")


class Login(Body):
    """A person's e-mail and password."""

    email: str = Field(max_length=255)
    password: str = Field(max_length=10_000)


class FirstWorkspace(Body):
    """The workspace to begin with."""

    id: str = Field(max_length=50)
    name: str = Field(min_length=1, max_length=100)


class Setup(Body):
    """The first administrator, and the one-time token of the link."""

    token: str = Field(max_length=200)
    email: str = Field(max_length=255)
    password: str = Field(max_length=10_000)
    workspace: FirstWorkspace
    examples: bool = False
    """Begin with the scripts of `examples/`."""


class SetupState(BaseModel):
    """`open`: there is no account yet. `valid`: the token is the newest one."""

    open: bool
    valid: bool


def address_of(connection: HTTPConnection, settings: Settings) -> str:
    """Who is counted for wrong logins: the peer's address.

    Behind a reverse proxy (POSTMILL_BASE_URL is set, and the peer is on this machine or in a private network) the
    last entry of X-Forwarded-For, which that proxy wrote; the entries before it are the caller's own words.
    """
    peer = connection.client.host if connection.client else "unknown"
    forwarded = ",".join(connection.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
    if not settings.base_url or not forwarded:
        return peer
    try:
        near = ipaddress.ip_address(peer)
        return str(ipaddress.ip_address(forwarded)) if near.is_private or near.is_loopback else peer
    except ValueError:
        return peer


def _with_session(text: str, status: int, settings: Settings) -> Response:
    """The token as text for programs, and as a cookie for browsers.

    The cookie outlives no session: thirty days at most. Three days without use end the session on the server.
    """
    response = PlainTextResponse(text, status)
    response.set_cookie(
        COOKIE,
        text,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=settings.public_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )
    return response


@router.post("/login", dependencies=[public], response_class=PlainTextResponse)
async def login(body: Login, request: Request, services: Served) -> Response:
    """The token of a new session, as text and as a cookie."""
    token = await log_in(
        services.database,
        services.passwords,
        services.logins,
        email=body.email,
        password=body.password,
        address=address_of(request, services.settings),
    )
    return _with_session(token, 200, services.settings)


@router.post("/logout", dependencies=[public], response_class=PlainTextResponse)
async def logout(request: Request, services: Served) -> Response:
    """End the session. An API token stays; without any token there is nothing to do, which is fine."""
    secret = secret_of(request)
    if secret is not None and secret.source == "cookie":
        check_same_site(request, request.method)
    if secret is not None and looks_like_token(secret.text):
        async with services.database.transaction() as tx:
            await tokens.delete_session(tx, digest(secret.text))
        services.remembered.forget(digest(secret.text))
    response = PlainTextResponse("logged out")
    secure = services.settings.public_url.startswith("https://")
    response.delete_cookie(COOKIE, path="/", secure=secure, httponly=True, samesite="lax")
    return response


@router.get("/setup", dependencies=[public])
async def setup_state(token: Annotated[str, Query(max_length=200)], services: Served) -> SetupState:
    """Whether the first administrator can be made with this link."""
    async with services.database.transaction() as tx:
        found = await setup.state(tx, token)
    return SetupState(open=found.open, valid=found.valid)


@router.post("/setup", dependencies=[public], status_code=201, response_class=PlainTextResponse)
async def set_up(body: Setup, services: Served) -> Response:
    """Make the first administrator and the first workspace, once; logs in."""
    wish = FirstStart(body.email, body.password, body.workspace.id, body.workspace.name)
    token = await setup.set_up(services.database, services.passwords, body.token, wish)
    if body.examples:
        email = check_email(body.email)
        workspace = body.workspace.id
        actor = Actor(email, super_admin=True, workspace=workspace, username=username_of(email), role="admin")
        await deploy_examples(services.database, services.wake, services.settings, actor)
    return _with_session(token, 201, services.settings)
