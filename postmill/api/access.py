"""Who may call a route. Every route says so with one of these rules, or the server does not start.

    actor: Member                                             anybody in {workspace}; no token with scopes
    actor: Annotated[Actor, Depends(member("scripts:read"))]  … or a token with this scope
    actor: Annotated[Actor, Depends(member("scripts:read:{path}"))]   … for the path in the address
    dependencies=[public]                                     no login

The workspace is the `{workspace}` of the matched route, and nothing else: no header, no body.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute, RouteContext, iter_route_contexts
from starlette.requests import HTTPConnection

from postmill.api.body import StrictRoute
from postmill.api.services import Services, services_of
from postmill.auth import job_tokens, permissions, sessions
from postmill.auth.tokens import Identity, digest, looks_like_token
from postmill.model.errors import BadRequest, NotAuthorized, PermissionDenied
from postmill.model.user import Actor, Role

COOKIE = "token"
_SAFE = ("GET", "HEAD", "OPTIONS")
_PLACE = re.compile(r":\{(\w+)\}\Z")
Source = Literal["header", "cookie", "query"]


@dataclass(frozen=True, slots=True)
class Secret:
    """What the caller showed, and where."""

    text: str
    source: Source


def secret_of(connection: HTTPConnection) -> Secret | None:
    """`Authorization: Bearer`, else the cookie, else `?token=`. The first that is there counts, good or bad."""
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, value = header.partition(" ")
        return Secret(value.strip() if scheme.lower() == "bearer" else "", "header")
    if COOKIE in connection.cookies:
        return Secret(connection.cookies[COOKIE], "cookie")
    query = connection.query_params.get("token")
    return None if query is None else Secret(query, "query")


def check_same_site(connection: HTTPConnection, method: str) -> None:
    """Refuse what another site made a browser do with our cookie.

    A browser says where a request comes from: by Sec-Fetch-Site (on HTTPS and localhost), and by Origin with each
    method that is not GET or HEAD. What says neither and is no GET is no browser: Windmill's CLI sends the cookie so.

    Raises:
        PermissionDenied: from another site, or from who knows where.
    """
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    if site is not None:
        ours = site in ("same-origin", "none")
    elif origin is not None:
        ours = urlsplit(origin).netloc.lower() == connection.headers.get("host", "").lower() != ""
    else:
        ours = method not in _SAFE
    if not ours:
        raise PermissionDenied(
            "the cookie is taken from pages of this server only; send 'Authorization: Bearer <token>' from elsewhere"
        )


async def identify(services: Services, secret: Secret | None, workspace: str | None) -> Identity:
    """Who shows this secret.

    Raises:
        NotAuthorized: nobody that we know.
        NotFound: no such workspace for them.
        PermissionDenied: their membership is disabled.
    """
    if secret is None:
        raise NotAuthorized()
    job = job_tokens.read(secret.text)
    if job is not None:
        async with services.database.transaction() as tx:
            return await sessions.identify_job(tx, services.job_token_key, job, workspace)
    if not looks_like_token(secret.text):
        raise NotAuthorized("this is not a token of Postmill; send 'Authorization: Bearer <token>'")
    hash = digest(secret.text)
    known = services.remembered.get(hash, workspace)
    if known is not None:
        return known
    generation = services.remembered.generation
    async with services.database.transaction() as tx:
        identity = await sessions.identify_token(tx, hash, workspace)
    services.remembered.put(hash, workspace, identity, generation)
    return identity


@dataclass(frozen=True, slots=True)
class Public:
    """Anybody, without a login."""

    rule: str = "public"

    async def __call__(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Rule:
    """A login, and what it must be good for."""

    scope: str | None = None
    path_follows: bool = False

    async def _admit(self, connection: HTTPConnection, workspace: str | None) -> Identity:
        """What all logins go through: who is it, from where, may this token do this."""
        secret = secret_of(connection)
        identity = await identify(services_of(connection), secret, workspace)
        method = connection.scope.get("method", "WEBSOCKET")
        acts = method not in _SAFE or self._action not in (None, "read")
        if acts and secret is not None and secret.source == "cookie":
            check_same_site(connection, method)
        if acts and identity.actor.read_only:
            raise PermissionDenied("this token is read-only; use one that may write")
        scope, path = self.scope_for(connection.path_params)
        permissions.check_scope(identity.actor.scopes, scope, path, path_follows=self.path_follows)
        connection.state.identity = identity
        return identity

    @property
    def _action(self) -> str | None:
        return self.scope.split(":")[1] if self.scope else None

    def scope_for(self, path_params: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """The scope, and the item's path where the scope names a parameter of the address for it."""
        place = _PLACE.search(self.scope) if self.scope else None
        if self.scope is None or place is None:
            return self.scope, None
        return self.scope[: place.start()], str(path_params[place[1]])

    def in_words(self, who: str) -> str:
        """For the table of routes."""
        return f"{who} {self.scope}" if self.scope else who


