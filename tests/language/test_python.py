"""The signature of a Python script: defaults, descriptions, heads, broken and hostile sources."""

import json
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmill.language.python import Imports, imports, signature
from postmill.language.schema import DIALECT, MAX_SOURCE

_quick = settings(max_examples=60, deadline=None, database=None)


def test_a_signature_becomes_a_schema_with_its_order_and_what_is_required() -> None:
    found = signature("def main(b: str, a: int = 3, *rest, c: bool, d=None, **more): ...")
    assert found.schema == {
        "$schema": DIALECT,
        "type": "object",
        "properties": {
            "b": {"type": "string"},
            "a": {"type": "integer", "default": 3},
            "c": {"type": "boolean"},
            "d": {"default": None},
        },
        "required": ["b", "c"],
        "order": ["b", "a", "c", "d"],
    }
    assert (found.has_main, found.has_preprocessor, found.strict, found.error) == (True, False, False, None)


@pytest.mark.parametrize(
    "source",
    [
        "async def main(x: int): ...",
        "def main(x: int, /): ...",
        "def main(*, x: int): ...",
        "from __future__ import annotations\ndef main(x: int): ...",
        "try:\n    import yaml\nexcept ImportError:\n    pass\nelse:\n    def main(x: int): ...",
        "def main(y: str): ...\ndef main(x: int): ...",
        "@decorated(1)\ndef main(x: int): ...",
    ],
)
def test_every_way_to_define_main_is_read(source: str) -> None:
    found = signature(source)
    assert found.has_main
    assert found.schema["properties"] == {"x": {"type": "integer"}}
    assert found.schema["required"] == ["x"]


_DEFAULTS: list[tuple[str, dict[str, Any]]] = [
    ("x='a'", {"type": "string", "default": "a"}),
    ("x=1", {"type": "integer", "default": 1}),
    ("x=-1.5", {"type": "number", "default": -1.5}),
    ("x=True", {"type": "boolean", "default": True}),
    ("x=b'abc'", {"type": "string", "contentEncoding": "base64", "default": "YWJj"}),
    ("x=[1, 2]", {"type": "array", "items": {"type": "integer"}, "default": [1, 2]}),
    ("x=[1, 'a']", {"type": "array", "items": {}, "default": [1, "a"]}),
    ("x=(1, 2)", {"type": "array", "items": {"type": "integer"}, "default": [1, 2]}),
    ("x={'a': [None]}", {"type": "object", "default": {"a": [None]}}),
    ("x=None", {"default": None}),
    ("x: str = None", {"type": "string", "nullable": True, "default": None}),
    ("x: float = 1", {"type": "number", "default": 1}),
    ("x: int | None = 3", {"type": "integer", "nullable": True, "default": 3}),
    ("x: int = LIMIT", {"type": "integer", "default": 5}),
    ("x: Color = Color.RED", {"type": "string", "enum": ["r"], "enumLabels": {"r": "RED"}, "default": "r"}),
    ("x=Color.RED", {"type": "string", "enum": ["r"], "enumLabels": {"r": "RED"}, "default": "r"}),
    ("x: str = Color.RED.value", {"type": "string", "default": "r"}),
    ("x: int = Color.GREEN", {"type": "integer"}),
    ("x: int = now()", {"type": "integer"}),
    ("x=now()", {}),
    ("x: float = 1e999", {"type": "number"}),
    ("x: int = 0x" + "f" * 5000, {"type": "integer"}),
    ("x: str = '\\ud800'", {"type": "string"}),
    ("x: dict = {1: 2}", {"type": "object"}),
    ("x: int = LOOP", {"type": "integer"}),
]


def test_an_argument_with_a_default_is_not_required() -> None:
    head = "from enum import Enum\nLIMIT = 5\nLOOP = LOOP\nclass Color(Enum):\n    RED = 'r'\n"
    for argument, rule in _DEFAULTS:
        found = signature(f"{head}\ndef main({argument}): ...\n")
        assert (argument, found.schema["properties"]) == (argument, {"x": rule})
        assert found.error is None and found.schema["required"] == []


_DOCSTRINGS = {
    "google": """
    Greet somebody.

    At length.

    Args:
        name (str): who to greet,
            by name
        times: how often: at most nine

    Returns:
        other: a greeting
    """,
    "numpy": """
    Greet somebody.

    Parameters
    ----------
    name : str
        who to greet,
        by name
    times : int, optional
        how often: at most nine

    Returns
    -------
    other
        a greeting
    """,
    "sphinx": """
    Greet somebody.

    :param str name: who to greet,
        by name
    :param times: how often: at most nine
    :returns other: a greeting
    """,
}


