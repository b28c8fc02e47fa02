"""Scripts: immutable versions in a linear history, one head a path."""

from dataclasses import asdict, fields
from typing import Any

from psycopg.types.json import Json

from postmill.model.script import Script
from postmill.store.db import Connection, Cursor
from postmill.store.sql import load

SQL = load(__file__)
_FIELDS = tuple(field.name for field in fields(Script))


def _script(row: dict[str, Any]) -> Script:
    return Script(**{name: row[name] for name in _FIELDS})


async def _one(tx: Connection, statement: str, parameters: dict[str, Any]) -> Script | None:
    row = await (await tx.execute(SQL[statement], parameters)).fetchone()
    return _script(row) if row else None


async def lock_path(tx: Connection, workspace: str, path: str) -> None:
    """Wait for other deploys of this path."""
    await tx.execute(SQL["lock_path"], {"workspace": workspace, "path": path})


async def lock_imports(tx: Connection, workspace: str) -> None:
    """Wait for others that change what is imported in this workspace. After `lock_path`, never before it."""
    await tx.execute(SQL["lock_imports"], {"workspace": workspace})


async def head(tx: Connection, workspace: str, path: str) -> Script | None:
    """The version that runs by path."""
    return await _one(tx, "head", {"workspace": workspace, "path": path})


async def ask_head(tx: Connection, workspace: str, path: str) -> Cursor:
    """`head` for a pipeline: `answer` reads it after COMMIT. The hot read of every run by path."""
    return await tx.execute(SQL["head"], {"workspace": workspace, "path": path})


async def answer(cursor: Cursor) -> Script | None:
    row = await cursor.fetchone()
    return _script(row) if row else None


async def locked_before(tx: Connection, script: Script) -> Script | None:
    """The nearest older version of its path whose dependencies are resolved."""
    parameters = {"workspace": script.workspace_id, "hash": script.hash, "path": script.path}
    return await _one(tx, "locked_before", parameters)


async def latest(tx: Connection, workspace: str, path: str) -> Script | None:
    """The head, or the newest archived version when there is none."""
    return await _one(tx, "latest", {"workspace": workspace, "path": path})


async def version(tx: Connection, workspace: str, hash_: int) -> Script | None:
    return await _one(tx, "version", {"workspace": workspace, "hash": hash_})


async def hash_taken(tx: Connection, workspace: str, hash_: int) -> bool:
    """Whether a version has this hash, a deleted one too."""
    cursor = await tx.execute(SQL["hash_taken"], {"workspace": workspace, "hash": hash_})
    return cursor.rowcount > 0


async def sources(tx: Connection, workspace: str, paths: list[str], language: str) -> dict[str, str]:
    """Path → content of those heads that exist."""
    cursor = await tx.execute(SQL["heads"], {"workspace": workspace, "paths": paths, "language": language})
    return {row["path"]: row["content"] for row in await cursor.fetchall()}


async def insert(tx: Connection, script: Script) -> None:
    values = asdict(script)
    values["schema"] = Json(script.schema) if script.schema is not None else None
    await tx.execute(SQL["insert"], values)


async def archive_hash(tx: Connection, workspace: str, hash_: int) -> bool:
    return (await tx.execute(SQL["archive_hash"], {"workspace": workspace, "hash": hash_})).rowcount > 0


async def archive_path(tx: Connection, workspace: str, path: str) -> bool:
    return (await tx.execute(SQL["archive_path"], {"workspace": workspace, "path": path})).rowcount > 0


async def delete_hash(tx: Connection, workspace: str, hash_: int) -> bool:
    return (await tx.execute(SQL["delete_hash"], {"workspace": workspace, "hash": hash_})).rowcount > 0


async def delete_path(tx: Connection, workspace: str, path: str) -> int:
    """How many versions."""
    return (await tx.execute(SQL["delete_path"], {"workspace": workspace, "path": path})).rowcount


async def history(tx: Connection, workspace: str, path: str, limit: int, offset: int) -> list[dict[str, Any]]:
    """`{hash, deployment_message, created_at, created_by}`, newest first."""
    parameters = {"workspace": workspace, "path": path, "limit": limit, "offset": offset}
    return await (await tx.execute(SQL["history"], parameters)).fetchall()


async def list_scripts(tx: Connection, filters: dict[str, Any]) -> list[Script]:
    """`filters` names every parameter of the statement `list`; None where a filter is not set."""
    return [_script(row) for row in await (await tx.execute(SQL["list"], filters)).fetchall()]


async def list_paths(tx: Connection, workspace: str) -> list[str]:
    rows = await (await tx.execute(SQL["list_paths"], {"workspace": workspace})).fetchall()
    return [row["path"] for row in rows]
