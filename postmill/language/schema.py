"""What every language's reader answers with, a `Signature`, and the check of a job's arguments against its schema.

The schema is JSON Schema 2020-12 with a few extra keys: `order` (the fields' order), `nullable`, `enumLabels`,
`password`, and the formats `resource-<type>` and `dynselect-<function>`. Schemas may also come from outside (an import,
a resource type), so a keyword whose value makes no sense is passed over, and `$ref` is never followed.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import islice
from typing import Any, TypeGuard

from postmill.language.pattern import PatternError, matches

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MAX_SOURCE = 500_000
"""Characters. A parser needs about a second and 200 MB for the densest source of this length."""

STRICT = ("strict", "schema_validation")
"""Comments at a head that ask for unknown arguments to be refused."""


def object_schema() -> dict[str, Any]:
    """A schema without any argument."""
    return {"$schema": DIALECT, "type": "object", "properties": {}, "required": [], "order": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a script's source says about its arguments. Reading it never runs a line of it."""

    schema: dict[str, Any] = field(default_factory=object_schema)
    has_main: bool = False
    """The entrypoint asked for is defined: without it a script is a library."""
    has_preprocessor: bool = False
    strict: bool = False
    """The comments at the head say `# strict` or `# schema_validation`: unknown arguments are refused."""
    error: str | None = None
    """Why the source cannot be read, with line and column; the schema is then the best that could be read."""
    error_line: int | None = None
    """Counted from 1."""


def head_comments(source: str) -> list[str]:
    """The text of the `#` comments that stand before any code, without `#` and outer blanks."""
    found = []
    position = 0
    while position < len(source):
        end = source.find("\n", position)
        line = source[position : end if end >= 0 else len(source)].strip()
        if line and not line.startswith("#"):
            break
        found.append(line.lstrip("#").strip())
        position = end + 1 if end >= 0 else len(source)
    return found


def is_strict(source: str) -> bool:
    """Whether the head of a `#`-commented source asks for unknown arguments to be refused."""
    return any(comment in STRICT for comment in head_comments(source))


def too_long(source: str) -> str | None:
    """The error of a source that is not worth a parser's time, or None."""
    if len(source) <= MAX_SOURCE:
        return None
    return (
        f"the source is {len(source):,} characters long; arguments are read of sources up to {MAX_SOURCE:,} characters"
    )


def sendable(text: str) -> str:
    """The text with halves of surrogate pairs replaced: those can be neither stored nor sent."""
    return text.encode("utf-8", "replace").decode("utf-8")


MAX_DEPTH = 32
"""Of a schema, in levels of objects, lists and choices."""
MAX_PROBLEMS = 50

_REFERENCES = ("$var:", "$res:", "$jsonvar:", "$encrypted:")
"""A text that begins so stands for a value that only the worker sees: whatever the type, it is taken here."""

# One character class and a bounded tail: linear in the length of the text.
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]*={0,2}\s*\Z")

_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "string": ("text", lambda value: isinstance(value, str)),
    "integer": ("a whole number", lambda value: _is_number(value) and value == math.floor(value)),
    "number": ("a number", lambda value: _is_number(value)),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "object": ("an object", lambda value: isinstance(value, dict)),
    "array": ("a list", lambda value: isinstance(value, list)),
    "null": ("null", lambda value: value is None),
}

_FORMATS: dict[str, tuple[str, Callable[[str], object]]] = {
    "date": ("a date such as 2024-05-31", date.fromisoformat),
    "date-time": ("a date and time such as 2024-05-31T10:00:00Z", datetime.fromisoformat),
    "time": ("a time such as 10:30", time.fromisoformat),
}

_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("at least", lambda value, bound: value >= bound),
    "maximum": ("at most", lambda value, bound: value <= bound),
    "exclusiveMinimum": ("more than", lambda value, bound: value > bound),
    "exclusiveMaximum": ("less than", lambda value, bound: value < bound),
}


def check_arguments(schema: dict[str, Any], args: dict[str, Any], strict: bool) -> list[str]:
    """Every problem of `args` (at most MAX_PROBLEMS), in words that begin with the argument's path.

    `args` is JSON as Python reads it. Null is taken for an argument that is not required or is nullable. Patterns are
    matched in linear time (see `pattern.py`); one that cannot be is a problem of its own, so that no rule is silently
    passed over. Names that the schema does not know are a problem only when `strict`.
    """
    found = list(islice(_object_problems(schema, args, "", 0), MAX_PROBLEMS))
    if strict:
        found += [f"{_join('', name)}: the script has no such argument" for name in unknown_arguments(schema, args)]
    return found[:MAX_PROBLEMS]


def unknown_arguments(schema: dict[str, Any], args: dict[str, Any]) -> list[str]:
    """The names in `args` that the schema does not know, in their order."""
    known = _properties(schema)
    return [name for name in args if name not in known]


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _required(schema: dict[str, Any]) -> list[str]:
    found = schema.get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _object_problems(schema: dict[str, Any], value: dict[str, Any], path: str, depth: int) -> Iterator[str]:
    properties, required = _properties(schema), _required(schema)
    for name in required:
        if name not in value:
            yield f"{_join(path, name)}: is missing"
    others = schema.get("additionalProperties")
    for name, item in value.items():
        rule = properties.get(name, others if depth else None)
        if item is None and name not in required:
            continue
        if isinstance(rule, dict):
            yield from _problems(rule, item, _join(path, name), depth + 1)
        elif rule is False and name not in properties:
            yield f"{_join(path, name)}: is not a field of this object"