@dataclass(frozen=True, slots=True)
class UserRule(Rule):
    """On a route outside of any workspace. A FastAPI dependency that gives the Actor."""

    super_admin: bool = False
    jobs: bool = False
    """Also the tokens of running jobs."""
    bound: bool = False
    """Also tokens for one workspace; the handler keeps within it."""

    @property
    def rule(self) -> str:
        return self.in_words("super_admin" if self.super_admin else "user")

    async def __call__(self, connection: HTTPConnection) -> Actor:
        identity = await self._admit(connection, None)
        if identity.kind == "job":
            if not self.jobs:
                raise PermissionDenied("a job's own token is good in its workspace only")
        elif identity.bound_to is not None and not self.bound:
            raise PermissionDenied(f"this token is good in workspace {identity.bound_to!r} only")
        if self.super_admin and not identity.actor.super_admin:
            raise PermissionDenied("this takes a super admin of the instance")
        return identity.actor


@dataclass(frozen=True, slots=True)
class MemberRule(Rule):
    """On a route below `/w/{workspace}`. A FastAPI dependency that gives the Actor."""

    role: Role = "operator"

    @property
    def rule(self) -> str:
        return self.in_words("member" if self.role == "operator" else self.role)

    async def __call__(self, connection: HTTPConnection, workspace: str) -> Actor:
        identity = await self._admit(connection, workspace)
        permissions.check_role(identity.actor, self.role)
        return identity.actor


def user(scope: str | None = None, *, jobs: bool = False, bound: bool = False) -> UserRule:
    """Anybody with a login, on a route outside of any workspace."""
    return UserRule(scope, jobs=jobs, bound=bound)


def member(scope: str | None = None, *, path_follows: bool = False) -> MemberRule:
    """Anybody in `{workspace}`, its jobs too. With `path_follows` the handler itself calls
    `permissions.check_actor_scope` as soon as it knows which item the request is about."""
    return MemberRule(scope, path_follows)


def developer(scope: str | None = None, *, path_follows: bool = False) -> MemberRule:
    """Who may write code in `{workspace}`: members that are not operators."""
    return MemberRule(scope, path_follows, role="developer")


def admin(scope: str | None = None) -> MemberRule:
    """Administrators of `{workspace}`."""
    return MemberRule(scope, role="admin")


def super_admin(scope: str | None = None) -> UserRule:
    """Administrators of the instance."""
    return UserRule(scope, super_admin=True)


public: Any = Depends(Public())
User = Annotated[Actor, Depends(user())]
UserOrJob = Annotated[Actor, Depends(user(jobs=True))]
Member = Annotated[Actor, Depends(member())]
Developer = Annotated[Actor, Depends(developer())]
Admin = Annotated[Actor, Depends(admin())]
SuperAdmin = Annotated[Actor, Depends(super_admin())]


def identity_of(request: Request) -> Identity:
    """The limits of the credential, for handlers below a rule."""
    found = request.state.identity
    assert isinstance(found, Identity)
    return found


def rules(dependant: Dependant | None) -> Iterator[Public | UserRule | MemberRule]:
    """The rules among a route's dependencies, however deep."""
    if dependant is None:
        return
    if isinstance(dependant.call, Public | UserRule | MemberRule):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from rules(inner)


def check(app: FastAPI) -> dict[str, str]:
    """Return each route (`GET /api/version`, `WEBSOCKET /api/…`) and its rule.

    Raises:
        RuntimeError: names a route without a rule, with a rule that does not suit it, or of a foreign class.
    """
    found = {}
    for context in iter_route_contexts(app.router.routes):
        methods = sorted(context.methods or {"WEBSOCKET"})
        declared = _check_route(f"{'/'.join(methods)} {context.path}", context)
        for method in methods:
            found[f"{method} {context.path}"] = " and ".join(dict.fromkeys(rule.rule for rule in declared))
    return found


def _check_route(name: str, context: RouteContext) -> list[Public | UserRule | MemberRule]:
    original = context.original_route
    if not isinstance(original, APIRoute | APIWebSocketRoute):
        raise RuntimeError(f"{name}: a {type(original).__name__} cannot say who may call it")
    if isinstance(original, APIRoute) and not isinstance(original, StrictRoute):
        raise RuntimeError(f"{name}: make its router with postmill.api.body.new_router()")
    declared = list(rules(context.dependant))
    if not declared:
        raise RuntimeError(f"{name}: no rule says who may call it; see postmill/api/access.py")
    if any(isinstance(rule, Public) for rule in declared) and len(set(declared)) > 1:
        raise RuntimeError(f"{name}: public, and not public")
    for rule in declared:
        _check_rule(name, rule, set(context.param_convertors))
    return declared


def _check_rule(name: str, rule: Public | UserRule | MemberRule, path_params: set[str]) -> None:
    if isinstance(rule, Public):
        return
    if isinstance(rule, UserRule) and "workspace" in path_params:
        raise RuntimeError(f"{name}: the route is about one workspace, its rule {rule.rule!r} is not")
    if isinstance(rule, MemberRule) and "workspace" not in path_params:
        raise RuntimeError(f"{name}: the rule {rule.rule!r} is about a workspace, the route names none")
    try:
        scope, _ = rule.scope_for(dict.fromkeys(path_params, ""))
        if scope is not None:
            permissions.parse(scope)
    except KeyError as error:
        raise RuntimeError(f"{name}: the address has no {error}, which the rule {rule.rule!r} names") from None
    except BadRequest as error:
        raise RuntimeError(f"{name}: {error.message}") from None
