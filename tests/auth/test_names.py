"""E-mails and usernames."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmill.auth.names import check_email, check_username, check_workspace, username_of
from postmill.model.errors import BadRequest


@given(st.text(max_size=80))
def test_every_email_gives_a_username_that_can_be_one(local: str) -> None:
    assert check_username(username_of(f"{local}@example.com"))


@pytest.mark.parametrize(
    ("email", "username"),
    [("Ann.Lee+x@corp.org", "ann_lee_x"), ("--@corp.org", "user"), ("-a-@b", "a-"), ("jörg@b.c", "j_rg")],
)
def test_usernames_come_from_the_part_before_the_at(email: str, username: str) -> None:
    assert username_of(email) == username


def test_an_email_is_kept_in_small_letters() -> None:
    assert check_email(" Ann@Example.COM ") == "ann@example.com"


@pytest.mark.parametrize("email", ["", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a\n@b", "a@b\0", "x" * 255 + "@b"])
def test_what_is_no_email_is_refused(email: str) -> None:
    with pytest.raises(BadRequest, match="e-mail"):
        check_email(email)


@pytest.mark.parametrize("name", ["", ".", "..", "-x", ".x", "a.b", "a/b", "a\n", "x" * 51, "ü"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        check_username(name)
    with pytest.raises(BadRequest):
        check_workspace(name)


def test_addresses_that_nearly_match_cost_no_time() -> None:
    with pytest.raises(BadRequest):
        check_email("a" * 100_000 + "@")
    assert re.fullmatch(r"a+", username_of("a" * 100_000 + "@b")) is not None