@pytest.mark.parametrize("style", _DOCSTRINGS)
def test_descriptions_come_from_the_docstring(style: str) -> None:
    found = signature(f'def main(name: str, times=1, other=2):\n    """{_DOCSTRINGS[style]}"""\n')
    assert found.schema["description"] == "Greet somebody."
    words = {name: rule.get("description") for name, rule in found.schema["properties"].items()}
    assert words == {"name": "who to greet, by name", "times": "how often: at most nine", "other": None}


def test_a_description_beside_the_argument_is_nearer_than_the_docstring() -> None:
    doc = '"""Do.\n\n    Args:\n        x: far\n        y: near\n    """'
    found = signature(f"from typing import Annotated\ndef main(x: Annotated[int, 'beside'], y: int):\n    {doc}\n")
    assert found.schema["properties"]["x"]["description"] == "beside"
    assert found.schema["properties"]["y"]["description"] == "near"


@pytest.mark.parametrize(
    ("source", "strict"),
    [
        ("# strict\ndef main(): ...", True),
        ("#!/usr/bin/env python\n\n#schema_validation\nimport os", True),
        ("# py: >=3.12\n# strict", True),
        ("import os\n# strict\n", False),
        ("# strictly speaking\n", False),
        ("x = '''\n# strict\n'''", False),
        ("", False),
    ],
)
def test_strictness_is_asked_for_by_a_comment_at_the_head(source: str, strict: bool) -> None:
    assert signature(source).strict is strict


def test_a_source_without_main_is_a_library() -> None:
    found = signature("class main: ...\ndef other(x): ...\nclass A:\n    def main(self): ...\n")
    assert not found.has_main
    assert found.schema["properties"] == {}


def test_another_entrypoint_and_the_preprocessor_are_found() -> None:
    found = signature("def preprocessor(event: dict): ...\ndef main(x): ...", "preprocessor")
    assert found.has_preprocessor and found.has_main
    assert found.schema["order"] == ["event"]
    assert not signature("def main(x): ...", "preprocessor").has_main


_BROKEN = """import yaml
from enum import Enum

class Color(Enum):
    RED = "r"

LIMIT = 5

def other(:
    pass

def main(
    color: Color,
    limit: int = LIMIT,
) -> dict:
    result = foo(1,
    return result
"""


def test_a_broken_source_says_where_and_keeps_its_form() -> None:
    found = signature(_BROKEN)
    assert found.error is not None and found.error.startswith("line 9, column ")
    assert found.error_line == 9
    assert found.has_main
    assert found.schema["properties"]["color"]["enum"] == ["r"]
    assert found.schema["properties"]["limit"] == {"type": "integer", "default": 5}
    assert imports(_BROKEN).modules == ("yaml", "enum")


def test_the_error_says_what_was_expected() -> None:
    assert signature("def main(x)\n    pass\n").error == "line 1, column 12: expected ':'"
    assert signature("x = (1,\n").error == "line 1, column 5: '(' was never closed"
    assert signature("x = 1 2\n").error_line == 1


_HOSTILE = {
    "parentheses": "(" * 10_000,
    "minus": "-" * 100_000 + "1",
    "sum": "x = 1" + "+1" * 20_000,
    "calls": "x = f" + "()" * 20_000,
    "union": "def main(x: " + " | ".join(["int"] * 10_000) + "): ...",
    "lambdas": "lambda:" * 50_000 + "1",
    "indents": "\n".join(" " * depth + "if 1:" for depth in range(150)),
    "nul": "def main(): ...\n\0",
    "surrogate": "def main():\n  '\ud800'",
    "digits": "x = " + "9" * 10_000,
    "long": "x = 1\n" * 2_000_000,
    "blocks": "def f(:\n" * 1_000,
    "escape": "'\\d' is 1",
}


@pytest.mark.parametrize("name", [name for name in _HOSTILE if name != "escape"])
def test_a_hostile_source_is_an_error_and_never_an_exception(name: str) -> None:
    found = signature(_HOSTILE[name])
    assert found.error
    json.dumps(found.schema).encode()
    assert imports(_HOSTILE[name]).workspace == ()


def test_the_place_of_an_impossible_character_is_named() -> None:
    assert signature(_HOSTILE["nul"]).error == "line 2, column 1: a NUL character cannot stand in a source"
    assert signature(_HOSTILE["surrogate"]).error_line == 2


def test_a_source_is_read_up_to_its_limit() -> None:
    source = "def main(x: int): ...\n"
    assert signature(source + "#" * (MAX_SOURCE - len(source))).error is None
    assert "500,001 characters" in (signature(source + "#" * (MAX_SOURCE - len(source) + 1)).error or "")


def test_warnings_of_a_source_stay_inside() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert signature(_HOSTILE["escape"]).error is None


