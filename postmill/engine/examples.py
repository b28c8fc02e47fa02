"""The scripts of `examples/`, which the first workspace may begin with."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import postmill
from postmill.engine.deploy import deploy
from postmill.model.errors import PostmillError
from postmill.model.script import NewScript
from postmill.model.user import Actor
from postmill.queue.wake import Wake
from postmill.settings import Settings
from postmill.store.db import Database

log = logging.getLogger("postmill.engine")

_HEAD = re.compile(r"path +(f/examples/\w+) +language +(\w+) +summary +(.+)")
_PACKAGE = Path(postmill.__file__).parent
# In the wheel they are part of the package, in a checkout they stand beside it.
DIRECTORIES = (_PACKAGE / "examples", _PACKAGE.parent / "examples")


@dataclass(frozen=True, slots=True)
class Example:
    """A file, and what its head says of it."""

    path: str
    language: str
    summary: str
    content: str


def examples() -> list[Example]:
    """All of them; none in an installation that came without."""
    directory = next((place for place in DIRECTORIES if place.is_dir()), None)
    if directory is None:
        return []
    found = []
    for file in sorted(path for path in directory.rglob("*") if path.suffix in (".py", ".sh")):
        content = file.read_text(encoding="utf-8")
        head = _HEAD.search(content)
        if head is not None:
            found.append(Example(head[1], head[2], head[3].strip(), content))
    return found


async def deploy_examples(database: Database, wake: Wake, settings: Settings, actor: Actor) -> None:
    """Put them into the actor's workspace. One that cannot be deployed is logged, and left out."""
    for example in examples():
        new = NewScript(
            path=example.path,
            summary=example.summary,
            content=example.content,
            language=example.language,
            deployment_message="Comes with Postmill",
        )
        try:
            await deploy(database, settings, actor, new, wake=wake)
        except PostmillError as error:
            log.warning("example not deployed", extra={"path": example.path, "why": error.message})
