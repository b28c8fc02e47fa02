"""The classes that a Python module defines: of which kind, and with which fields."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from postmill.language.python_names import Names

Kind = Literal["enum", "typed_dict", "pydantic", "dataclass"]

_MOST = 50
"""Ancestors, and bases and decorators of each."""

_KINDS: dict[str, Kind] = {
    "enum.Enum": "enum",
    "enum.IntEnum": "enum",
    "enum.StrEnum": "enum",
    "typing.TypedDict": "typed_dict",
    "pydantic.BaseModel": "pydantic",
    "pydantic.main.BaseModel": "pydantic",
    "sqlmodel.SQLModel": "pydantic",
    "pydantic_settings.BaseSettings": "pydantic",
}
_DATACLASS = ("dataclasses.dataclass", "pydantic.dataclasses.dataclass")
_NOT_FIELDS = ("typing.ClassVar", "dataclasses.KW_ONLY")


@dataclass(frozen=True, slots=True)
class Field:
    """One field as it is written. `settings` are the keywords of its `Field(…)` or `field(…)`."""

    name: str
    annotation: ast.expr
    default: ast.expr | None
    required: bool
    settings: tuple[ast.keyword, ...] = ()


def kind_of(found: ast.ClassDef, names: Names) -> Kind | None:
    """What the class is, by its decorators and all its ancestors in this module; None for any other class."""
    for ancestor in _lineage(found, names):
        for decorator in ancestor.decorator_list[:_MOST]:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            if names.origin(target) in _DATACLASS:
                return "dataclass"
        for base in ancestor.bases[:_MOST]:
            kind = _KINDS.get(names.origin(base) or "")
            if kind:
                return kind
    return None


def fields_of(found: ast.ClassDef, kind: Kind, names: Names) -> list[Field]:
    """The fields, inherited ones first, each with its last definition."""
    fields: dict[str, Field] = {}
    for ancestor in reversed(list(_lineage(found, names))):
        total = not any(
            keyword.arg == "total" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            for keyword in ancestor.keywords
        )
        for statement in ancestor.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                field = _field(statement.target.id, statement, kind, total, names)
                if field:
                    fields[statement.target.id] = field
    return list(fields.values())


def _lineage(found: ast.ClassDef, names: Names) -> Iterator[ast.ClassDef]:
    """The class and its ancestors in this module, nearest first. A class that inherits itself is met once."""
    waiting = [found]
    met: set[int] = set()
    while waiting and len(met) < _MOST:
        current = waiting.pop(0)
        if id(current) in met:
            continue
        met.add(id(current))
        yield current
        for base in current.bases[:_MOST]:
            target = base.value if isinstance(base, ast.Subscript) else base
            if isinstance(target, ast.Name) and target.id in names.classes:
                waiting.append(names.classes[target.id])


def _field(name: str, statement: ast.AnnAssign, kind: Kind, total: bool, names: Names) -> Field | None:
    annotation = statement.annotation
    target = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    wrapper = names.origin(target)
    if wrapper in _NOT_FIELDS or (kind == "pydantic" and name.startswith("_")):
        return None
    if kind == "typed_dict":
        required = wrapper == "typing.Required" or (total and wrapper != "typing.NotRequired")
        return Field(name, annotation, None, required)
    value = statement.value
    called = names.origin(value.func) if isinstance(value, ast.Call) else None
    if isinstance(value, ast.Call) and called and called.split(".")[-1] in ("Field", "field"):
        return _from_call(Field(name, annotation, None, True, tuple(value.keywords)), value)
    return Field(name, annotation, value, value is None)


def _from_call(field: Field, call: ast.Call) -> Field | None:
    """Of `Field(3, ge=1, alias="n")` or `field(default_factory=list)`."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    init = given.get("init")
    if isinstance(init, ast.Constant) and init.value is False:
        return None
    alias = given.get("validation_alias", given.get("alias"))
    if isinstance(alias, ast.Constant) and isinstance(alias.value, str):
        field = replace(field, name=alias.value)
    default = call.args[0] if call.args else given.get("default")
    if isinstance(default, ast.Constant) and default.value is Ellipsis:
        return field
    factory = given.get("default_factory")
    if isinstance(factory, ast.Name) and factory.id in ("list", "set", "tuple"):
        default = ast.List(elts=[], ctx=ast.Load())
    elif isinstance(factory, ast.Name) and factory.id == "dict":
        default = ast.Dict(keys=[], values=[])
    return replace(field, default=default, required=default is None and factory is None)
