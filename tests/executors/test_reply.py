"""Replies from an enemy."""

from typing import get_args

import pytest

from postmill.executors import reply
from postmill.executors.bash import Bash
from postmill.executors.contract import Ended, EndReason, Limits, Task
from postmill.executors.python import Python

_PYTHON, _BASH = Python(), Bash()


def ended(content: bytes, exit_code: int = 0, stdout: bytes = b"") -> Ended:
    return Ended(reason="exited", exit_code=exit_code, reply=content, tail=stdout, stdout=stdout, duration=0.0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the script ended without a result (exit code 0)"),
        (b"X1", "the script ended without a result (exit code 0)"),
        (b"R", "the result is not JSON"),
        (b"R{", "the result is not JSON"),
        (b'R{"a": NaN}', "NaN is no JSON number"),
        (b"R-Infinity", "-Infinity is no JSON number"),
        (b'R"\xff"', "the result is not JSON"),
        (b"R1 2", "the result is not JSON"),
        (b'R"a\nb"', "the result is not JSON"),
        (b"R1\0", "the result is not JSON"),
        (b"R" + b"[" * 100_000, "nested deeper than 500"),
        (b"R" + b"[" * 501 + b"]" * 501, "nested deeper than 500"),
        (b"R" + b'{"a":' * 501 + b"1" + b"}" * 501, "nested deeper than 500"),
        (b"E[]", "the error is not an object"),
        (b'E{"name": 1}', "the error does not consist of texts"),
        (b"E{", "the error is not JSON"),
    ],
)
def test_a_reply_that_is_none_is_a_clear_failure(content: bytes, says: str) -> None:
    outcome = _PYTHON.outcome(Task("python3", ""), Limits(), ended(content))
    assert not outcome.ok
    assert says in outcome.result


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 500 + b"]" * 500,
        b'["' + b"[" * 10_000 + b'"]',
        b'["\\"[", "' + b"{" * 10_000 + b'\\\\"]',
        b"[" + b"[]," * 10_000 + b"{}]",
        b"1" * 100_000,
        b"1e999999",
        b'"\\u0000\\ud800"',
        b'{"a": 1, "a": 2}',
    ],
)
def test_a_reply_that_is_json_passes_as_it_is(content: bytes) -> None:
    outcome = _PYTHON.outcome(Task("python3", ""), Limits(), ended(b"R" + content))
    assert outcome.ok, outcome.result[:200]
    assert outcome.result == content.decode()


def test_an_error_of_any_length_is_cut() -> None:
    content = b'E{"name": "%s", "message": "%s", "stack": "%s"}' % (b"n" * 10**6, b"m" * 10**6, b"s" * 10**6)
    outcome = _PYTHON.outcome(Task("python3", ""), Limits(), ended(content))
    assert len(outcome.result) < 200_000


@pytest.mark.parametrize("content", [b"", b"L", b"0", b"0 X\n", b"abc L\n", b"99999 L\n", b"\xff\xff L\n"])
def test_a_reply_that_is_not_the_wrappers_is_a_clear_failure(content: bytes) -> None:
    outcome = _BASH.outcome(Task("bash", ""), Limits(), ended(content, -9))
    assert "ended without a result (signal SIGKILL" in outcome.result


def test_every_way_to_be_killed_has_a_name() -> None:
    for reason in get_args(EndReason):
        if reason == "exited":
            continue
        killed = Ended(reason=reason, exit_code=-9, reply=b"R1", tail=b"", duration=0.0)
        for executor in (_PYTHON, _BASH):
            outcome = executor.outcome(Task(executor.language, ""), Limits(), killed)
            assert (outcome.ok, outcome.end_reason) == (False, reason)


def test_sizes_are_told_exactly() -> None:
    assert [reply.size(number) for number in (0, 1000, 1024, 1025, 32 * 1024**2, 2 * 1024**3)] == [
        "0 bytes",
        "1000 bytes",
        "1 kB",
        "1025 bytes",
        "32 MB",
        "2 GB",
    ]
