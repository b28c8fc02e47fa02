"""Scopes: what they open, and that nobody gives away more than they have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.auth.permissions import check_owner, check_role, check_scope, check_within, parse
from postmill.auth.tokens import Identity, Wish, check_wish
from postmill.model.errors import BadRequest, PermissionDenied
from postmill.model.user import Actor, Role

PATHS = ["f/a", "f/a/", "f/a/b", "f/a/bc", "f/a/b/c", "f/b/x", "u/ann/x"]
NEEDS = [
    "scripts:read",
    "scripts:write",
    "jobs:run",
    "jobs:run:scripts",
    "jobs:run:previews",
    "jobs:read",
    "users:read",
]

paths = st.lists(
    st.builds(lambda path, star: path + star, st.sampled_from(PATHS), st.sampled_from(["", "*"])),
    min_size=1,
    max_size=3,
).map(",".join)
heads = st.sampled_from(
    [*NEEDS, "*:*", "*:read", "*:write", "scripts:*", "jobs:*", "jobs:run:*", "*:run", "tokens:write"]
)
scopes = st.builds(lambda head, tail: f"{head}:{tail}" if tail else head, heads, st.none() | paths).filter(
    # jobs:run has its kind before the paths.
    lambda text: not text.startswith("jobs:run:f") and not text.startswith("jobs:run:u")
)


def allows(held: tuple[str, ...] | None, need: str, path: str | None) -> bool:
    try:
        check_scope(held, need, path)
    except PermissionDenied:
        return False
    return True


@given(
    st.none() | st.lists(scopes, max_size=4).map(tuple),
    st.none() | st.lists(scopes, max_size=4).map(tuple),
    st.sampled_from(NEEDS),
    st.none() | st.sampled_from([*PATHS, "f/*", "f/a*", "*"]),
)
def test_what_may_be_given_away_opens_nothing_new(
    held: tuple[str, ...] | None, wanted: tuple[str, ...] | None, need: str, path: str | None
) -> None:
    try:
        check_within(held, wanted)
    except PermissionDenied:
        return
    assert not allows(wanted, need, path) or allows(held, need, path)
    if held is not None:
        assert wanted is not None


@given(st.lists(scopes, max_size=4).map(tuple))
def test_everybody_may_give_away_what_they_have(held: tuple[str, ...]) -> None:
    check_within(held, held)
    check_within(held, ())
    check_within(None, held)


@given(scopes, scopes, scopes)
def test_giving_away_in_steps_goes_no_further_than_the_first_step(first: str, second: str, third: str) -> None:
    try:
        check_within([first], [second])
        check_within([second], [third])
    except PermissionDenied:
        return
    check_within([first], [third])


@pytest.mark.parametrize(
    ("held", "need", "path", "expected"),
    [
        ("scripts:read", "scripts:read", None, True),
        ("scripts:read", "scripts:read", "f/a/b", True),
        ("scripts:read", "scripts:write", None, False),
        ("scripts:write", "scripts:read", None, True),
        ("*:*", "jobs:run:previews", None, True),
        ("*:read", "jobs:run", None, False),
        ("scripts:read:f/a/*", "scripts:read", "f/a/b", True),
        ("scripts:read:f/a/*", "scripts:read", "f/ab", False),
        ("scripts:read:f/a/b", "scripts:read", "f/a/bc", False),
        ("scripts:read:f/a/b,f/c/*", "scripts:read", "f/c/d", True),
        # A list names no path: a scope that is limited to some does not open it.
        ("scripts:read:f/a/*", "scripts:read", None, False),
        ("scripts:read:*", "scripts:read", None, False),
        # A name with a star is one name.
        ("scripts:read:f/a/*", "scripts:read", "f/*", False),
        ("scripts:read:*", "scripts:read", "*", False),
        ("jobs:run:scripts:f/a/b", "jobs:run:scripts", "f/a/b", True),
        ("jobs:run:scripts:f/a/b", "jobs:run:previews", None, False),
        ("jobs:run:scripts", "jobs:run", None, False),
        ("jobs:run", "jobs:read", None, False),
        ("jobs:write", "jobs:read", None, True),
        ("jobs:write", "jobs:run", None, False),
        ("jobs:read", "jobs:write", None, False),
    ],
)
def test_what_a_scope_opens(held: str, need: str, path: str | None, expected: bool) -> None:
    assert allows((held,), need, path) is expected


def test_null_is_all_and_empty_is_nothing() -> None:
    assert allows(None, "jobs:run", None)
    assert not allows((), "scripts:read", None)
    check_scope(None, None)
    with pytest.raises(PermissionDenied, match="without scopes"):
        check_scope(("*:*",), None)


def test_a_path_that_follows_is_checked_by_the_handler() -> None:
    held = ("jobs:run:scripts:f/a/b",)
    check_scope(held, "jobs:run:scripts", path_follows=True)
    with pytest.raises(PermissionDenied):
        check_scope(held, "jobs:run:previews", path_follows=True)
    with pytest.raises(PermissionDenied):
        check_scope(("scripts:write",), "jobs:run:scripts", path_follows=True)


@pytest.mark.parametrize(
    "text",
    [
        *("", "scripts", "scripts:", ":read", "cake:eat", "scripts:run", "jobs:run:cakes", "jobs:run:", "users:write"),
        *("scripts:read:", "scripts:read:a,,b", "scripts:read:*/b", "scripts:read:a b", "scripts:read:" + "x" * 5000),
        *("SCRIPTS:READ", "scripts:read\n", "scripts:read:f/a\n"),
    ],
)
def test_a_scope_that_cannot_be_read_says_so_and_opens_nothing(text: str) -> None:
    with pytest.raises(BadRequest):
        parse(text)
    assert not allows((text,), "scripts:read", None)


def test_too_many_scopes_are_refused() -> None:
    with pytest.raises(BadRequest, match="the limit is 100"):
        check_within(None, ["scripts:read"] * 101)


def test_roles_are_a_ladder() -> None:
    roles: list[Role] = ["operator", "developer", "admin"]
    for rank, role in enumerate(roles):
        for least_rank, least in enumerate(roles):
            actor = Actor("a@b.c", workspace="w", role=role)
            if rank >= least_rank:
                check_role(actor, least)
            else:
                with pytest.raises(PermissionDenied, match=f"{least!r} in workspace 'w'; yours is {role!r}"):
                    check_role(actor, least)
    check_role(Actor("a@b.c", super_admin=True), "admin")
    with pytest.raises(PermissionDenied):
        check_role(Actor("a@b.c"), "operator")


def test_a_jobs_token_and_a_read_only_token_make_none_that_act() -> None:
    actor = Actor("a@b.c")
    with pytest.raises(PermissionDenied, match="job's own token"):
        check_wish(Identity(actor, "job"), Wish(scopes=()))
    reader = Identity(Actor("a@b.c", read_only=True), "api")
    with pytest.raises(PermissionDenied, match="read-only"):
        check_wish(reader, Wish())
    check_wish(reader, Wish(read_only=True))


def test_what_lies_below_a_name_is_that_users() -> None:
    bob = Actor("bob@b.c", workspace="w", username="bob", role="developer")
    for path in ("u/bob/x", "u/bob/x/y", "f/ops/x"):
        check_owner(bob, path)
    for path in ("u/ann/x", "u/bobby/x", "u/bo/x", "u//x", "u/ann/bob"):
        with pytest.raises(PermissionDenied, match="belongs to"):
            check_owner(bob, path)
    check_owner(Actor("ann@b.c", workspace="w", username="ann", role="admin"), "u/bob/x")
    for path in ("u/oz/x", "f/ops/x"):
        with pytest.raises(PermissionDenied, match="developer"):
            check_owner(Actor("oz@b.c", workspace="w", username="oz", role="operator"), path)