def _problems(schema: dict[str, Any], value: Any, path: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        yield f"{path}: the schema is nested more than {MAX_DEPTH} levels deep"
        return
    if (value is None and schema.get("nullable") is True) or _is_reference(value):
        return
    choices = schema.get("oneOf") or schema.get("anyOf")
    if isinstance(choices, list):
        yield from _choice_problems(choices, value, path, depth)
    expected = _expected_type(schema)
    if expected and not any(_TYPES[name][1](value) for name in expected):
        words = " or ".join(_TYPES[name][0] for name in expected)
        yield f"{path}: expected {words}, got {_got(schema, value)}"
        return
    options = schema.get("enum")
    if isinstance(options, list) and not any(_same(value, option) for option in options):
        yield f"{path}: expected one of {_listed(options)}, got {_got(schema, value)}"
    if isinstance(value, str):
        yield from _text_problems(schema, value, path)
    elif isinstance(value, dict):
        yield from _object_problems(schema, value, path, depth)
    elif isinstance(value, list):
        yield from _list_problems(schema, value, path, depth)
    elif _is_number(value):
        yield from _number_problems(schema, value, path)


def _choice_problems(choices: list[Any], value: Any, path: str, depth: int) -> Iterator[str]:
    # One that fits is enough, also for oneOf: the choices come from unions, and 3 is both an int and a float.
    rules = [choice for choice in choices if isinstance(choice, dict)]
    if rules and all(next(_problems(rule, value, path, depth + 1), None) for rule in rules):
        names = [str(rule.get("title") or rule.get("type") or "another form")[:40] for rule in rules[:10]]
        yield f"{path}: fits none of the choices ({', '.join(names)})"


def _expected_type(schema: dict[str, Any]) -> list[str]:
    """The types that the schema allows; none: any."""
    declared = schema.get("type")
    named = schema.get("format")
    # What a dynamic select offers is known only when its function runs.
    if isinstance(named, str) and named.startswith("dynselect-"):
        return []
    names = declared if isinstance(declared, list) else [declared]
    return [name for name in names if isinstance(name, str) and name in _TYPES]


def _text_problems(schema: dict[str, Any], value: str, path: str) -> Iterator[str]:
    yield from _size_problems(schema, len(value), path, "Length", "characters")
    named = schema.get("format")
    if isinstance(named, str) and named in _FORMATS:
        words, read = _FORMATS[named]
        try:
            read(value)
        except ValueError:
            yield f"{path}: expected {words}, got {_got(schema, value)}"
    if schema.get("contentEncoding") == "base64" and not _BASE64.match(value):
        yield f"{path}: expected bytes as base64, got {_got(schema, value)}"
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        try:
            if not matches(pattern, value):
                wanted = schema.get("patternError") or f"text that matches {pattern[:80]!r}"
                yield f"{path}: expected {wanted}, got {_got(schema, value)}"
        except PatternError as error:
            yield f"{path}: its pattern cannot be checked: {error}"


def _number_problems(schema: dict[str, Any], value: float, path: str) -> Iterator[str]:
    for key, (words, holds) in _BOUNDS.items():
        bound = schema.get(key)
        if _is_number(bound) and not holds(value, bound):
            yield f"{path}: must be {words} {_short(bound)}, got {_got(schema, value)}"
    factor = schema.get("multipleOf")
    if _is_number(factor) and factor > 0 and not _is_multiple(value, factor):
        yield f"{path}: must be a multiple of {_short(factor)}, got {_got(schema, value)}"


def _list_problems(schema: dict[str, Any], value: list[Any], path: str, depth: int) -> Iterator[str]:
    yield from _size_problems(schema, len(value), path, "Items", "items")
    rule = schema.get("items")
    if isinstance(rule, dict) and rule:
        for index, item in enumerate(value):
            yield from _problems(rule, item, f"{path}[{index}]", depth + 1)


def _size_problems(schema: dict[str, Any], size: int, path: str, what: str, words: str) -> Iterator[str]:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if _is_number(least) and size < least:
        yield f"{path}: needs at least {least} {words}, has {size}"
    if _is_number(most) and size > most:
        yield f"{path}: may have at most {most} {words}, has {size}"


def _is_number(value: Any) -> TypeGuard[float]:
    # NaN and the infinities are no JSON, but Python's reader lets them in.
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and math.isfinite(value)
    )


def _is_multiple(value: float, factor: float) -> bool:
    if isinstance(value, int) and isinstance(factor, int):
        return value % factor == 0
    try:
        times = value / factor
        # 0.3 is a multiple of 0.1, whatever binary fractions say.
        return math.isfinite(times) and abs(times - round(times)) <= 1e-9 * max(1.0, abs(times))
    except OverflowError:
        return False


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_REFERENCES)


def _same(value: Any, option: Any) -> bool:
    """JSON's equality: 1 is 1.0, but true is not 1."""
    try:
        return isinstance(value, bool) == isinstance(option, bool) and bool(value == option)
    except RecursionError:
        return False


def _join(path: str, name: str) -> str:
    # A name comes from the caller: half a surrogate pair in it would make the message unsendable.
    shown = name[:100] if name.isprintable() else repr(name[:100])
    return f"{path}.{shown}" if path else shown


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _got(schema: dict[str, Any], value: Any) -> str:
    """A value as a message may show it: its kind, and the value itself when it is short and no secret."""
    match value:
        case None:
            return "null"
        case dict():
            return "an object"
        case list():
            return "a list"
    kind = "text" if isinstance(value, str) else "the number"
    if schema.get("password") is True or schema.get("sensitive") is True:
        return f"{kind} that is not shown"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{kind} {_short(value)}"


def _listed(options: list[Any]) -> str:
    shown = ", ".join(_short(option) for option in options[:10])
    return shown if len(options) <= 10 else f"{shown} and {len(options) - 10} more"
