"""Patterns of a schema: found anywhere, in linear time, and never skipped in silence."""

import pytest

from postmill.language.pattern import MAX_PATTERN, PatternError, matches

FOUND = [
    ("b", "abc"),
    ("^[a-z]+$", "abc"),
    (r"^\d{3}-\d{4}$", "555-1234"),
    (r"(?i)^ABC$", "abc"),
    (r"^\w+@\w+\.com$", "ann@example.com"),
    ("^(?P<year>[0-9]{4})$", "2026"),
    ("é|ß", "Straße"),
    ("", "anything"),
    ("a", "a\ud800"),
]
NOT_FOUND = [("^b", "abc"), (r"^\d+$", "12a"), ("^$", "x"), (r"\bcat\b", "concatenate")]
REFUSED = ["(?=a)b", "(?<!a)b", r"(a)\1", "(", "[z-a]", "a" * (MAX_PATTERN + 1), "(a{1000}){1000}"]
HOSTILE = ["^(a+)+$", "^(a|aa)+$", "^(a|a?)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$"]


@pytest.mark.parametrize(("pattern", "text"), FOUND)
def test_a_pattern_is_found_anywhere_unless_it_is_tied_down(pattern: str, text: str) -> None:
    assert matches(pattern, text)


@pytest.mark.parametrize(("pattern", "text"), NOT_FOUND)
def test_what_does_not_match_does_not(pattern: str, text: str) -> None:
    assert not matches(pattern, text)


@pytest.mark.parametrize("pattern", REFUSED)
def test_a_pattern_that_cannot_be_matched_says_why(pattern: str) -> None:
    with pytest.raises(PatternError, match=r"\w"):
        matches(pattern, "a")


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_pattern_holds_the_server(pattern: str) -> None:
    """With backtracking each of these takes longer than the sun will last."""
    assert not matches(pattern, "a" * 100_000 + "!")
