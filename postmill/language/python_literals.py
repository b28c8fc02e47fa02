"""Values written out in Python source, as JSON. Nothing is evaluated: what is not written out is no literal."""

import ast
import base64
import math
from typing import Any

from postmill.language.python_classes import kind_of
from postmill.language.python_names import Names

_MAX_DEPTH = 30
_MAX_DIGITS = 2**1000
"""Far beyond any number in use; Python refuses to print much larger ones."""


class NotLiteral(ValueError):
    """The expression must be run to know its value, or its value is no JSON."""


class Budget:
    """What one signature may cost. A short source can name the same class or constant many times over, and each
    use is written out again: without a bound a kilobyte becomes a gigabyte of schema."""

    def __init__(self, units: int) -> None:
        self.left = units

    def spend(self, units: int) -> bool:
        """Whether there was as much left."""
        self.left -= units
        return self.left >= 0


class Literals:
    """Reads the literals of one module."""

    def __init__(self, names: Names, budget: Budget) -> None:
        self.names = names
        self.budget = budget

    def read(self, node: ast.expr, depth: int = 0) -> Any:
        """The JSON value of `node`: bytes as base64, tuples and sets as lists, an enum's member as its value.

        Raises:
            NotLiteral
        """
        if depth > _MAX_DEPTH or not self.budget.spend(1):
            raise NotLiteral
        match node:
            case ast.Constant(value=value):
                return self._constant(value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return self._constant(-value)
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                return [self.read(item, depth + 1) for item in items]
            case ast.Dict(keys=keys, values=values):
                return {self._key(key, depth): self.read(v, depth + 1) for key, v in zip(keys, values, strict=True)}
            case ast.Name(id=name) if name in self.names.values:
                return self.read(self.names.values[name], depth + 1)
            case ast.Attribute(value=ast.Name(id=owner), attr=member) if owner in self.names.classes:
                return self._member(owner, member)
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id=owner), attr=member), attr="value"):
                return self._member(owner, member)
        raise NotLiteral

    def members(self, found: ast.ClassDef) -> dict[str, Any]:
        """The values of an enum class by member.

        Raises:
            NotLiteral: one of them is computed.
        """
        bases = [self.names.origin(base) for base in found.bases]
        lower = "enum.StrEnum" in bases or "str" in bases
        members: dict[str, Any] = {}
        for statement in found.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func)) if not name.startswith("_"):
                    if self.names.origin(func) != "enum.auto":
                        raise NotLiteral
                    members[name] = name.lower() if lower else len(members) + 1
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.startswith("_"):
                    members[name] = self.read(value)
        return members

    def _member(self, owner: str, member: str) -> Any:
        found = self.names.classes.get(owner)
        if found is None or kind_of(found, self.names) != "enum":
            raise NotLiteral
        members = self.members(found)
        if member not in members:
            raise NotLiteral
        return members[member]

    def _key(self, node: ast.expr | None, depth: int) -> str:
        key = self.read(node, depth + 1) if node else None
        if not isinstance(key, str):
            raise NotLiteral
        return key

    def _constant(self, value: object) -> Any:
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode()
        if isinstance(value, str):
            # Half a surrogate pair can be neither stored nor sent.
            if not self.budget.spend(len(value)) or any("\ud800" <= char <= "\udfff" for char in value):
                raise NotLiteral
            return value
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and abs(value) < _MAX_DIGITS:
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        raise NotLiteral
