"""From an outcome to a result: what was streamed, and what the result says to the platform."""

import json

import pytest

from postmill.executors.contract import Outcome
from postmill.model.job import Result, failure
from postmill.model.result_keys import MAX_LABELS
from postmill.worker.ending import masked_error, result_of, too_long

LIMIT = 10_000


def ended(result: str, streamed: str | None = None, *, ok: bool = True) -> tuple[Result, list[str]]:
    return result_of(Outcome(ok=ok, result=result, memory_peak=7), streamed, LIMIT)


@pytest.mark.parametrize(
    ("result", "streamed", "whole"),
    [
        ("1", None, "1"),
        ("null", None, "null"),
        ("null", 'one "two"\n', '"one \\"two\\"\\n"'),
        ("null", "", '""'),
        ('{"a": 1.10}', "text", '{"a":1.10,"wm_stream":"text"}'),
        ("{}", "text", '{"wm_stream":"text"}'),
        ('{"wm_stream": 1}', "text", '{"wm_stream": 1}'),
        ("[1.10]", "text", "[1.10]"),
        ('"own"', "text", '"own"'),
    ],
)
def test_what_was_streamed_is_in_the_result(result: str, streamed: str | None, whole: str) -> None:
    assert ended(result, streamed) == (Result(status="success", result=whole, memory_peak=7), [])


def test_a_failure_keeps_its_error_whatever_was_streamed() -> None:
    error = failure("ValueError", "no")
    assert ended(error, "text", ok=False) == (Result(status="failure", result=error, memory_peak=7), [])


def test_a_stream_too_long_for_a_result_is_a_failure_that_names_the_limit() -> None:
    result, _ = ended("null", "\n" * (LIMIT // 2))
    assert (result.status, result.end_reason) == ("failure", "result_limit")
    assert "POSTMILL_MAX_RESULT" in result.result
    killed = Outcome(ok=False, result=failure("Timeout", "too long"), end_reason="timeout")
    assert too_long(killed, LIMIT) is killed


def test_labels_are_taken_from_the_result_once_each_in_their_order() -> None:
    result, notes = ended('{"wm_labels": ["b", "a"], "x": 1}')
    assert (result.labels, notes) == (("b", "a"), [])
    assert result.result == '{"wm_labels": ["b", "a"], "x": 1}'


@pytest.mark.parametrize(
    ("labels", "taken", "words"),
    [
        ('"one"', 0, "expected a list of texts"),
        ('["ok", 1, null, "", "a\\u0000", "' + "x" * 101 + '"]', 1, "1 of 6 labels were added"),
        (json.dumps([str(number) for number in range(MAX_LABELS + 1)]), MAX_LABELS, "20 of 21 labels"),
        ('["a", "a"]', 1, "1 of 2 labels"),
        ("[" + "9" * 5000 + "]", 0, "0 of 1 labels"),
    ],
)
def test_labels_that_cannot_be_taken_are_told_in_the_log(labels: str, taken: int, words: str) -> None:
    result, [note] = ended(f'{{"wm_labels": {labels}}}')
    assert (result.status, len(result.labels)) == ("success", taken)
    assert words in note


def test_a_result_can_declare_its_job_failed_and_keeps_its_members() -> None:
    result, _ = ended('{"wm_failure": "out of stock", "wm_labels": ["shop"], "left": 1.10, "error": "mine"}')
    assert (result.status, result.end_reason, result.labels) == ("failure", None, ("shop",))
    assert json.loads(result.result) == {
        "wm_failure": "out of stock",
        "wm_labels": ["shop"],
        "left": 1.1,
        "error": {"name": "Failure", "message": "out of stock", "stack": ""},
    }
    assert '"left":1.10' in result.result


@pytest.mark.parametrize("said", ["null", "false", '""'])
def test_a_failure_that_says_nothing_is_none(said: str) -> None:
    assert ended(f'{{"wm_failure": {said}}}')[0].status == "success"


@pytest.mark.parametrize(
    "result", ['"wm_failure"', '["wm_failure"]', '{"a": {"wm_failure": "no"}}', '{"a": "\\"wm_failure\\""}', "1"]
)
def test_only_members_of_the_result_itself_count(result: str) -> None:
    assert ended(result)[0] == Result(status="success", result=result, memory_peak=7)


def test_an_error_is_masked_also_where_it_was_cut() -> None:
    secret = "sesame-open"
    outcome = Outcome(
        ok=False, result=failure("ExecutionError", f"exit code 1\nkey {secret} and {secret[:9]}…", secret)
    )
    error = json.loads(masked_error(outcome, (secret,)).result)["error"]
    assert error == {
        "name": "ExecutionError",
        "message": "exit code 1\nkey ses******** and ses******…",
        "stack": "ses********",
    }
    assert masked_error(outcome, ()) is outcome
