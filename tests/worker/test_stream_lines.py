"""What is streamed is taken out of the log, exactly, wherever the output is split."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmill.worker.stream_lines import EXACT, MARK, StreamLines


def read(*pieces: str) -> tuple[str, list[str]]:
    lines = StreamLines()
    log, found = "", list[str]()
    for piece in pieces:
        text, more = lines.feed(piece)
        log, found = log + text, found + more
    text, more = lines.end()
    return log + text, found + more


@pytest.mark.parametrize(
    ("output", "log", "streamed"),
    [
        ("one\ntwo\n", "one\ntwo\n", []),
        ("WM_STREAM: a\n", "", ["a"]),
        ("WM_STREAM: a", "", ["a"]),
        ("WM_STREAM: a\r\n", "", ["a"]),
        ("WM_STREAM: \n", "", [""]),
        ("WM_STREAM: two\\nlines\\n\n", "", ["two\nlines\n"]),
        ("one\nWM_STREAM: a\nWM_STREAM: b\ntwo\n", "one\ntwo\n", ["a", "b"]),
        ("one WM_STREAM: a\n", "one WM_STREAM: a\n", []),
        ("WM_STREAM:a\nWM_STREAM\n WM_STREAM: b\n", "WM_STREAM:a\nWM_STREAM\n WM_STREAM: b\n", []),
        ("WM_STREAM: WM_STREAM: a\n", "", ["WM_STREAM: a"]),
        ('not ended\x1eWM_STREAM: "a\\\\n"\n yet\n', "not ended yet\n", ["a\\n"]),
        ('not ended\x1eWM_STREAM: "a"\nWM_STREAM: b\n yet\n', "not ended yet\n", ["a", "b"]),
        ("\x1eWM_STREAM: no JSON\n", "", ["no JSON"]),
        ("\x1eWM_STREAM: [1]\n", "", ["[1]"]),
        ("\x1e other\n\x1e", "\x1e other\n\x1e", []),
        ('\x1eWM_STREAM: "\\ud800"\n', "", ["?"]),
    ],
)
def test_marked_lines_are_streamed_and_all_others_are_log(output: str, log: str, streamed: list[str]) -> None:
    assert read(output) == (log, streamed)
    assert read(*output) == (log, streamed)


def test_the_beginning_of_a_mark_is_log_when_nothing_follows() -> None:
    lines = StreamLines()
    assert lines.feed("What?\nW") == ("What?\n", [])
    assert lines.holds
    assert lines.flush() == "W"
    assert lines.feed("M_STREAM: a\n") == ("M_STREAM: a\n", [])
    assert lines.feed("WM_STREAM: b\n") == ("", ["b"])


def test_a_marked_line_waits_for_its_end() -> None:
    lines = StreamLines()
    assert lines.feed("WM_STREAM: a") == ("", [])
    assert (lines.holds, lines.waiting, lines.flush()) == (False, len(MARK) + 1, "")
    assert lines.feed("b") == ("", [])
    assert lines.feed("c\nlog") == ("log", ["abc"])
    assert lines.waiting == 0


@settings(deadline=None, database=None)
@given(
    output=st.lists(
        st.one_of(
            st.text(max_size=20).map(lambda text: ("log", text.replace("\x1e", ""))),
            st.text(max_size=20).map(lambda text: ("exact", text)),
        ),
        max_size=10,
    ),
    places=st.lists(st.integers(0, 500), max_size=20),
)
def test_what_the_runner_streams_arrives_exactly_however_it_is_split(
    output: list[tuple[str, str]], places: list[int]
) -> None:
    text = "".join(item if kind == "log" else f"{EXACT}{json.dumps(item)}\n" for kind, item in output)
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    log, streamed = read(*(text[start:stop] for start, stop in itertools.pairwise(edges)))
    assert log == "".join(item for kind, item in output if kind == "log")
    assert streamed == [item for kind, item in output if kind == "exact"]
