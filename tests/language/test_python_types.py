"""One annotation a row: what the form of an argument is made of."""

from typing import Any

from postmill.language.python import signature

_HEAD = """
import datetime, decimal, enum, pathlib, typing as t, uuid, wmill
import pandas as pd
from collections import abc, OrderedDict
from dataclasses import dataclass
from datetime import datetime as dt, date
from enum import Enum, IntEnum, StrEnum, auto
from typing import (Annotated, Any, Callable, Dict, Final, List, Literal, Mapping, NewType, Optional, Set, Tuple,
    TypedDict, Union)
from annotated_types import Ge, Gt, Interval, Le, Len, Lt, MaxLen, MinLen, MultipleOf
from pydantic import BaseModel, EmailStr, Field, HttpUrl, SecretStr, conint, constr
from f.sales.types import Customer
from wmill import S3Object

class Color(str, Enum):
    RED = "r"
    BLUE = "b"

class Same(StrEnum):
    red = auto()
    blue = auto()

class Level(IntEnum):
    LOW = auto()
    HIGH = 7

class Computed(Enum):
    NOW = print()

class postgresql(TypedDict):
    host: str

c_slack = dict
Payload = dict
Names = list[str]
UserId = NewType("UserId", int)
DynSelect_city = str

class Plain:
    pass
"""

_STRING = {"type": "string"}
_INTEGER = {"type": "integer"}
_LIST = {"type": "array", "items": {}}
_OBJECT = {"type": "object"}


def _read(annotation: str) -> Any:
    found = signature(f"{_HEAD}\ndef main(x: {annotation}): ...\n")
    assert found.error is None
    assert found.schema["required"] == ["x"]
    return found.schema["properties"]["x"]


