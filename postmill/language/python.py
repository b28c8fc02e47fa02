"""Python: the signature of a function as JSON Schema, and what a source imports. The source is never run.

The path of a reading: `python_syntax` (text → statements, also of broken sources) → `python_names` (what each name
stands for) → `python_types` (annotations → schemas) with `python_classes` and `python_literals`.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from postmill.language.docstring import Docstring, read_docstring
from postmill.language.python_names import Function, Names, read_names
from postmill.language.python_syntax import Parsed, parse_module
from postmill.language.python_types import TypeReader
from postmill.language.schema import Signature, is_strict, object_schema


@dataclass(frozen=True, slots=True)
class Imports:
    """What a source imports, anywhere in it, each name once, in the order of the source."""

    workspace: tuple[str, ...] = ()
    """Paths that may be workspace scripts: `from f.team import money` may mean `f/team` or `f/team/money`."""
    modules: tuple[str, ...] = ()
    """The first names of all other imports (`yaml`, `os`), those of the standard library among them."""


def signature(source: str, entrypoint: str = "main") -> Signature:
    """The signature of the top-level function `entrypoint` (also `async def`). Never raises."""
    parsed = parse_module(source)
    try:
        return _signature(parsed, source, entrypoint)
    except RecursionError:
        # The caller's own stack was nearly used up, or a docstring's or class's nesting passed every bound.
        return Signature(error=parsed.error or "the source nests definitions too deep to be read")


def _signature(parsed: Parsed, source: str, entrypoint: str) -> Signature:
    names = read_names(parsed.tree)
    found = Signature(
        has_main=entrypoint in names.functions,
        has_preprocessor="preprocessor" in names.functions,
        strict=is_strict(source),
        error=parsed.error,
        error_line=parsed.error_line,
    )
    if not found.has_main:
        return found
    return replace(found, schema=_schema(names.functions[entrypoint], names))


def _schema(function: Function, names: Names) -> dict[str, Any]:
    about = read_docstring(ast.get_docstring(function))
    reader = TypeReader(names)
    schema = object_schema()
    if about.summary:
        schema["description"] = about.summary
    for argument, default in _arguments(function.args):
        schema["properties"][argument.arg] = _property(argument, default, about, reader)
        schema["order"].append(argument.arg)
        if default is None:
            schema["required"].append(argument.arg)
    return schema


def _arguments(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """Each argument that has a name, with its default. `*args` and `**kwargs` have no field in a form."""
    placed = [*arguments.posonlyargs, *arguments.args]
    without = len(placed) - len(arguments.defaults)
    yield from zip(placed, [*[None] * without, *arguments.defaults], strict=True)
    yield from zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)


def _property(argument: ast.arg, default: ast.expr | None, about: Docstring, reader: TypeReader) -> dict[str, Any]:
    schema = reader.read(argument.annotation) if argument.annotation else {}
    if default is not None:
        schema = reader.with_default(schema, default)
    words = about.arguments.get(argument.arg)
    # Annotated[…] stands nearer to the argument than the docstring; the docstring of its class does not.
    target = argument.annotation.value if isinstance(argument.annotation, ast.Subscript) else None
    named = reader.names.origin(target) if target else None
    if not words or (named == "typing.Annotated" and "description" in schema):
        return schema
    return {**schema, "description": words}


_REMEMBERED = 64 * 1024
"""Characters of a source whose imports are remembered."""


def imports(source: str, path: str | None = None) -> Imports:
    """What `source` imports. `path` is the script's own (`f/team/report`); without it relative imports are left out.

    Never raises; of a broken source, what could be read. Imports below `if TYPE_CHECKING` are left out.
    """
    # The same scripts run again and again.
    return _imports_of(source, path) if len(source) <= _REMEMBERED else _imports_of.__wrapped__(source, path)


@lru_cache(maxsize=256)
def _imports_of(source: str, path: str | None) -> Imports:
    workspace: dict[str, None] = {}
    modules: dict[str, None] = {}
    for parts, names in _imported(parse_module(source).tree, path):
        if parts[0] not in ("f", "u"):
            modules[parts[0]] = None
            continue
        for candidate in (parts, *([*parts, name] for name in names if name != "*")):
            if len(candidate) > 1:
                workspace["/".join(candidate)] = None
    return Imports(tuple(workspace), tuple(modules))


def _imported(tree: ast.Module, path: str | None) -> Iterator[tuple[list[str], list[str]]]:
    """Each imported module by the parts of its absolute name, with the names taken from it."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    yield alias.name.split("."), []
            case ast.ImportFrom(module=module, names=aliases, level=level):
                absolute = _absolute(module or "", level, path)
                if absolute:
                    yield absolute, [alias.name for alias in aliases]
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                waiting += reversed(node.orelse)
            case ast.expr():
                continue
            case _:
                waiting += reversed(list(ast.iter_child_nodes(node)))


def _absolute(module: str, level: int, path: str | None) -> list[str]:
    """The absolute name of `from <level dots><module>`; empty when it leads out of the workspace."""
    parts = module.split(".") if module else []
    if level == 0:
        return parts
    parents = path.split("/")[:-level] if path else []
    return [*parents, *parts] if parents else []
