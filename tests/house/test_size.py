"""A limit is a test: taste does not hold this line."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES = 400
FUNCTION_LINES = 70
COMPONENT_LINES = 200

PYTHON = sorted(path for folder in ("postmill", "tests", "bench", "examples") for path in (ROOT / folder).rglob("*.py"))
WEB = sorted(
    path
    for path in (ROOT / "web" / "src").rglob("*")
    if path.suffix in (".svelte", ".ts") and "generated" not in path.parts
)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*PYTHON, *WEB], ids=_name)
def test_no_file_is_longer_than_its_limit(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= (COMPONENT_LINES if path.suffix == ".svelte" else FILE_LINES)


@pytest.mark.parametrize("path", PYTHON, ids=_name)
def test_no_function_is_longer_than_seventy_lines(path: Path) -> None:
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    ]
    assert not long


@pytest.mark.parametrize("path", sorted((ROOT / "postmill").rglob("*.py")), ids=_name)
def test_no_file_is_a_basement(path: Path) -> None:
    basements = {"utils", "util", "common", "helpers", "helper", "manager", "core", "base", "misc"}
    assert not basements & {path.stem, *path.relative_to(ROOT).parts}


def test_there_is_something_to_measure() -> None:
    assert len(PYTHON) > 50
    assert len(WEB) > 5
