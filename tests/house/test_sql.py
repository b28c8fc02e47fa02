"""SQL stands in one room, and every statement of it prepares on the migrated schema."""

import ast
import re
from pathlib import Path

import psycopg
import pytest
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

from postmill.store import filters, migrate
from postmill.store.sql import load

ROOT = Path(__file__).parents[2] / "postmill"
FILES = sorted(path for path in (ROOT / "store").glob("*.sql") if path != migrate.WALL)
STATEMENTS = [
    pytest.param(path, name, id=f"{path.stem}.{name}") for path in FILES for name in load(str(path.with_suffix(".py")))
]
_SQL = re.compile(
    r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s)", re.I | re.S
)


def _prepared(statement: bytes) -> bytes:
    """`%(name)s` as $1, as psycopg sends it."""
    names = dict.fromkeys(match.decode() for match in re.findall(rb"%\((\w+)\)", statement))
    query = PostgresQuery(Transformer())
    query.convert(statement, dict.fromkeys(names))
    return query.query


@pytest.mark.anyio
@pytest.mark.parametrize(("path", "name"), STATEMENTS)
async def test_every_statement_prepares(path: Path, name: str, logins: migrate.Logins) -> None:
    statement = load(str(path.with_suffix(".py")))[name]
    every = filters.Filters(workspace="w", email="e", admin=False, chosen=dict.fromkeys(filters.NAMES))
    statement = statement.replace(b"{filters}", every.where()).replace(b"{order}", every.order())
    with psycopg.connect(logins.system_url) as connection:
        connection.execute(b"PREPARE house AS " + _prepared(statement))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_statement_file_stands_beside_its_module_and_each_statement_is_used(path: Path) -> None:
    module = path.with_suffix(".py").read_text()
    for name in load(str(path.with_suffix(".py"))):
        assert f'"{name}"' in module, f"{path.name}: {name} is used nowhere"


@pytest.mark.parametrize(
    "path",
    sorted(path for path in ROOT.rglob("*.py") if path.parent.name != "store"),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_sql_stands_outside_the_store(path: Path) -> None:
    found = [
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str | bytes)
        and _SQL.match(node.value if isinstance(node.value, str) else node.value.decode(errors="replace"))
    ]
    assert not found


def test_no_statement_is_formatted_from_values() -> None:
    formatted = [
        path.name
        for path in (ROOT / "store").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr)
        and any(isinstance(part, ast.Constant) and _SQL.match(str(part.value)) for part in node.values)
    ]
    assert not formatted


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in migrate.migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
