"""Sizes, and what becomes of what a script asks for."""

import pytest

from postmill.model.options import NETWORKS, Network, Options, print_size, read_size, stricter, too_weak


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("17", 17), ("17B", 17), ("1kb", 1024), ("3 MB", 3 * 1024**2), ("2GB", 2 * 1024**3), (" 5KB ", 5120)],
)
def test_a_size_is_bytes_or_has_a_unit(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "1.5GB", "1TB", "-1", "1 M B", "٣", "9" * 30])
def test_what_is_no_size_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        read_size(text)


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 512 * 1024**2, 2 * 1024**3, 2 * 1024**3 + 1])
def test_a_printed_size_is_read_as_the_same(size: int) -> None:
    assert read_size(print_size(size)) == size


def test_the_stricter_network_lets_less_through() -> None:
    order: list[Network] = ["host", "filtered", "none"]
    assert list(NETWORKS) == order
    assert [stricter(one, other) for one in order for other in order] == [
        "host", "filtered", "none", "filtered", "filtered", "none", "none", "none", "none",
    ]  # fmt: skip


def test_options_within_bounds_are_never_above_them() -> None:
    bounds = Options(memory=100, pids=10, network="filtered")
    found = Options(memory=200, pids=5, files=7, network="host").within(bounds)
    assert found == Options(memory=100, pids=5, files=7, network="filtered")
    assert Options().within(bounds) == bounds
    assert Options(network="none").within(bounds).network == "none"


@pytest.mark.parametrize(
    ("level", "minimum", "weak"),
    [("L3", "L3", False), ("L3", "L0", False), ("L1", "L2", True), ("", "L0", True), ("L0", None, False)],
)
def test_a_level_below_the_minimum_is_too_weak(level: str, minimum: str | None, weak: bool) -> None:
    told = too_weak(level, minimum)
    assert bool(told) == weak
    assert not weak or f"and this instance demands {minimum} (POSTMILL_MIN_ISOLATION)" in told
