"""Runs in the jail: JSON arguments → what main's annotations ask for.

| annotation | from |
| --- | --- |
| bytes, bytearray | base64, also as a data: URL |
| datetime, date, time | ISO 8601 |
| timedelta | seconds |
| Decimal | a number or its text |
| UUID, Path | text |
| an Enum | one of its values, or the name of one |
| a dataclass | an object: its fields are converted, unknown keys left out |
| a class with model_validate (pydantic) | whatever it takes |
| list, tuple, set, dict, Optional, Union, Annotated of these | their parts |

None stays None. Everything else is passed as it came.
"""

from __future__ import annotations

import sys
import types

from postmill.executors.python_errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_PLAIN = (None, str, int, float, bool, dict, list, object, "str", "int", "float", "bool", "dict", "list")


class Unfit(Exception):
    """The value is not what the annotation asks for; the text says what it should be."""


def bind(function: Callable[..., Any], name: str, given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments for a call. Tells stderr, the job's log, what it drops.

    Raises:
        Refused: arguments are missing, or cannot be converted.
    """
    parameters = parameters_of(function)
    hints = hints_of(function)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    missing: list[str] = []
    rest = dict(given)
    takes_any = False
    for parameter, kind, required in parameters:
        if kind == "any":
            takes_any = True
        elif parameter in rest:
            value = fit(parameter, rest.pop(parameter), hints.get(parameter))
            if kind == "positional":
                positional.append(value)
            else:
                named[parameter] = value
        elif required:
            missing.append(repr(parameter))
    if missing:
        which = "argument" if len(missing) == 1 else "arguments"
        raise Refused("TypeError", f"{name} is missing the {which} {', '.join(missing)}")
    if takes_any:
        named.update(rest)
    else:
        for left in rest:
            print(f"argument {left!r} is not a parameter of {name}: dropped", file=sys.stderr)
    return positional, named


def parameters_of(function: Callable[..., Any]) -> list[tuple[str, str, bool]]:
    """(name, 'positional' | 'named' | 'any', required) of each."""
    if type(function) is types.FunctionType and not hasattr(function, "__wrapped__"):
        code = function.__code__
        count, keywords = code.co_argcount, code.co_kwonlyargcount
        names = code.co_varnames
        defaults = count - len(function.__defaults__ or ())
        found = [
            (name, "positional" if at < code.co_posonlyargcount else "named", at < defaults)
            for at, name in enumerate(names[:count])
        ]
        needed = function.__kwdefaults__ or {}
        found += [(name, "named", name not in needed) for name in names[count : count + keywords]]
        if code.co_flags & 0x08:
            found.append(("", "any", False))
        return found
    # It costs milliseconds: for odd callables only.
    import inspect

    kinds = {
        inspect.Parameter.POSITIONAL_ONLY: "positional",
        inspect.Parameter.POSITIONAL_OR_KEYWORD: "named",
        inspect.Parameter.KEYWORD_ONLY: "named",
        inspect.Parameter.VAR_KEYWORD: "any",
    }
    return [
        (parameter.name, kinds[parameter.kind], parameter.default is parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in kinds
    ]


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations that may ask for a conversion, resolved. Those that cannot be resolved ask for none."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    annotations = getattr(function, "__annotations__", {})
    if all(any(hint is plain or hint == plain for plain in _PLAIN) for hint in annotations.values()):
        return {}
    import typing

    try:
        return typing.get_type_hints(function)
    except Exception:
        return {}


def fit(name: str, value: Any, hint: Any) -> Any:
    """One argument as its annotation asks for it."""
    try:
        return convert(value, hint)
    except Unfit as error:
        raise Refused("TypeError", f"argument {name!r}: {error}") from None


def convert(value: Any, hint: Any) -> Any:
    """Raises Unfit."""
    if value is None or hint is None:
        return value
    origin = getattr(hint, "__origin__", None)
    if hasattr(hint, "__metadata__"):
        return convert(value, origin)
    if hasattr(hint, "__supertype__"):
        return convert(value, hint.__supertype__)
    parts = getattr(hint, "__args__", ())
    if isinstance(hint, types.UnionType) or str(origin) == "typing.Union":
        return _first_that_fits(value, parts)
    if isinstance(origin, type) and parts:
        return _parts(value, origin, parts)
    if isinstance(hint, type):
        return _class(value, hint)
    return value


def _first_that_fits(value: Any, hints: tuple[Any, ...]) -> Any:
    plain: dict[Any, Any] = {str: str, int: int, float: (int, float), bool: bool, list: list, dict: dict}
    for hint in hints:
        if hint in plain:
            if isinstance(value, plain[hint]) and (hint is bool or not isinstance(value, bool)):
                return value
            continue
        try:
            return convert(value, hint)
        except Unfit:
            continue
    return value


def _parts(value: Any, origin: type, parts: tuple[Any, ...]) -> Any:
    if issubclass(origin, tuple) and isinstance(value, list):
        if len(parts) == 2 and parts[1] is Ellipsis:
            return tuple(convert(item, parts[0]) for item in value)
        if len(parts) == len(value):
            return tuple(convert(item, part) for item, part in zip(value, parts, strict=True))
    elif issubclass(origin, dict) or origin.__name__ in ("Mapping", "MutableMapping"):
        if isinstance(value, dict) and len(parts) == 2:
            return {key: convert(item, parts[1]) for key, item in value.items()}
    elif isinstance(value, list) and len(parts) == 1:
        items = [convert(item, parts[0]) for item in value]
        return origin(items) if origin in (set, frozenset) else items
    return value


def _class(value: Any, cls: type) -> Any:
    if cls in (set, frozenset, tuple):
        return cls(value) if isinstance(value, list) else value
    if callable(getattr(cls, "model_validate", None)):
        return cls.model_validate(value)  # type: ignore[attr-defined]
    for kind in cls.__mro__:
        converter = _CONVERTERS.get(f"{kind.__module__}.{kind.__qualname__}")
        if converter is not None:
            return converter(value, cls)
    if hasattr(cls, "__dataclass_fields__"):
        return _dataclass(value, cls)
    return value


def _dataclass(value: Any, cls: Any) -> Any:
    if not isinstance(value, dict):
        raise Unfit(f"{_short(value)} is not an object, as {cls.__name__} needs")
    import typing

    try:
        hints = typing.get_type_hints(cls)
    except Exception:
        hints = {}
    fields = [name for name, field in cls.__dataclass_fields__.items() if field.init and name in value]
    try:
        return cls(**{name: convert(value[name], hints.get(name)) for name in fields})
    except TypeError as error:
        raise Unfit(f"{cls.__name__}: {error}") from None


def _bytes(value: Any, cls: Any) -> Any:
    import base64
    import binascii

    if not isinstance(value, str):
        raise Unfit(f"{_short(value)} is not base64 text")
    if value.startswith("data:"):
        value = value.partition(",")[2]
    try:
        return cls(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Unfit(f"{_short(value)} is not base64: {error}") from None


def _from_text(what: str, read: Callable[[Any, str], Any]) -> Callable[[Any, Any], Any]:
    def converter(value: Any, cls: Any) -> Any:
        if not isinstance(value, str):
            raise Unfit(f"{_short(value)} is not {what}")
        try:
            return read(cls, value)
        except ValueError:
            raise Unfit(f"{_short(value)} is not {what}") from None

    return converter


def _date(cls: Any, text: str) -> Any:
    try:
        return cls.fromisoformat(text)
    except ValueError:
        import datetime

        # What a form with a clock sends for a date.
        return cls.fromisoformat(datetime.datetime.fromisoformat(text).date().isoformat())


def _timedelta(value: Any, cls: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit(f"{_short(value)} is not a number of seconds")
    return cls(seconds=value)


def _decimal(value: Any, cls: Any) -> Any:
    try:
        return cls(str(value))
    except ArithmeticError:
        raise Unfit(f"{_short(value)} is not a number") from None


def _enum(value: Any, cls: Any) -> Any:
    try:
        return cls(value)
    except ValueError:
        if isinstance(value, str) and value in cls.__members__:
            return cls[value]
        known = ", ".join(repr(member.value) for member in cls)
        raise Unfit(f"{_short(value)} is not one of {known}") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "…"


_path = _from_text("a path", lambda cls, text: cls(text))

# By name along the class's ancestors: nothing is imported to find out that it is not used.
_CONVERTERS: dict[str, Callable[[Any, Any], Any]] = {
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytes,
    "datetime.datetime": _from_text("a date and time (ISO 8601)", lambda cls, text: cls.fromisoformat(text)),
    "datetime.date": _from_text("a date (ISO 8601)", _date),
    "datetime.time": _from_text("a time (ISO 8601)", lambda cls, text: cls.fromisoformat(text)),
    "datetime.timedelta": _timedelta,
    "decimal.Decimal": _decimal,
    "uuid.UUID": _from_text("a UUID", lambda cls, text: cls(text)),
    "pathlib.PurePath": _path,
    "pathlib._local.PurePath": _path,
    "enum.Enum": _enum,
}
