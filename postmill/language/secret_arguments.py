"""Which values of a job's arguments are secret: those of fields that the schema calls passwords."""

from collections.abc import Iterator
from typing import Any

from postmill.language.schema import MAX_DEPTH


def secret_values(schema: Any, value: Any, depth: int = 0) -> Iterator[str]:
    """Every text below a field with `password`, `sensitive` or the format `password`, in objects and lists too."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return
    if schema.get("password") is True or schema.get("sensitive") is True or schema.get("format") == "password":
        yield from _texts(value)
        return
    for choice in [*_list(schema.get("oneOf")), *_list(schema.get("anyOf"))]:
        yield from secret_values(choice, value, depth + 1)
    if isinstance(value, dict):
        properties = schema.get("properties")
        others = schema.get("additionalProperties")
        for name, item in value.items():
            rule = properties.get(name, others) if isinstance(properties, dict) else others
            yield from secret_values(rule, item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from secret_values(schema.get("items"), item, depth + 1)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> Iterator[str]:
    """Arguments are not nested deeper than the API lets through."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
