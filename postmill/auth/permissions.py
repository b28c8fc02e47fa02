"""What a role and a token's scopes allow. Pure.

A scope is `domain:action`, `domain:action:path,path…`, or for running `jobs:run:kind:path,path…`:

    scripts:read                  every script
    scripts:write:f/ops/*         scripts below f/ops; writing includes reading
    jobs:run:scripts:f/ops/clean  run one script, and nothing else
    *:read                        read whatever has scopes

A `*` stands for any domain, action or kind, and at the end of a path for anything that follows. A token without
scopes (null) may do what its owner may; an empty list allows nothing; a scope that cannot be read allows nothing.

There is no `users:write`: who makes accounts or administrators can make one that has every right.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from postmill.model.errors import BadRequest, PermissionDenied
from postmill.model.user import Actor, Role

DOMAINS: Mapping[str, frozenset[str]] = {
    "scripts": frozenset({"read", "write"}),
    "jobs": frozenset({"read", "write", "run"}),
    "users": frozenset({"read"}),
    "workspaces": frozenset({"read", "write"}),
    "tokens": frozenset({"read", "write"}),
    "workers": frozenset({"read"}),
}
"""The words that scopes are made of. A route's own scope is checked against them at start."""

KINDS = frozenset({"scripts", "previews"})
"""What `jobs:run` may name in its third part."""

MAX_SCOPES = 100
MAX_SCOPE = 4096

_PATH = re.compile(r"[A-Za-z0-9_\-./]*\*?\Z")
_RANK: Mapping[Role, int] = {"operator": 0, "developer": 1, "admin": 2}


@dataclass(frozen=True, slots=True)
class Scope:
    """One permission; None stands for "any"."""

    domain: str | None
    action: str | None
    kind: str | None = None
    paths: tuple[str, ...] | None = None


@lru_cache(maxsize=4096)
def parse(text: str) -> Scope:
    """Read a scope.

    Raises:
        BadRequest: says which part is unknown.
    """
    if len(text) > MAX_SCOPE:
        raise BadRequest(f"a scope of {len(text)} characters; the limit is {MAX_SCOPE}")
    domain, _, rest = text.partition(":")
    action, has_rest, rest = rest.partition(":")
    if domain != "*" and domain not in DOMAINS:
        raise BadRequest(f"scope {text!r}: {domain!r} is none of *, {', '.join(sorted(DOMAINS))}")
    allowed = DOMAINS.get(domain) or frozenset().union(*DOMAINS.values())
    if action != "*" and action not in allowed:
        raise BadRequest(f"scope {text!r}: {action!r} is none of *, {', '.join(sorted(allowed))}")
    kind = None
    if domain == "jobs" and action == "run" and has_rest:
        kind, has_rest, rest = rest.partition(":")
        if kind != "*" and kind not in KINDS:
            raise BadRequest(f"scope {text!r}: {kind!r} is none of *, {', '.join(sorted(KINDS))}")
    paths = tuple(rest.split(",")) if has_rest else None
    for path in paths or ():
        if not path or not _PATH.match(path):
            raise BadRequest(f"scope {text!r}: {path!r} must be a path, with '*' at its end only")
    return Scope(_any(domain), _any(action), _any(kind), paths)


def _any(part: str | None) -> str | None:
    return None if part == "*" else part


def readable(scopes: Iterable[str]) -> list[Scope]:
    """The scopes that this version understands; one kept by another version may be left out."""
    found = []
    for text in scopes:
        try:
            found.append(parse(text))
        except BadRequest:
            continue
    return found


def _path_within(pattern: str, path: str) -> bool:
    """Whether `path`, itself possibly a pattern, lies inside `pattern`."""
    if pattern.endswith("*"):
        return path.removesuffix("*").startswith(pattern[:-1])
    return path == pattern


