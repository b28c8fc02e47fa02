"""Which values of the arguments are secret."""

from typing import Any

import pytest

from postmill.language.secret_arguments import secret_values

PASSWORD = {"type": "string", "password": True}


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        (PASSWORD, "a", ["a"]),
        ({"type": "string", "sensitive": True}, "a", ["a"]),
        ({"type": "string", "format": "password"}, "a", ["a"]),
        ({"type": "string", "password": False}, "a", []),
        ({"type": "string"}, "a", []),
        (PASSWORD, None, []),
        ({"password": True}, {"user": "a", "more": ["b", 12345678, True, None]}, ["a", "b", "12345678"]),
        ({"type": "object", "properties": {"key": PASSWORD, "name": {}}}, {"key": "a", "name": "b"}, ["a"]),
        ({"type": "object", "additionalProperties": PASSWORD}, {"one": "a", "two": "b"}, ["a", "b"]),
        ({"type": "array", "items": PASSWORD}, ["a", "b"], ["a", "b"]),
        ({"oneOf": [{"type": "integer"}, PASSWORD]}, "a", ["a"]),
        ({"anyOf": [{"type": "object", "properties": {"key": PASSWORD}}]}, {"key": "a"}, ["a"]),
        ("nonsense", "a", []),
        ({"properties": [], "items": 1, "oneOf": {}}, {"a": ["b"]}, []),
    ],
)
def test_what_stands_below_a_password_is_secret(field: Any, value: Any, found: list[str]) -> None:
    assert list(secret_values({"properties": {"x": field}}, {"x": value})) == found


def test_a_schema_that_nests_for_ever_ends() -> None:
    schema: dict[str, Any] = {}
    schema["items"] = schema
    value: list[Any] = []
    for _ in range(100):
        value = [value]
    assert list(secret_values(schema, value)) == []
