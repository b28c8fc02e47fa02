"""From an outcome to the job's result: with what was streamed, and as the result's own words to the platform ask.

Pure.
"""

import json
from dataclasses import replace

from postmill.executors.contract import Outcome
from postmill.model import result_keys
from postmill.model.job import Result, failure
from postmill.model.json_text import raw_members
from postmill.worker.mask import Mask

_CUT = "…"


def result_of(outcome: Outcome, streamed: str | None, max_result: int) -> tuple[Result, list[str]]:
    """The result, and what the log is to say of it. `streamed` is None when nothing was streamed."""
    text = outcome.result
    if not outcome.ok:
        return _result(outcome, text), []
    if streamed is not None:
        text = _with_stream(text, streamed)
        if len(text.encode("utf-8", "replace")) > max_result:
            failed = too_long(outcome, max_result)
            return _result(failed, failed.result), []
    members = result_keys.members(text)
    labels = result_keys.labels(members)
    notes = [labels.problem] if labels.problem else []
    said = result_keys.failure_of(members)
    if said is not None:
        error = json.dumps({"name": "Failure", "message": said, "stack": ""})
        text = result_keys.with_member(text, "error", error)
        return replace(_result(replace(outcome, ok=False), text), labels=labels.taken), notes
    return replace(_result(outcome, text), labels=labels.taken), notes


def too_long(outcome: Outcome, max_result: int) -> Outcome:
    """The failure of a job that streamed more than a result may have; another failure stays what it is."""
    if not outcome.ok:
        return outcome
    message = f"what was streamed is, as a result, over {max_result} bytes (POSTMILL_MAX_RESULT)"
    return replace(outcome, ok=False, result=failure("ResultTooLarge", message), end_reason="result_limit")


def _result(outcome: Outcome, text: str) -> Result:
    return Result(
        status="success" if outcome.ok else "failure",
        result=text,
        end_reason=outcome.end_reason,
        memory_peak=outcome.memory_peak,
    )


def _with_stream(text: str, streamed: str) -> str:
    """Null becomes what was streamed, an object gets it as `wm_stream`, any other result stays as it is."""
    said = json.dumps(streamed, ensure_ascii=False)
    if text == "null":
        return said
    if text.lstrip(" \t\r\n").startswith("{") and "wm_stream" not in raw_members(text):
        return result_keys.with_member(text, "wm_stream", said)
    return text


def masked_error(outcome: Outcome, secrets: tuple[str, ...]) -> Outcome:
    """The same failure without the secrets: its message may hold lines of the output."""
    if outcome.ok or not secrets:
        return outcome
    error = json.loads(outcome.result)["error"]
    name, message, stack = (_masked(error[key], secrets) for key in ("name", "message", "stack"))
    return replace(outcome, result=failure(name, message, stack))


def _masked(text: str, secrets: tuple[str, ...]) -> str:
    mask = Mask(secrets)
    # A text that was cut may end within a secret.
    end = _CUT if text.endswith(_CUT) else ""
    return mask.feed(text.removesuffix(end)) + mask.flush() + end
