"""The workspace libraries of a script."""

import pytest
from psycopg import errors

from postmill.engine import modules
from postmill.engine.deploy import deploy
from postmill.engine.finish import TRIES, repeat_on_conflict
from postmill.engine.modules import workspace_modules
from postmill.model.errors import BadRequest
from postmill.model.script import NewScript
from postmill.model.user import Actor
from postmill.settings import Settings
from postmill.store.db import Database

pytestmark = pytest.mark.anyio

ANN = Actor(email="ann@example.com", workspace="main", username="ann", role="admin")


async def libraries(
    database: Database, sources: dict[str, str], workspace: str = "main", language: str = "python3"
) -> None:
    actor = Actor(email=ANN.email, workspace=workspace, username="ann", role="admin")
    async with database.transaction() as tx:
        await tx.execute(
            b"INSERT INTO workspace (id, name, owner) VALUES (%s, 'w', 'x') ON CONFLICT DO NOTHING", (workspace,)
        )
    for path, content in sources.items():
        new = NewScript(path=path, content=content, language=language, auto_parent=True)
        await deploy(database, Settings(), actor, new)


async def found(
    database: Database, content: str, path: str | None = "f/a/main", language: str = "python3"
) -> list[str]:
    return sorted(await workspace_modules(database, "main", path, content, language))


async def test_libraries_come_with_those_that_they_import(database: Database) -> None:
    await libraries(
        database,
        {
            "f/a/one": "from f.b.two import x\nimport json",
            "f/b/two": "from . import three\nx = 1",
            "f/b/three": "import u.ann.four",
            "u/ann/four": "y = 1",
            "f/b/unused": "z = 1",
        },
    )
    sources = await workspace_modules(database, "main", "f/a/main", "from f.a.one import *", "python3")
    assert sorted(sources) == ["f/a/one", "f/b/three", "f/b/two", "u/ann/four"]
    assert sources["u/ann/four"] == "y = 1"


async def test_libraries_that_import_each_other_come_once(database: Database) -> None:
    await libraries(database, {"f/a/one": "import f.a.two", "f/a/two": "import f.a.one"})
    assert await found(database, "import f.a.one") == ["f/a/one", "f/a/two"]


async def test_the_head_is_what_is_imported(database: Database) -> None:
    await libraries(database, {"f/a/one": "x = 1"})
    await libraries(database, {"f/a/one": "x = 2"})
    assert await workspace_modules(database, "main", None, "import f.a.one", "python3") == {"f/a/one": "x = 2"}


async def test_what_is_not_there_or_elsewhere_or_in_another_language_is_left_out(database: Database) -> None:
    await libraries(database, {"f/a/foreign": "x = 1"}, workspace="other")
    await libraries(database, {"f/a/shell": "x=1"}, language="bash")
    assert await found(database, "import f.a.foreign, f.a.shell, f.a.none, json, requests") == []
    assert await found(database, "import f.a.one", language="bash") == []


async def test_too_many_libraries_are_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "MOST", 2)
    await libraries(database, {f"f/a/m{number}": f"import f.a.m{number + 1}" for number in range(4)})
    with pytest.raises(BadRequest, match="over 2 workspace modules"):
        await found(database, "import f.a.m0")
    assert await found(database, "import f.a.m2") == ["f/a/m2", "f/a/m3"]


async def test_an_action_is_tried_again_after_a_deadlock_and_not_for_ever() -> None:
    tries = 0

    async def fail(times: int) -> str:
        nonlocal tries
        tries += 1
        if tries <= times:
            raise errors.DeadlockDetected
        return "done"

    assert await repeat_on_conflict(lambda: fail(TRIES - 1)) == "done"
    tries = 0
    with pytest.raises(errors.DeadlockDetected):
        await repeat_on_conflict(lambda: fail(TRIES))
    assert tries == TRIES
