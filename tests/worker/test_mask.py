"""Masking: a secret is not in the log, however it is written and wherever it is split."""

import ast
import base64
import html
import itertools
import json
import shlex
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmill.worker.mask import Mask, written_forms

PASSWORD = 'p@ss/w"ö\\r d+€&<x>'
ENCODERS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 in the middle": lambda text: base64.b64encode(f"a{text}z".encode()).decode(),
    "base64 further on": lambda text: base64.b64encode(f"ab{text}yz".encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(f"abc{text}".encode()).decode(),
    "percent": quote,
    "percent, all of it": lambda text: quote(text, safe=""),
    "percent with plus": quote_plus,
    "percent, small letters": lambda text: _small(quote(text, safe="")),
    "JSON": json.dumps,
    "JSON with its letters": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON with escaped slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON within JSON": lambda text: json.dumps({"body": json.dumps({"password": text})}),
    "Python": repr,
    "a shell": shlex.quote,
    "HTML": html.escape,
}
# Letters that encoders change, and ones that they do not. What belongs to no text is replaced before it is masked.
SECRETS = st.text(
    st.one_of(
        st.sampled_from("abcABC019/+-_=\"'\\ %&<>\n\téß€😀"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    min_size=8,
    max_size=60,
).filter(lambda text: len(set(text)) > 1)


def _small(encoded: str) -> str:
    parts = encoded.split("%")
    return parts[0] + "".join(f"%{part[:2].lower()}{part[2:]}" for part in parts[1:])


def masked(secrets: Iterable[str], pieces: Iterable[str]) -> str:
    mask = Mask(secrets)
    return "".join(map(mask.feed, pieces)) + mask.flush()


def cut(text: str, places: Iterable[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:stop] for start, stop in itertools.pairwise(edges)]


@pytest.mark.parametrize("name", ENCODERS)
def test_a_secret_is_masked_in_every_way_it_is_written(name: str) -> None:
    written = ENCODERS[name](PASSWORD)
    shown = masked([PASSWORD], [f"before {written} after\n"])
    assert written not in shown
    assert shown.startswith("before ") and shown.endswith(" after\n")
    assert shown.count("*") >= len(PASSWORD) - 5


def test_the_first_three_characters_stay() -> None:
    assert masked(["sesame-open"], ["say sesame-open!\n"]) == "say ses********!\n"


def test_what_is_short_or_only_repeats_is_not_masked() -> None:
    text = "1234567 --------- 12345678\n"
    assert masked(["1234567", "---------"], [text]) == text


def test_ordinary_text_stays_as_it_is_and_is_not_held_back() -> None:
    mask = Mask([PASSWORD, "sesame-open"])
    assert mask.feed("an open door, and a sesame seed\n") == "an open door, and a sesame seed\n"
    assert not mask.holds


def test_a_prompt_that_begins_like_a_secret_is_shown_at_once_up_to_three_characters() -> None:
    mask = Mask(["sesame-open"])
    assert mask.feed("yes") == "yes"
    assert mask.feed("say ses") == "say ses"
    assert not mask.holds
    assert mask.feed("am") == ""
    assert mask.holds
    assert mask.flush() == "am"
    assert mask.feed("e seed\n") == "e seed\n"


@pytest.mark.parametrize("told", range(1, 11))
def test_a_secret_that_pauses_after_it_was_given_out_is_masked_all_the_same(told: int) -> None:
    secret = "sesame-open"
    mask = Mask([secret])
    shown = mask.feed(f"> {secret[:told]}") + mask.flush()
    shown += mask.feed(secret[told:] + " <\n") + mask.flush()
    assert shown.startswith("> ses") and shown.endswith(" <\n")
    assert secret not in shown
    assert shown.count("*") >= len(secret) - 7
    assert len(shown) == len(secret) + 5


def test_of_several_lines_each_is_a_secret_and_the_lines_stay() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"
    shown = masked([key], [f"key: {key}again MIIEvQIBADANBgkq and {json.dumps(key)}\n"])
    assert "IEvQ" not in shown and "kiG9" not in shown
    assert shown.count("\n") == 5


def test_secrets_that_overlap_are_both_hidden() -> None:
    assert masked(["abcdefgh", "ghijklmn"], ["abcdef", "ghijklmn\n"]) == "abc*****i*****\n"
    assert masked(["abcdefgh", "abcdefghijkl"], ["abcdefgh", "ijkl abcdefgh\n"]) == "abc********* abc*****\n"


def test_a_secret_of_many_secrets_is_found() -> None:
    secrets = [f"secret-number-{number:04}" for number in range(500)]
    shown = masked(secrets, ["x secret-number-", "0499 y\n"])
    assert shown == "x sec***************" + " y\n"


@settings(deadline=None, database=None, max_examples=300)
@given(
    secrets=st.lists(SECRETS, min_size=1, max_size=3),
    places=st.lists(st.integers(0, 5000), max_size=30),
    name=st.sampled_from(sorted(ENCODERS)),
    around=st.text(max_size=20),
    pauses=st.lists(st.booleans(), min_size=31, max_size=31),
)
def test_no_split_and_no_pause_lets_a_secret_through(
    secrets: list[str], places: list[int], name: str, around: str, pauses: list[bool]
) -> None:
    text = around + "".join(ENCODERS[name](secret) + around for secret in secrets)
    mask = Mask(secrets)
    shown = ""
    for piece, pause in zip(cut(text, places), pauses, strict=False):
        shown += mask.feed(piece)
        shown += mask.flush() if pause else ""
    shown += mask.flush()
    assert len(shown) == len(text)
    for secret in secrets:
        for form in written_forms(secret):
            assert form not in shown or set(form[3:]) <= set("*\r\n")
        encoded = ENCODERS[name](secret)
        assert encoded not in shown or set(encoded[3:]) <= set("*\r\n\"'")
        assert secret not in shown or set(secret[3:]) <= set("*\r\n")


@settings(deadline=None, database=None, max_examples=200)
@given(secret=SECRETS, text=st.text(max_size=200), places=st.lists(st.integers(0, 200), max_size=20))
def test_what_is_no_secret_is_shown_as_it_is(secret: str, text: str, places: list[int]) -> None:
    shown = masked([secret], cut(text, places))
    if not any(form in text for form in written_forms(secret)) and not any(
        form.startswith(text[-length:]) for form in written_forms(secret) for length in range(8, len(text) + 1)
    ):
        assert shown == text


def test_pythons_own_writing_is_one_that_it_reads_again() -> None:
    assert ast.literal_eval(ENCODERS["Python"](PASSWORD)) == PASSWORD