_ROWS: list[tuple[str, dict[str, Any]]] = [
    ("str", _STRING),
    ("int", _INTEGER),
    ("float", {"type": "number"}),
    ("bool", {"type": "boolean"}),
    ("'int'", _INTEGER),
    ("'Optional[int]'", {**_INTEGER, "nullable": True}),
    ("bytes", {"type": "string", "contentEncoding": "base64"}),
    ("datetime.datetime", {"type": "string", "format": "date-time"}),
    ("dt", {"type": "string", "format": "date-time"}),
    ("date", {"type": "string", "format": "date"}),
    ("datetime.time", {"type": "string", "format": "time"}),
    ("decimal.Decimal", {"type": "number"}),
    ("uuid.UUID", {"type": "string", "format": "uuid"}),
    ("pathlib.Path", _STRING),
    ("EmailStr", {"type": "string", "format": "email"}),
    ("HttpUrl", {"type": "string", "format": "uri"}),
    ("SecretStr", {"type": "string", "password": True}),
    ("Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
    ("Literal[1, -2]", {"type": "integer", "enum": [1, -2]}),
    ("Literal[1, 'a']", {"enum": [1, "a"]}),
    ("Literal['a', None]", {"type": "string", "enum": ["a"], "nullable": True}),
    ("Literal[Color.RED]", {"type": "string", "enum": ["r"]}),
    ("Literal['a'] | Literal['b']", {"type": "string", "enum": ["a", "b"]}),
    ("list[Literal['a', 'b']]", {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}),
    ("Color", {"type": "string", "enum": ["r", "b"], "enumLabels": {"r": "RED", "b": "BLUE"}}),
    ("Same", {"type": "string", "enum": ["red", "blue"]}),
    ("Level", {"type": "integer", "enum": [1, 7], "enumLabels": {"1": "LOW", "7": "HIGH"}}),
    ("Computed", {}),
    ("dict", _OBJECT),
    ("Dict", _OBJECT),
    ("OrderedDict", _OBJECT),
    ("Dict[str, Any]", _OBJECT),
    ("abc.Mapping[str, int]", {"type": "object", "additionalProperties": _INTEGER}),
    ("list", _LIST),
    ("List", _LIST),
    ("list[Any]", _LIST),
    ("list[str]", {"type": "array", "items": _STRING}),
    ("t.List[List[int]]", {"type": "array", "items": {"type": "array", "items": _INTEGER}}),
    ("abc.Sequence[str]", {"type": "array", "items": _STRING}),
    ("set[str]", {"type": "array", "items": _STRING}),
    ("tuple", _LIST),
    ("tuple[int, ...]", {"type": "array", "items": _INTEGER}),
    ("Tuple[int, int]", {"type": "array", "items": _INTEGER}),
    ("Tuple[int, str]", _LIST),
    ("tuple[()]", _LIST),
    ("Optional[str]", {**_STRING, "nullable": True}),
    ("str | None", {**_STRING, "nullable": True}),
    ("None | str", {**_STRING, "nullable": True}),
    ("Union[str, None]", {**_STRING, "nullable": True}),
    ("Optional[Any]", {"nullable": True}),
    ("int | str", {"oneOf": [_INTEGER, _STRING]}),
    ("t.Union[int, str, None]", {"oneOf": [_INTEGER, _STRING], "nullable": True}),
    ("int | float", {"type": "number"}),
    ("int | Any", {}),
    ("postgresql", {"type": "object", "format": "resource-postgresql"}),
    ("c_slack", {"type": "object", "format": "resource-c_slack"}),
    ("unheard_of", {"type": "object", "format": "resource-unheard_of"}),
    ("MyDatabase", {"type": "object", "format": "resource-my_database"}),
    ("Customer", {"type": "object", "format": "resource-customer"}),
    ("Plain", {"type": "object", "format": "resource-plain"}),
    ("list[postgresql]", {"type": "array", "items": {"type": "object", "format": "resource-postgresql"}}),
    ("Payload", _OBJECT),
    ("Names", {"type": "array", "items": _STRING}),
    ("UserId", _INTEGER),
    ("wmill.S3Object", {"type": "object", "format": "resource-s3_object"}),
    ("S3Object", {"type": "object", "format": "resource-s3_object"}),
    ("DynSelect_city", {"type": "object", "format": "dynselect-city"}),
    ("DynSelect_other_fn", {"type": "object", "format": "dynselect-other_fn"}),
    ("Any", {}),
    ("object", {}),
    ("Callable[[int], str]", {}),
    ("pd.DataFrame", {}),
    ("complex", {}),
    ("1 + 1", {}),
    ("Final[int]", _INTEGER),
    ("Annotated[int, Ge(1), Le(9)]", {"type": "integer", "minimum": 1, "maximum": 9}),
    ("Annotated[float, Gt(0), Lt(1.5)]", {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1.5}),
    ("Annotated[int, Interval(ge=2, lt=5)]", {"type": "integer", "minimum": 2, "exclusiveMaximum": 5}),
    ("Annotated[int, MultipleOf(5)]", {"type": "integer", "multipleOf": 5}),
    ("Annotated[str, MinLen(1), MaxLen(3)]", {"type": "string", "minLength": 1, "maxLength": 3}),
    ("Annotated[list[int], Len(1, 3)]", {"type": "array", "items": _INTEGER, "minItems": 1, "maxItems": 3}),
    ("Annotated[str, 'who to greet']", {"type": "string", "description": "who to greet"}),
    ("Annotated[str, Field(pattern='^a', title='A')]", {"type": "string", "pattern": "^a", "title": "A"}),
    ("Annotated[str, Field(json_schema_extra={'password': True})]", {"type": "string", "password": True}),
    ("Annotated[str, Unknown(1), len]", _STRING),
    ("Annotated[int, Ge(limit())]", _INTEGER),
    ("conint(ge=1, le=3)", {"type": "integer", "minimum": 1, "maximum": 3}),
    ("constr(max_length=3)", {"type": "string", "maxLength": 3}),
]


def test_every_annotation_becomes_its_schema() -> None:
    assert {annotation: _read(annotation) for annotation, _ in _ROWS} == dict(_ROWS)


_RECORDS = """
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, NotRequired, Optional, Required, TypedDict, Union
import pydantic
from pydantic import BaseModel, Field

class Base(BaseModel):
    id: int = Field(..., ge=1, description="its number")

class Line(Base):
    '''A line of an order.

    Attributes:
        name: what is ordered
    '''
    model_config = {"extra": "forbid"}
    kind: ClassVar[str] = "line"
    _secret: int = 3
    name: str = "x"
    tags: list[str] = Field(default_factory=list, max_length=5)
    size: int = Field(3, alias="sizeInCm")
    made: float = Field(default_factory=lambda: 1.0)
    id: int = Field(ge=2)

class Node(BaseModel):
    value: int
    children: "list[Node]" = []

@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0
    names: list[str] = field(default_factory=list)
    options: dict = field(default_factory=dict)
    hidden: int = field(init=False)

@pydantic.dataclasses.dataclass
class Other:
    point: Point

class Whole(TypedDict):
    a: int
    b: NotRequired[str]

class Partial(Whole, total=False):
    c: Required[int]
    d: bool

Functional = TypedDict("Functional", {"a": int})
"""


def _record(name: str) -> Any:
    found = signature(f"{_RECORDS}\ndef main(x: {name}): ...\n")
    assert found.error is None
    return found.schema["properties"]["x"]


def test_a_pydantic_model_becomes_an_object_with_inherited_fields_defaults_and_constraints() -> None:
    assert _record("Line") == {
        "type": "object",
        "description": "A line of an order.",
        "properties": {
            "id": {"type": "integer", "minimum": 2},
            "name": {"type": "string", "default": "x", "description": "what is ordered"},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5, "default": []},
            "sizeInCm": {"type": "integer", "default": 3},
            "made": {"type": "number"},
        },
        "required": ["id"],
        "order": ["id", "name", "tags", "sizeInCm", "made"],
    }
    assert _record("Base")["properties"]["id"] == {"type": "integer", "minimum": 1, "description": "its number"}


def test_a_dataclass_becomes_an_object_also_inside_another() -> None:
    point = {
        "type": "object",
        "properties": {
            "x": {"type": "integer"},
            "y": {"type": "integer", "default": 0},
            "names": {"type": "array", "items": {"type": "string"}, "default": []},
            "options": {"type": "object", "default": {}},
        },
        "required": ["x"],
        "order": ["x", "y", "names", "options"],
    }
    assert _record("Point") == point
    assert _record("Other")["properties"] == {"point": point}


def test_a_typed_dict_requires_by_totality() -> None:
    assert _record("Whole")["required"] == ["a"]
    assert _record("Whole")["order"] == ["a", "b"]
    assert _record("Partial")["required"] == ["a", "c"]
    assert _record("Partial")["properties"]["d"] == {"type": "boolean"}
    assert _record("Functional")["properties"] == {"a": {"type": "integer"}}


def test_a_class_that_contains_itself_is_cut_off_after_one_level() -> None:
    inner = _record("Node")["properties"]["children"]["items"]
    assert inner["properties"]["value"] == {"type": "integer"}
    assert inner["properties"]["children"] == {"type": "array", "items": {"type": "object"}, "default": []}


def test_the_choices_of_a_union_carry_the_names_of_their_classes() -> None:
    found = _record("Union[Point, Whole, None]")
    assert [choice["title"] for choice in found["oneOf"]] == ["Point", "Whole"]
    assert found["nullable"] is True
