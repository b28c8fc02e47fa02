"""Who imports what, which dependency job a version waits for, and the workspace's dependency files."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from postmill.store.db import Connection
from postmill.store.sql import load

SQL = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """The head of a path."""

    hash: int
    path: str
    tag: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyFile:
    """One version of a workspace dependency file. `name` is "" for the one that every script is given."""

    id: int
    workspace_id: str
    language: str
    name: str
    description: str
    content: str
    archived: bool
    created_by: str
    created_at: datetime


async def set_imports(tx: Connection, workspace: str, path: str, imports: list[str]) -> None:
    """What the head of a path imports, in place of what was known."""
    await tx.execute(SQL["forget_imports"], {"workspace": workspace, "path": path})
    if imports:
        await tx.execute(SQL["remember_imports"], {"workspace": workspace, "path": path, "imports": imports})


async def dependents(tx: Connection, workspace: str, imports: list[str]) -> list[Dependent]:
    """The heads whose imports lead to one of these, by path."""
    cursor = await tx.execute(SQL["dependents"], {"workspace": workspace, "imports": imports})
    return [Dependent(**row) for row in await cursor.fetchall()]


async def expect(tx: Connection, workspace: str, hash_: int, job: UUID) -> None:
    """From now on it is this job that settles the version's lock."""
    await tx.execute(SQL["expect"], {"workspace": workspace, "hash": hash_, "job": job})


async def settle(tx: Connection, job: UUID, lock: str | None = None) -> None:
    """After the end of a job: if it was a dependency job, its version has a lock or an error now. Reads no answer.

    `lock` is given where the result may be too large to stand in the job's row.
    """
    await tx.execute(SQL["settle"], {"job": job, "lock": lock})


async def files(tx: Connection, workspace: str, language: str) -> dict[str, str]:
    """Name → content of the workspace's dependency files; "" is the unnamed one."""
    cursor = await tx.execute(SQL["files"], {"workspace": workspace, "language": language})
    return {row["name"]: row["content"] for row in await cursor.fetchall()}


async def file(tx: Connection, workspace: str, language: str, name: str) -> DependencyFile | None:
    """Its newest version, unless it was archived."""
    row = await (await tx.execute(SQL["file"], _which(workspace, language, name))).fetchone()
    return DependencyFile(**row) if row else None


async def list_files(tx: Connection, workspace: str) -> list[DependencyFile]:
    cursor = await tx.execute(SQL["list_files"], {"workspace": workspace})
    return [DependencyFile(**row) for row in await cursor.fetchall()]


async def archive_file(tx: Connection, workspace: str, language: str, name: str) -> bool:
    return (await tx.execute(SQL["archive_file"], _which(workspace, language, name))).rowcount > 0


async def delete_file(tx: Connection, workspace: str, language: str, name: str) -> bool:
    """All of its versions."""
    return (await tx.execute(SQL["delete_file"], _which(workspace, language, name))).rowcount > 0


async def insert_file(
    tx: Connection, workspace: str, language: str, name: str, *, description: str, content: str, created_by: str
) -> int:
    """A first or a new version, whose number is the answer; the one before must have been archived."""
    values = {"description": description, "content": content, "created_by": created_by}
    row = await (await tx.execute(SQL["insert_file"], _which(workspace, language, name) | values)).fetchone()
    assert row is not None
    return int(row["id"])


def _which(workspace: str, language: str, name: str) -> dict[str, Any]:
    return {"workspace": workspace, "language": language, "name": name}
