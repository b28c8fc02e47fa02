"""Arguments against a schema."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmill.language import LANGUAGES, signature
from postmill.language.schema import MAX_PROBLEMS, check_arguments, unknown_arguments


def _check(rule: Any, value: Any) -> list[str]:
    return check_arguments({"properties": {"x": rule}, "required": ["x"]}, {"x": value}, False)


_TREE = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}, "required": ["a"]}


_FITS: list[tuple[Any, Any]] = [
    ({}, {"anything": [1]}),
    ({}, None),
    ({"type": "string"}, ""),
    ({"type": "integer"}, 3),
    ({"type": "integer"}, 3.0),
    ({"type": "integer"}, 10**400),
    ({"type": "number"}, 3),
    ({"type": "boolean"}, False),
    ({"type": "null"}, None),
    ({"type": ["integer", "null"]}, None),
    ({"type": "string", "nullable": True}, None),
    ({"type": "strange"}, 1),
    ({"type": "string", "enum": ["a", "b"]}, "b"),
    ({"enum": [1, None, [2]]}, [2]),
    ({"type": "string", "format": "date"}, "2024-02-29"),
    ({"type": "string", "format": "date-time"}, "2024-02-29T10:00:00Z"),
    ({"type": "string", "format": "date-time"}, "2024-02-29T10:00:00.5+01:00"),
    ({"type": "string", "format": "time"}, "10:30"),
    ({"type": "string", "format": "email"}, "not looked at"),
    ({"type": "string", "contentEncoding": "base64"}, "YWJj\nYQ=="),
    ({"type": "object", "format": "resource-postgresql"}, "$res:f/data/main"),
    ({"type": "integer"}, "$var:u/ada/limit"),
    ({"type": "object", "format": "dynselect-city"}, "Berlin"),
    (_TREE, {"a": [1, 2], "more": 1}),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, {"b": 1}),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 3),
    ({"anyOf": [{"type": "integer"}, _TREE]}, {"a": []}),
    ({"type": "integer", "minimum": 1, "maximum": 3}, 3),
    ({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 3}, 1.5),
    ({"type": "number", "multipleOf": 0.1}, 0.3),
    ({"type": "integer", "multipleOf": 5}, -10),
    ({"type": "string", "minLength": 2, "maxLength": 3}, "äöü"),
    ({"type": "array", "minItems": 1, "maxItems": 2}, [1, 2]),
    ({"type": "string", "pattern": "^[a-z]+$"}, "abc"),
    # Keywords from outside that make no sense are passed over.
    ({"minimum": "1", "enum": 3, "oneOf": [1], "pattern": 3, "multipleOf": 0, "maxLength": None}, 3),
    ("no rule", 3),
    ({"$ref": "https://example.com/schema"}, 3),
]


def test_a_value_that_fits_has_no_problem() -> None:
    for rule, value in _FITS:
        assert (rule, _check(rule, value)) == (rule, [])


_PROBLEMS: list[tuple[Any, Any, str]] = [
    ({"type": "integer"}, "x", "x: expected a whole number, got text 'x'"),
    ({"type": "integer"}, 3.5, "x: expected a whole number, got the number 3.5"),
    ({"type": "integer"}, True, "x: expected a whole number, got true"),
    ({"type": "number"}, float("nan"), "x: expected a number, got the number nan"),
    ({"type": "number"}, [], "x: expected a number, got a list"),
    ({"type": "string"}, 3, "x: expected text, got the number 3"),
    ({"type": "string"}, None, "x: expected text, got null"),
    ({"type": "string"}, {}, "x: expected text, got an object"),
    ({"type": "boolean"}, 0, "x: expected true or false, got the number 0"),
    ({"type": ["integer", "null"]}, "a", "x: expected a whole number or null, got text 'a'"),
    ({"type": "object", "format": "resource-pg"}, "f/a/b", "x: expected an object, got text 'f/a/b'"),
    ({"type": "string", "enum": ["a", "b"]}, "c", "x: expected one of 'a', 'b', got text 'c'"),
    ({"enum": [1]}, True, "x: expected one of 1, got true"),
    (
        {"type": "string", "format": "date"},
        "2024-02-30",
        "x: expected a date such as 2024-05-31, got text '2024-02-30'",
    ),
    ({"type": "string", "format": "time"}, "25:00", "x: expected a time such as 10:30, got text '25:00'"),
    ({"type": "string", "contentEncoding": "base64"}, "ä", "x: expected bytes as base64, got text 'ä'"),
    (_TREE, {"a": [1, "b"]}, "x.a[1]: expected a whole number, got text 'b'"),
    (_TREE, {}, "x.a: is missing"),
    (_TREE, {"a": None}, "x.a: expected a list, got null"),
    (
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"b": "c"},
        "x.b: expected a whole number, got text 'c'",
    ),
    (
        {"type": "object", "additionalProperties": False},
        {"b": 1},
        "x.b: is not a field of this object",
    ),
    (
        {"oneOf": [{"type": "integer"}, {"type": "object", "title": "Order"}]},
        "a",
        "x: fits none of the choices (integer, Order)",
    ),
    ({"type": "integer", "minimum": 1}, 0, "x: must be at least 1, got the number 0"),
    ({"type": "integer", "maximum": 1}, 2, "x: must be at most 1, got the number 2"),
    ({"type": "number", "exclusiveMinimum": 1}, 1, "x: must be more than 1, got the number 1"),
    ({"type": "number", "exclusiveMaximum": 1}, 1, "x: must be less than 1, got the number 1"),
    ({"type": "integer", "multipleOf": 5}, 7, "x: must be a multiple of 5, got the number 7"),
    ({"type": "string", "minLength": 2}, "a", "x: needs at least 2 characters, has 1"),
    ({"type": "array", "maxItems": 1}, [1, 2], "x: may have at most 1 items, has 2"),
    ({"type": "string", "pattern": "^a+$"}, "b", "x: expected text that matches '^a+$', got text 'b'"),
    ({"type": "string", "pattern": "^a", "patternError": "an A"}, "b", "x: expected an A, got text 'b'"),
    (
        {"type": "string", "pattern": "(a)\\1"},
        "aa",
        "x: its pattern cannot be checked: backreferences are not supported",
    ),
    (
        {"type": "string", "pattern": "a" * 1001},
        "a",
        "x: its pattern cannot be checked: it has 1001 characters, the limit is 1000",
    ),
    (
        {"type": "integer", "password": True},
        "secret",
        "x: expected a whole number, got text that is not shown",
    ),
]


def test_a_problem_is_told_in_words_with_its_path() -> None:
    for rule, value, problem in _PROBLEMS:
        assert _check(rule, value) == [problem]


def test_every_problem_is_told() -> None:
    schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a", "b", "c"]}
    assert check_arguments(schema, {"a": "x", "b": 1}, False) == [
        "c: is missing",
        "a: expected a whole number, got text 'x'",
        "b: expected text, got the number 1",
    ]


def test_null_is_taken_for_what_is_not_required() -> None:
    schema = {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["b"]}
    assert check_arguments(schema, {"a": None, "b": None}, False) == ["b: expected a whole number, got null"]


def test_unknown_names_are_a_problem_only_when_strict() -> None:
    schema: dict[str, Any] = {"properties": {"a": {}}}
    arguments = {"a": 1, "b": 2, "\ud800": 3}
    assert unknown_arguments(schema, arguments) == ["b", "\ud800"]
    assert check_arguments(schema, arguments, False) == []
    told = check_arguments(schema, arguments, True)
    assert told[0] == "b: the script has no such argument"
    "\n".join(told).encode()


def test_the_list_of_problems_is_bounded() -> None:
    rule = {"type": "array", "items": {"type": "integer"}}
    assert len(_check(rule, ["a"] * 100_000)) == MAX_PROBLEMS


def test_a_schema_nested_without_end_is_bounded() -> None:
    rule: dict[str, Any] = {"type": "integer"}
    value: Any = 1
    for _ in range(500):
        rule, value = {"type": "array", "items": rule}, [value]
    (problem,) = _check(rule, value)
    assert problem.endswith("the schema is nested more than 32 levels deep")


def test_a_long_value_is_not_repeated_whole() -> None:
    (problem,) = _check({"type": "integer"}, "a" * 1_000_000)
    assert len(problem) < 200


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_WORDS = st.sampled_from(
    "type properties required items enum oneOf minimum multipleOf pattern format maxLength nullable a b".split()
)
_RULES = st.dictionaries(_WORDS, _JSON | st.sampled_from(["string", "object", "array", "integer"]), max_size=5)


@settings(max_examples=40, deadline=None, database=None)
@given(_RULES, _RULES, st.dictionaries(_WORDS, _JSON, max_size=3), st.booleans())
def test_no_schema_and_no_arguments_make_the_check_raise(
    schema: dict[str, Any], rule: dict[str, Any], args: dict[str, Any], strict: bool
) -> None:
    for problem in check_arguments(schema, args, strict):
        problem.encode()
    check_arguments({**schema, "properties": {"a": rule, "b": {"items": rule}}}, args, strict)


def test_what_a_signature_gives_is_what_the_check_takes() -> None:
    source = (
        "from typing import Annotated\ndef main(n: Annotated[int, Field(ge=1)], when: datetime.date, s: str = 'a'): ..."
    )
    schema = signature("python3", "import datetime\nfrom pydantic import Field\n" + source).schema
    assert check_arguments(schema, {"n": 1, "when": "2024-01-01"}, True) == []
    assert check_arguments(schema, {"n": 0, "s": None}, True) == [
        "when: is missing",
        "n: must be at least 1, got the number 0",
    ]


def test_every_language_is_read_by_its_name() -> None:
    assert LANGUAGES == ("python3", "bash")
    assert signature("python3", "def main(a): ...").schema["order"] == ["a"]
    assert signature("python3", "def other(a): ...", "other").has_main
    assert signature("bash", "a=$1").schema["order"] == ["a"]
    for language in LANGUAGES:
        json.dumps(signature(language, "").schema)
    with pytest.raises(KeyError):
        signature("cobol", "")
