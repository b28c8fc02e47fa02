"""Members of a result that say something to the platform: `wm_…`, and those of `windmill_…` that mean the same."""

import json
from dataclasses import dataclass
from typing import Any

from postmill.model.errors import BadRequest
from postmill.model.json_text import raw_members

MAX_LABELS = 20
MAX_LABEL = 100
"""Characters."""
_MARKS = ('"wm_', '"windmill_')


def may_have_keys(text: str) -> bool:
    """A cheap look: False says for sure that the result is no object with such members."""
    return text.lstrip(" \t\r\n").startswith("{") and any(mark in text for mark in _MARKS)


def members(text: str) -> dict[str, str]:
    """The members of a result, each as its JSON text; none of what is no object."""
    try:
        return raw_members(text) if may_have_keys(text) else {}
    except BadRequest:
        return {}


@dataclass(frozen=True, slots=True)
class Labels:
    """`wm_labels` as far as they can be taken, and what is to be said of the rest ("" when there is none)."""

    taken: tuple[str, ...] = ()
    problem: str = ""


def labels(found: dict[str, str]) -> Labels:
    """The labels that a result gives to its job."""
    if "wm_labels" not in found:
        return Labels()
    asked = _read(found["wm_labels"])
    if not isinstance(asked, list):
        return Labels(problem="wm_labels: expected a list of texts; no label was added")
    good = [label for label in asked if isinstance(label, str) and 0 < len(label) <= MAX_LABEL and _storable(label)]
    distinct = tuple(dict.fromkeys(good))[:MAX_LABELS]
    if len(distinct) == len(asked):
        return Labels(distinct)
    return Labels(distinct, f"wm_labels: {len(distinct)} of {len(asked)} labels were added; {_RULE}")


_RULE = f"a job takes {MAX_LABELS} different ones, each a text of 1 to {MAX_LABEL} characters"


def _storable(label: str) -> bool:
    return "\0" not in label and label.isprintable()


def failure_of(found: dict[str, str]) -> str | None:
    """The message with which a result declares its job failed."""
    raw = found.get("wm_failure", "null")
    said = _read(raw)
    if said in (None, False, ""):
        return None
    return said if isinstance(said, str) else raw


def _read(text: str) -> Any:
    # No number here means anything; one of 5,000 digits is none that Python reads as an integer.
    return json.loads(text, parse_int=float)


def with_member(text: str, name: str, value: str) -> str:
    """The object with one more member, the last one; `value` is JSON text. The text of the others stays."""
    kept = {key: member for key, member in raw_members(text).items() if key != name}
    return "{" + ",".join(f"{json.dumps(key)}:{member}" for key, member in [*kept.items(), (name, value)]) + "}"
