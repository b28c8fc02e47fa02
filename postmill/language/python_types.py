"""Python annotations → JSON Schema, read from the syntax tree and never evaluated."""

import ast
import builtins
import sys
from typing import Any

from postmill.language.docstring import Docstring, read_docstring
from postmill.language.python_classes import Field, fields_of, kind_of
from postmill.language.python_literals import Budget, Literals, NotLiteral
from postmill.language.python_names import Names, lower_snake
from postmill.language.python_syntax import parse_expression

_MAX_DEPTH = 24
_MAX_SAME_CLASS = 2
"""How often a class may contain itself: a tree's form shows a node and its children."""
_BUDGET = 200_000
"""Characters of literals, or a hundred times the number of types, of a whole signature."""

Schema = dict[str, Any]

_SIMPLE: dict[str, Schema] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "bytearray": {"type": "string", "contentEncoding": "base64"},
    "datetime.datetime": {"type": "string", "format": "date-time"},
    "datetime.date": {"type": "string", "format": "date"},
    "datetime.time": {"type": "string", "format": "time"},
    "decimal.Decimal": {"type": "number"},
    "uuid.UUID": {"type": "string", "format": "uuid"},
    "pathlib.Path": {"type": "string"},
    "typing.LiteralString": {"type": "string"},
    "typing.Text": {"type": "string"},
    "typing.NamedTuple": {},
    "pydantic.EmailStr": {"type": "string", "format": "email"},
    "pydantic.HttpUrl": {"type": "string", "format": "uri"},
    "pydantic.AnyUrl": {"type": "string", "format": "uri"},
    "pydantic.AnyHttpUrl": {"type": "string", "format": "uri"},
    "pydantic.SecretStr": {"type": "string", "password": True},
    "pydantic.PositiveInt": {"type": "integer", "exclusiveMinimum": 0},
    "pydantic.NonNegativeInt": {"type": "integer", "minimum": 0},
    "pydantic.PositiveFloat": {"type": "number", "exclusiveMinimum": 0},
    "pydantic.NonNegativeFloat": {"type": "number", "minimum": 0},
    "wmill.S3Object": {"type": "object", "format": "resource-s3_object"},
}
_MAPPINGS = frozenset(
    "dict typing.Dict typing.Mapping typing.MutableMapping typing.TypedDict"
    " typing.OrderedDict typing.DefaultDict typing.defaultdict".split()
)
_LISTS = frozenset(
    "list set frozenset typing.List typing.Set typing.FrozenSet typing.Sequence typing.MutableSequence"
    " typing.AbstractSet typing.MutableSet typing.Iterable typing.Collection typing.deque typing.Deque".split()
)
_TUPLES = frozenset(["tuple", "typing.Tuple"])
_WRAPPERS = frozenset(
    ["typing.Required", "typing.NotRequired", "typing.ReadOnly", "typing.Final", "dataclasses.InitVar"]
)
_CONSTRAINED = {"conint": "int", "confloat": "float", "constr": "str"}
_DYNAMIC = "DynSelect_"

_KEYWORDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
    "regex": "pattern",
    "min_length": "minLength",
    "max_length": "maxLength",
    "title": "title",
    "description": "description",
    "examples": "examples",
}
# What annotated_types (and a docstring's Doc) take by position.
_POSITIONAL = {
    "Ge": ("ge",),
    "Gt": ("gt",),
    "Le": ("le",),
    "Lt": ("lt",),
    "Interval": (),
    "MultipleOf": ("multiple_of",),
    "MinLen": ("min_length",),
    "MaxLen": ("max_length",),
    "Len": ("min_length", "max_length"),
    "Doc": ("description",),
    "Field": (),
    "StringConstraints": (),
}


