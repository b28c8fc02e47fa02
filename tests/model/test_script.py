"""What is deployed: names of versions, and settings that cannot take effect."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from postmill.model.errors import BadRequest
from postmill.model.script import NOT_YET, NewScript, content_hash, parse_hash, print_hash

DOCS = Path(__file__).parents[2] / "docs"
SCRIPT = {"path": "f/a/b", "content": "def main(): ...", "language": "python3"}


def new(**more: Any) -> NewScript:
    return NewScript.model_validate({**SCRIPT, **more})


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_hash_is_read_as_it_was_printed(value: int) -> None:
    text = print_hash(value)
    assert len(text) == 16
    assert parse_hash(text) == parse_hash(text.upper()) == value


@pytest.mark.parametrize("text", ["", "g", "-1", "+1", "0x1", "1_0", " 1", "1 ", "1" * 17, "\u0661", "\uff11", "1\n"])
def test_what_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="not a script hash"):
        parse_hash(text)


def test_a_short_hash_is_filled_up_with_zeros() -> None:
    assert print_hash(parse_hash("1d067")) == "000000000001d067"


def test_the_name_of_a_version_tells_what_and_where_it_is_and_what_it_follows() -> None:
    names = {
        content_hash("w", new(), None),
        content_hash("x", new(), None),
        content_hash("w", new(), 1),
        content_hash("w", new(path="f/a/c"), None),
        content_hash("w", new(summary="x"), None),
        content_hash("w", new(content="def main(): pass"), None),
    }
    assert len(names) == 6
    assert content_hash("w", new(), None) == content_hash("w", new(), None)


def test_every_setting_that_is_not_there_yet_is_a_field() -> None:
    assert set(NOT_YET) <= set(NewScript.model_fields)
    new(**dict.fromkeys(NOT_YET)).check_settings()


@pytest.mark.parametrize(
    "envs", [["A"], ["=x"], ["1A=x"], ["A B=x"], ["\u00e9=x"], ["WM_X=1"], ["PATH=/x"], ["HOME=/"], ["A=\0"]]
)
def test_a_variable_that_cannot_be_set_is_refused(envs: list[str]) -> None:
    with pytest.raises(BadRequest, match="envs"):
        new(envs=envs).check_settings()


def test_variables_may_be_empty_and_hold_equals_signs() -> None:
    new(envs=["A=", "B=c=d"]).check_settings()


@pytest.mark.parametrize(
    "more",
    [
        {"timeout": True},
        {"timeout": "5"},
        {"timeout": 1.5},
        {"timeout": 10**12},
        {"priority": -1},
        {"concurrent_limit": 0},
        {"delete_after_secs": -1},
        {"content": 5},
        {"labels": [""]},
        {"kind": "flow"},
    ],
)
def test_types_and_bounds_are_exact(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        new(**more)


@pytest.mark.parametrize("name", [field.alias or name for name, field in NewScript.model_fields.items()])
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in (DOCS / "scripts.md").read_text() + (DOCS / "api.md").read_text()


def test_the_docs_name_the_settings_that_are_refused() -> None:
    [refused] = [
        part for part in (DOCS / "scripts.md").read_text().split("\n\n") if part.startswith("Refused, because")
    ]
    assert [name for name in NOT_YET if f"`{name}`" not in refused] == []
    assert refused.count("`") == 2 * (len(NOT_YET) + 2)
