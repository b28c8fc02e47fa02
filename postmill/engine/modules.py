"""The workspace libraries that a script imports, and theirs."""

from postmill.language import python
from postmill.model.errors import BadRequest
from postmill.store import scripts
from postmill.store.db import Connection, Database

MOST = 200
"""Modules of one script, all levels together."""


async def workspace_modules(
    database: Database, workspace: str, path: str | None, content: str, language: str
) -> dict[str, str]:
    """`modules_in` with a transaction of its own, which a script without such imports does not open.

    Raises:
        BadRequest: more than MOST modules.
    """
    if language != "python3" or not python.imports(content, path).workspace:
        return {}
    async with database.transaction() as tx:
        return await modules_in(tx, workspace, path, content, language)


async def modules_in(tx: Connection, workspace: str, path: str | None, content: str, language: str) -> dict[str, str]:
    """Path → source of each library, following imports of imports. The heads at this moment.

    Raises:
        BadRequest: more than MOST modules.
    """
    if language != "python3":
        return {}
    found: dict[str, str] = {}
    asked: set[str] = set()
    wanted = set(python.imports(content, path).workspace)
    while wanted := wanted - asked:
        asked |= wanted
        level = await scripts.sources(tx, workspace, sorted(wanted), language)
        found |= level
        if len(found) > MOST:
            raise BadRequest(f"the script imports over {MOST} workspace modules")
        wanted = {name for at, source in level.items() for name in python.imports(source, at).workspace}
    return found