_AMPLIFIERS = {
    "classes": "from dataclasses import dataclass\n"
    + "".join(f"@dataclass\nclass A{n}:\n  a: A{n + 1}\n  b: A{n + 1}\n  c: A{n + 1}\n" for n in range(40))
    + "def main(x: A0): ...",
    "values": "A0 = 'long text ' \n"
    + "".join(f"A{n + 1} = [{', '.join([f'A{n}'] * 10)}]\n" for n in range(20))
    + "def main(x=A20): ...",
    "text": "A = '" + "x" * 50_000 + "'\ndef main(" + ", ".join(f"a{n}=A" for n in range(500)) + "): ...",
    "aliases": "A = 'B'\nB = 'A'\ndef main(x: A): ...",
    "ancestors": "class A(B): ...\nclass B(A): ...\ndef main(x: A): ...",
    "quoted": "def main(x: " + repr(repr(repr(repr("int")))) + "): ...",
}


@pytest.mark.parametrize("name", _AMPLIFIERS)
def test_a_short_source_never_becomes_a_huge_schema(name: str) -> None:
    found = signature(_AMPLIFIERS[name])
    assert found.error is None and found.has_main
    assert len(json.dumps(found.schema)) < 1_000_000


def test_a_nearly_exhausted_stack_gives_an_answer_too() -> None:
    def room() -> int:
        try:
            return 1 + room()
        except RecursionError:
            return 0

    def deep(levels: int) -> str | None:
        return deep(levels - 1) if levels else signature("def main(x: list[list[list[int]]]): ...").error

    answers = {deep(room() - spare) for spare in range(12, 80, 2)}
    assert None in answers and len(answers) > 1
    assert all("too deep" in answer for answer in answers if answer)


_PIECES = st.sampled_from(
    "def main( |x|: |int|list[|]| = |1|'a'|, |):| ...|\n|    |class A|(|)|BaseModel|Enum|TypedDict|Literal[|Optional["
    '|None|@dataclass\n|import |f.a.b|*|from . import y\n|"""|Args:\n|Field(|ge=1|Annotated[|#|\\|\0|\ud800|lambda|{|}'
    "".split("|")
)


@_quick
@given(st.text(max_size=60) | st.lists(_PIECES, max_size=30).map("".join))
def test_no_text_makes_the_reader_raise(source: str) -> None:
    for text in (source, f"def main({source}): ...", f"class A(BaseModel):\n    x: {source}\ndef main(a: A): ..."):
        found = signature(text)
        assert json.loads(json.dumps(found.schema)) == found.schema
        json.dumps(found.schema, ensure_ascii=False).encode()
        (found.error or "").encode()
        imports(text, "f/a/b")


@_quick
@given(st.text(alphabet=" \n:-abArgsPmet().*,\t", max_size=120))
def test_no_docstring_makes_the_reader_raise(text: str) -> None:
    found = signature(f"def main(a, b):\n    {text!r}\n")
    assert found.error is None and found.schema["order"] == ["a", "b"]


_WORKSPACE: list[tuple[str, tuple[str, ...]]] = [
    ("from f.team.mod import x", ("f/team/mod", "f/team/mod/x")),
    ("from f.team import mod", ("f/team", "f/team/mod")),
    ("from f.team.mod import *", ("f/team/mod",)),
    ("import f.team.mod", ("f/team/mod",)),
    ("import f.team.mod as m, u.ada.lib", ("f/team/mod", "u/ada/lib")),
    ("from u.ada.lib import x as y", ("u/ada/lib", "u/ada/lib/x")),
    ("from .mod import x", ("f/my.team/sub/mod", "f/my.team/sub/mod/x")),
    ("from . import mod", ("f/my.team/sub", "f/my.team/sub/mod")),
    ("from ..other.mod import x", ("f/my.team/other/mod", "f/my.team/other/mod/x")),
    ("from ....out import x", ()),
    ("import f", ()),
    ("def main():\n    if x:\n        from f.team.mod import *", ("f/team/mod",)),
    ("match x:\n    case 1:\n        import f.a.b", ("f/a/b",)),
    ("'''\nimport f.a.b\n'''", ()),
]


def test_workspace_imports_become_candidate_paths() -> None:
    read = [(source, imports(source, "f/my.team/sub/script").workspace) for source, _ in _WORKSPACE]
    assert read == _WORKSPACE


def test_relative_imports_need_the_path_of_the_script() -> None:
    assert imports("from .mod import x\nfrom . import y") == Imports()


def test_other_imports_are_named_once_by_their_first_name() -> None:
    source = (
        "import os.path, yaml as y\nfrom google.cloud import storage\nimport yaml\nif TYPE_CHECKING:\n    import z\n"
    )
    assert imports(source).modules == ("os", "yaml", "google")
