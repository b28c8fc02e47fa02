"""The names of one Python module: where each comes from, and what the module itself defines."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef

_SAME = ("typing_extensions.", "collections.abc.", "collections.")
# Also without an import: while a script is typed its imports come last, or are `from typing import *`.
_TYPING = frozenset(
    "Any Annotated Dict List Literal NotRequired Optional Required Sequence Set Tuple TypedDict Union".split()
)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Names:
    """Of one module. Later definitions have replaced earlier ones, as they do when it runs."""

    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    values: dict[str, ast.expr] = field(default_factory=dict)
    """`name = expression`: type aliases, constants."""
    origins: dict[str, str] = field(default_factory=dict)
    """Imported names: `dt` → `datetime.datetime`."""

    def origin(self, node: ast.expr) -> str | None:
        """The full dotted name that `node` stands for ('typing.List'), or None when it is not a plain name.

        What `typing_extensions` and `collections` offer is named as in `typing`.
        """
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        parts.append(self.origins.get(node.id, node.id))
        dotted = ".".join(reversed(parts))
        if dotted in _TYPING and dotted not in self.classes and dotted not in self.values:
            return f"typing.{dotted}"
        for prefix in _SAME:
            if dotted.startswith(prefix):
                return f"typing.{dotted.removeprefix(prefix)}"
        return dotted


def read_names(tree: ast.Module) -> Names:
    """What stands at the top level, also below `if`, `try` and `with`."""
    names = Names()
    for statement in top_level(tree):
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.functions[name] = statement
            case ast.ClassDef(name=name):
                names.classes[name] = statement
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                names.values[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                names.values[name] = value
            case ast.Import(names=aliases):
                for alias in aliases:
                    top = alias.name.split(".")[0]
                    names.origins[alias.asname or top] = alias.name if alias.asname else top
            case ast.ImportFrom(module=module, names=aliases, level=level):
                for alias in aliases:
                    names.origins[alias.asname or alias.name] = f"{'.' * level}{module or ''}.{alias.name}"
    return names


def top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """The module's own statements in their order, also those below `if`, `try` and `with`."""
    waiting: list[ast.stmt] = list(reversed(tree.body))
    while waiting:
        statement = waiting.pop()
        yield statement
        below: list[ast.stmt] = []
        match statement:
            case ast.If():
                below = [*statement.body, *statement.orelse]
            case ast.Try() | ast.TryStar():
                handlers = [inner for handler in statement.handlers for inner in handler.body]
                below = [*statement.body, *handlers, *statement.orelse, *statement.finalbody]
            case ast.With():
                below = statement.body
        waiting += reversed(below)


def lower_snake(name: str) -> str:
    """`PostgresDb` → `postgres_db`, `S3Object` → `s3_object`."""
    return _WORD_START.sub("_", name).lower()