def includes(wide: Scope, narrow: Scope, *, any_path: bool = False) -> bool:
    """Whether everything that `narrow` allows is allowed by `wide`; `any_path` leaves the paths out of it."""
    if wide.domain is not None and wide.domain != narrow.domain:
        return False
    writes_to_read = wide.action == "write" and narrow.action == "read"
    if wide.action is not None and wide.action != narrow.action and not writes_to_read:
        return False
    if wide.kind is not None and wide.kind != narrow.kind:
        return False
    if any_path or wide.paths is None:
        return True
    return narrow.paths is not None and all(
        any(_path_within(pattern, path) for pattern in wide.paths) for path in narrow.paths
    )


def _needed(scope: str, path: str | None) -> Scope:
    """A route's scope with the path that the request names. The path is data: it is never parsed."""
    parsed = parse(scope)
    return Scope(parsed.domain, parsed.action, parsed.kind, None if path is None else (path,))


def _allows(held: Scope, needed: Scope, any_path: bool) -> bool:
    if needed.paths and needed.paths[0].endswith("*"):
        # A name that looks like a pattern is inside "any path" alone.
        return includes(held, needed, any_path=any_path) and held.paths is None
    return includes(held, needed, any_path=any_path)


def check_scope(
    scopes: Iterable[str] | None, scope: str | None, path: str | None = None, *, path_follows: bool = False
) -> None:
    """Let a token with these scopes do `scope`, on `path` when the request is about one item.

    Without a path (lists, and items named by hash) a scope that is limited to paths is not enough. A handler that
    finds the path out itself has `path_follows` at the door, and calls `check_scope` again when it knows.

    Raises:
        PermissionDenied: names the scope that would do.
    """
    if scopes is None:
        return
    if scope is None:
        raise PermissionDenied("a token with scopes cannot be used here; use one without scopes")
    needed = _needed(scope, path)
    if not any(_allows(held, needed, path_follows) for held in readable(scopes)):
        wanted = scope if path is None else f"{scope}:{path}"
        raise PermissionDenied(f"this token lacks the scope {wanted!r}")


def check_actor_scope(actor: Actor, scope: str, path: str | None) -> None:
    """`check_scope` for handlers.

    Raises:
        PermissionDenied: names the scope that would do.
    """
    check_scope(actor.scopes, scope, path)


def check_within(held: Iterable[str] | None, wanted: Iterable[str] | None) -> None:
    """Let the holder of `held` give `wanted` away.

    Raises:
        BadRequest: a wanted scope cannot be read, or there are too many.
        PermissionDenied: names the first scope that goes beyond.
    """
    wanted = None if wanted is None else list(wanted)
    if wanted is not None and len(wanted) > MAX_SCOPES:
        raise BadRequest(f"{len(wanted)} scopes; the limit is {MAX_SCOPES}")
    asked = None if wanted is None else [(text, parse(text)) for text in wanted]
    if held is None:
        return
    if asked is None:
        raise PermissionDenied("a token with scopes can only make tokens with scopes; name some of its own")
    owned = readable(held)
    for text, scope in asked:
        if not any(includes(own, scope) for own in owned):
            raise PermissionDenied(f"scope {text!r} goes beyond the scopes of the token that asks")


def check_role(actor: Actor, least: Role) -> None:
    """Let members of at least this role in.

    Raises:
        PermissionDenied: names the role it takes.
    """
    if actor.super_admin:
        return
    if actor.role is None or _RANK[actor.role] < _RANK[least]:
        raise PermissionDenied(
            f"this takes the role {least!r} in workspace {actor.workspace!r}; yours is {actor.role!r}"
        )


def check_owner(actor: Actor, path: str) -> None:
    """Let somebody change the item at `path`: below `u/<name>` that user, below `f/` whoever may write code.

    Raises:
        PermissionDenied: says whose it is.
    """
    check_role(actor, "developer")
    kind, _, rest = path.partition("/")
    owner = rest.partition("/")[0]
    if kind == "u" and not actor.is_admin and actor.username != owner:
        raise PermissionDenied(f"{path[:60]!r} belongs to {owner[:60]!r}; put yours below u/{actor.username} or f/")
