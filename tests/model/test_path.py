"""Paths of items."""

import pytest

from postmill.model.errors import BadRequest
from postmill.model.path import MAX_PATH, check_path


@pytest.mark.parametrize("path", ["u/ann/x", "f/ops/clean", "f/a/b/c/d", "u/a-b/c-d_e", "f/1/2"])
def test_a_path_names_an_item(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "x", "u", "u/ann", "f/a/", "f//b", "/f/a/b", "g/a/b", "F/a/b", "f/a/.", "f/a/..", "f/../b", "f/./b",
        "f/a/b/", "f/a/b c", "f/a/b\n", "f/a/b.py", "f/a/..b", "f/a\n/b", "f/a/\u00e9", "f/a/b\u202e", "f/a/b\0",
        "f/a/%2e%2e", "f\\a\\b", "f/a/" + "x" * MAX_PATH,
    ],
)  # fmt: skip
def test_what_names_no_item_is_refused(path: str) -> None:
    with pytest.raises(BadRequest, match="path"):
        check_path(path)


def test_the_longest_path_is_taken() -> None:
    path = "f/a/".ljust(MAX_PATH, "x")
    assert check_path(path) == path