class TypeReader:
    """Reads the types of one module. Not to be shared: it counts what it has spent."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.budget = Budget(_BUDGET)
        self.literals = Literals(names, self.budget)
        self._depth = 0
        self._classes: list[str] = []
        self._docstrings: dict[str, Docstring] = {}

    def read(self, node: ast.expr) -> Schema:
        """The schema of an annotation; {} (any value) for what is not known, too deep, or too much."""
        if self._depth >= _MAX_DEPTH or not self.budget.spend(100):
            return {}
        self._depth += 1
        try:
            return self._read(node)
        finally:
            self._depth -= 1

    def with_default(self, schema: Schema, default: ast.expr) -> Schema:
        """The schema with its `default`, where that is a literal; without a type, with the type of the default."""
        try:
            value = self.literals.read(default)
        except NotLiteral:
            return schema
        nullable: Schema = {"nullable": True} if value is None and schema else {}
        return {**(schema or self._inferred(default, value)), **nullable, "default": value}

    def _inferred(self, default: ast.expr, value: Any) -> Schema:
        if isinstance(default, ast.Constant) and isinstance(default.value, bytes):
            return self.read(ast.Name(id="bytes"))
        if isinstance(default, ast.Attribute) and isinstance(default.value, ast.Name):
            return self.read(default.value)
        return _type_of(value)

    def _read(self, node: ast.expr) -> Schema:
        match node:
            case ast.Constant(value=str() as text):
                written = parse_expression(text) if self.budget.spend(len(text)) else None
                return self.read(written) if written else {}
            case ast.Constant(value=None):
                return {"type": "null"}
            case ast.Name() | ast.Attribute():
                return self._named(node)
            case ast.BinOp(op=ast.BitOr()):
                return self._union(_alternatives(node))
            case ast.Subscript(value=target, slice=inner):
                return self._generic(target, list(inner.elts) if isinstance(inner, ast.Tuple) else [inner])
            case ast.Call():
                return self._called(node)
        return {}

    def _named(self, node: ast.Name | ast.Attribute) -> Schema:
        last = node.id if isinstance(node, ast.Name) else node.attr
        if last.startswith(_DYNAMIC):
            return {"type": "object", "format": f"dynselect-{last.removeprefix(_DYNAMIC)}"}
        if isinstance(node, ast.Name):
            if node.id in self.names.classes:
                return self._class(self.names.classes[node.id])
            if node.id in self.names.values:
                return self._alias(node.id, self.names.values[node.id])
        origin = self.names.origin(node) or ""
        if origin in _SIMPLE:
            return dict(_SIMPLE[origin])
        if origin in _MAPPINGS:
            return {"type": "object"}
        if origin in _LISTS or origin in _TUPLES:
            return {"type": "array", "items": {}}
        if isinstance(node, ast.Name) and not self._is_known(node.id, origin):
            return {"type": "object", "format": f"resource-{lower_snake(origin.rsplit('.', 1)[-1])}"}
        return {}

    def _is_known(self, name: str, origin: str) -> bool:
        """Not a resource type's name: builtin, or of the standard library or of what this file knows of."""
        top = origin.split(".")[0]
        library = top in sys.stdlib_module_names or top in ("pydantic", "annotated_types", "typing_extensions")
        return (library and "." in origin) or (name == origin and hasattr(builtins, name))

    def _alias(self, name: str, value: ast.expr) -> Schema:
        # `postgresql = dict` is how scripts name a resource type; `Payload = dict` is an ordinary alias.
        if name == name.lower() and self.names.origin(value) in _MAPPINGS:
            return {"type": "object", "format": f"resource-{name}"}
        return self.read(value)

    def _called(self, node: ast.Call) -> Schema:
        origin = self.names.origin(node.func) or ""
        last = origin.rsplit(".", 1)[-1]
        if origin == "typing.NewType" and len(node.args) == 2:
            return self.read(node.args[1])
        if origin == "typing.TypedDict" and len(node.args) == 2 and isinstance(node.args[1], ast.Dict):
            pairs = zip(node.args[1].keys, node.args[1].values, strict=True)
            written = [
                Field(key.value, value, None, True)
                for key, value in pairs
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            ]
            return self._record(written, {})
        if last in _CONSTRAINED:
            schema = self.read(ast.Name(id=_CONSTRAINED[last]))
            return {**schema, **self._constraints(node.keywords, schema)}
        return {}

    def _generic(self, target: ast.expr, inner: list[ast.expr]) -> Schema:
        origin = self.names.origin(target) or ""
        if not inner:
            return self.read(target)
        if origin == "typing.Optional":
            return {**self.read(inner[0]), "nullable": True}
        if origin == "typing.Union":
            return self._union(inner)
        if origin == "typing.Literal":
            return self._literal(inner)
        if origin == "typing.Annotated":
            return self._annotated(self.read(inner[0]), inner[1:])
        if origin in _WRAPPERS:
            return self.read(inner[0])
        if origin in _LISTS:
            return {"type": "array", "items": self.read(inner[0])}
        if origin in _TUPLES:
            items = [self.read(item) for item in inner if not _is_ellipsis(item)]
            return {"type": "array", "items": items[0] if items and all(item == items[0] for item in items) else {}}
        if origin in _MAPPINGS:
            values = self.read(inner[-1]) if len(inner) == 2 else {}
            return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
        return self.read(target) if isinstance(target, ast.Name) and target.id in self.names.classes else {}

    def _union(self, nodes: list[ast.expr]) -> Schema:
        found: list[Schema] = []
        nullable: Schema = {}
        for node in nodes:
            schema = self.read(node)
            if schema.pop("nullable", False) or schema == {"type": "null"}:
                nullable = {"nullable": True}
            if "properties" in schema and isinstance(node, ast.Name):
                schema.setdefault("title", node.id)
            if schema not in (*found, {"type": "null"}):
                found.append(schema)
        if {"type": "number"} in found and {"type": "integer"} in found:
            found.remove({"type": "integer"})
        if {} in found or not found:
            return nullable
        if len(found) == 1:
            return {**found[0], **nullable}
        if all("enum" in schema for schema in found) and len({schema.get("type") for schema in found}) == 1:
            return {**found[0], "enum": [value for schema in found for value in schema["enum"]], **nullable}
        return {"oneOf": found, **nullable}

    def _literal(self, inner: list[ast.expr]) -> Schema:
        try:
            values = [self.literals.read(item) for item in inner]
        except NotLiteral:
            return {}
        nullable: Schema = {"nullable": True} if None in values else {}
        return {**_enum([value for value in values if value is not None]), **nullable}

    def _annotated(self, schema: Schema, extras: list[ast.expr]) -> Schema:
        for extra in extras:
            if isinstance(extra, ast.Constant) and isinstance(extra.value, str):
                schema = {**schema, **self._constraints([ast.keyword("description", extra)], schema)}
            elif isinstance(extra, ast.Call):
                last = (self.names.origin(extra.func) or "").rsplit(".", 1)[-1]
                if last in _POSITIONAL:
                    placed = zip(_POSITIONAL[last], extra.args, strict=False)
                    keywords = [ast.keyword(name, value) for name, value in placed]
                    schema = {**schema, **self._constraints([*keywords, *extra.keywords], schema)}
        return schema

    def _constraints(self, keywords: list[ast.keyword] | tuple[ast.keyword, ...], schema: Schema) -> Schema:
        found: Schema = {}
        for keyword in keywords:
            try:
                if keyword.arg == "json_schema_extra":
                    extra = self.literals.read(keyword.value)
                    found.update(extra if isinstance(extra, dict) else {})
                elif keyword.arg in _KEYWORDS:
                    found[_KEYWORDS[keyword.arg]] = self.literals.read(keyword.value)
            except NotLiteral:
                continue
        if schema.get("type") == "array":
            renamed = {"minLength": "minItems", "maxLength": "maxItems"}
            return {renamed.get(key, key): value for key, value in found.items()}
        return found

    def _class(self, found: ast.ClassDef) -> Schema:
        kind = kind_of(found, self.names)
        if kind == "enum":
            return self._enum_class(found)
        if kind is None or (kind == "typed_dict" and found.name == found.name.lower()):
            return {"type": "object", "format": f"resource-{lower_snake(found.name)}"}
        if self._classes.count(found.name) >= _MAX_SAME_CLASS:
            return {"type": "object"}
        self._classes.append(found.name)
        try:
            about = self._docstring(found)
            schema = self._record(fields_of(found, kind, self.names), about.arguments)
        finally:
            self._classes.pop()
        if about.summary and self.budget.spend(len(about.summary)):
            schema["description"] = about.summary
        return schema

    def _docstring(self, found: ast.ClassDef) -> Docstring:
        if found.name not in self._docstrings:
            self._docstrings[found.name] = read_docstring(ast.get_docstring(found))
        return self._docstrings[found.name]

    def _record(self, fields: list[Field], words: dict[str, str]) -> Schema:
        properties: Schema = {}
        for field in fields:
            schema = self.read(field.annotation)
            schema = {**schema, **self._constraints(field.settings, schema)}
            if field.default is not None:
                schema = self.with_default(schema, field.default)
            if field.name in words and self.budget.spend(len(words[field.name])):
                schema.setdefault("description", words[field.name])
            properties[field.name] = schema
        required = [field.name for field in fields if field.required]
        return {"type": "object", "properties": properties, "required": required, "order": list(properties)}

    def _enum_class(self, found: ast.ClassDef) -> Schema:
        try:
            members = self.literals.members(found)
        except NotLiteral:
            return {}
        if not members:
            return {}
        schema = _enum(list(members.values()))
        labels = {str(value): name for name, value in members.items() if str(value) != name}
        return {**schema, "enumLabels": labels} if labels else schema


def _enum(values: list[Any]) -> Schema:
    kinds = {_type_of(value).get("type") for value in values}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    return {"type": kinds.pop(), "enum": values} if len(kinds) == 1 and None not in kinds else {"enum": values}


def _type_of(value: Any) -> Schema:
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case dict():
            return {"type": "object"}
        case list():
            kinds = [_type_of(item) for item in value]
            same = bool(kinds) and all(kind == kinds[0] for kind in kinds)
            return {"type": "array", "items": kinds[0] if same else {}}
    return {}


def _alternatives(node: ast.expr) -> list[ast.expr]:
    """`a | b | c`, which the parser nests to the left."""
    found: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        found.append(node.right)
        node = node.left
    return [node, *reversed(found)]


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis
