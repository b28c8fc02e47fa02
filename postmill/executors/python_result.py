"""Runs in the jail: a Python value → JSON.

| Python | JSON |
| --- | --- |
| None, bool, int of any length, finite float, str | the same; a lone surrogate becomes `?` |
| NaN, Infinity, -Infinity (float or Decimal) | the strings "NaN", "Infinity", "-Infinity" |
| Decimal | a number with exactly its digits |
| datetime, date, time | ISO 8601 |
| timedelta | seconds |
| bytes, bytearray, memoryview | base64 |
| UUID, Path | their text |
| Enum | its value |
| list, tuple, deque, range, dict views | array |
| set, frozenset | array, sorted where its members can be compared |
| dict and other mappings | object; keys None, True, 1 → "null", "true", "1", others as their value's text |
| dataclass | object of its fields |
| pydantic model (anything with model_dump) | its dump |

Anything else, a cycle, and what is nested deeper than 500 levels is an error that names the place.
"""

from __future__ import annotations

import json
import sys
from binascii import b2a_base64
from collections.abc import Mapping
from json.encoder import encode_basestring as _string

from postmill.executors.python_errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

MAX_DEPTH = 500
_PATH_AT_MOST = 300
_fast = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def dump(value: object) -> bytes:
    """The value as JSON in UTF-8.

    Raises:
        Refused: it has none.
    """
    sys.set_int_max_str_digits(0)
    # For both ways: what the script set may be too low for ours, or so high that C's stack ends first.
    sys.setrecursionlimit(4 * MAX_DEPTH)
    try:
        return _fast(value).encode()
    except (TypeError, ValueError, RecursionError):
        # A type that C's encoder does not know, or an error whose place only the slow way can tell.
        writer = Writer()
        writer.write(value)
        return "".join(writer.out).encode("utf-8", "replace")


class Writer:
    """Writes one value. `path` is where in the result it stands."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.path: list[str] = []
        self._open: set[int] = set()

    def write(self, value: Any) -> None:
        if value is None or value is True or value is False:
            self.out.append("null" if value is None else "true" if value else "false")
            return
        for kind in type(value).__mro__:
            write = _WRITERS.get(f"{kind.__module__}.{kind.__qualname__}")
            if write is not None:
                write(self, value)
                return
        if isinstance(value, type):
            raise self.refused(f"the class {value.__name__} cannot be turned into JSON")
        fields = getattr(type(value), "__dataclass_fields__", None)
        if fields is not None:
            self.mapping(value, [(name, getattr(value, name)) for name in fields if hasattr(value, name)])
        elif callable(getattr(value, "model_dump", None)):
            self._enter(value)
            self.write(value.model_dump())
            self._open.discard(id(value))
        elif isinstance(value, Mapping):
            self.mapping(value, value.items())
        else:
            raise self.refused(f"a {type(value).__name__} cannot be turned into JSON")

    def array(self, value: object, items: Iterable[Any]) -> None:
        self._enter(value)
        self.out.append("[")
        for at, item in enumerate(items):
            if at:
                self.out.append(",")
            self.path.append(f"[{at}]")
            self.write(item)
            self.path.pop()
        self.out.append("]")
        self._open.discard(id(value))

    def mapping(self, value: object, items: Iterable[tuple[Any, Any]]) -> None:
        self._enter(value)
        self.out.append("{")
        for at, (key, item) in enumerate({_key(key): item for key, item in items}.items()):
            if at:
                self.out.append(",")
            self.out.append(_string(key) + ":")
            self.path.append(f".{key}" if key.isidentifier() else f"[{key!r}]")
            self.write(item)
            self.path.pop()
        self.out.append("}")
        self._open.discard(id(value))

    def refused(self, why: str) -> Refused:
        path = "".join(self.path)
        if len(path) > _PATH_AT_MOST:
            path = f"{path[: _PATH_AT_MOST // 2]}…{path[-_PATH_AT_MOST // 2 :]}"
        return Refused("TypeError", f"result{path}: {why}")

    def _enter(self, value: object) -> None:
        if id(value) in self._open:
            raise self.refused("refers back to what contains it, which JSON cannot say")
        if len(self._open) >= MAX_DEPTH:
            raise self.refused(f"the result is nested deeper than {MAX_DEPTH} levels")
        self._open.add(id(value))


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    inner = Writer()
    try:
        inner.write(key)
    except Refused:
        return str(key)
    text = "".join(inner.out)
    if text.startswith(("[", "{")):
        return str(key)
    return str(json.loads(text)) if text.startswith('"') else text


def _float(writer: Writer, value: float) -> None:
    if value != value:
        writer.out.append('"NaN"')
    elif value in (float("inf"), float("-inf")):
        writer.out.append('"Infinity"' if value > 0 else '"-Infinity"')
    else:
        writer.out.append(float.__repr__(value))


def _decimal(writer: Writer, value: Any) -> None:
    if value.is_finite():
        writer.out.append(str(value))
    else:
        writer.out.append('"NaN"' if value.is_nan() else '"Infinity"' if value > 0 else '"-Infinity"')


def _set(writer: Writer, value: Any) -> None:
    try:
        writer.array(value, sorted(value))
    except TypeError:
        writer.array(value, list(value))


def _array(writer: Writer, value: Any) -> None:
    writer.array(value, value)


def _mapping(writer: Writer, value: Any) -> None:
    writer.mapping(value, value.items())


def _text(convert: Callable[[Any], str]) -> Callable[[Writer, Any], None]:
    return lambda writer, value: writer.out.append(_string(convert(value)))


_base64 = _text(lambda value: b2a_base64(value, newline=False).decode())
_iso = _text(lambda value: str(value.isoformat()))

# By name along the class's ancestors: a type is known without importing the module that it comes from.
_WRITERS: dict[str, Callable[[Writer, Any], None]] = {
    "builtins.str": _text(str.__str__),
    "builtins.int": lambda writer, value: writer.out.append(int.__repr__(value)),
    "builtins.float": _float,
    "builtins.bytes": _base64,
    "builtins.bytearray": _base64,
    "builtins.memoryview": _base64,
    "builtins.list": _array,
    "builtins.tuple": _array,
    "builtins.range": _array,
    "builtins.dict_keys": _array,
    "builtins.dict_values": _array,
    "builtins.dict_items": _array,
    "collections.deque": _array,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "builtins.dict": _mapping,
    "decimal.Decimal": _decimal,
    "datetime.datetime": _iso,
    "datetime.date": _iso,
    "datetime.time": _iso,
    "datetime.timedelta": lambda writer, value: _float(writer, value.total_seconds()),
    "uuid.UUID": _text(str),
    "pathlib.PurePath": _text(str),
    "pathlib._local.PurePath": _text(str),
    "enum.Enum": lambda writer, value: writer.write(value.value),
}
