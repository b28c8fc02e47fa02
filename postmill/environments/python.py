"""Python environments as executors ask for them: a lock in, a directory for sys.path and an interpreter out."""

import hashlib
import os
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from postmill.environments import interpreters, resolver
from postmill.environments.cache import About, Cache, Hold
from postmill.environments.installer import Installer
from postmill.environments.interpreters import Interpreter
from postmill.environments.lock import Lock, read_lock
from postmill.environments.resolver import Jailed
from postmill.environments.sources import Sources, sources
from postmill.language.python_requirements import Requirements, Unclear, read_requirements
from postmill.model.errors import BadRequest
from postmill.sandbox.command import Limits, OnOutput
from postmill.settings import Settings

FRESH_S = 24 * 3600.0
"""For so long the same requirements get the same lock, where code is not deployed."""
OnNote = Callable[[str], None]
"""Called with a line for the job's log before something that takes a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a job runs with."""

    key: str
    """Names it on this machine; the same key is the same content. "" for the standard library alone."""
    directory: str
    """For sys.path, read-only; "" when there is nothing in it."""
    executable: str
    prefix: str
    version: str
    """Of the interpreter: '3.11.7'."""


class Held(AbstractContextManager["Held"]):
    """An environment in use: not removed until `release`."""

    def __init__(self, environment: Environment, hold: Hold | None) -> None:
        self.environment = environment
        self._hold = hold

    def release(self) -> None:
        """Idempotent."""
        if self._hold is not None:
            self._hold.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


class PythonEnvironments:
    """One process's access to this machine's environments."""

    def __init__(self, home: Path, size: int, sources: Sources) -> None:
        self.sources = sources
        self.cache = Cache(home, size)

    @classmethod
    def of(cls, settings: Settings) -> "PythonEnvironments":
        """Raises BadRequest when SSL_CERT_FILE cannot be read."""
        return cls(settings.home, settings.cache_size, sources(settings))

    async def ready(
        self, lock: str, jailed: Jailed, *, owner: str = "", on_note: OnNote = lambda _: None
    ) -> Environment:
        """The environment of a lock, installed when it is not there yet. It stays for a minute; `take` holds longer.

        Raises: as `take`.
        """
        with await self.take(lock, jailed, owner=owner, on_note=on_note) as held:
            return held.environment

    async def take(self, lock: str, jailed: Jailed, *, owner: str = "", on_note: OnNote = lambda _: None) -> Held:
        """The same, held until it is released. Waiting for an install is cancellable.

        `jailed` builds what has no wheel; `owner` is the workspace whose job asks.

        Raises:
            BadRequest: the text is not a lock, or asks for a Python that is not there.
            InstallError: in the installer's own words.
        """
        wanted = read_lock(lock)
        interpreter = await interpreters.of_minor(wanted.python)
        if not wanted.pins:
            return Held(_environment("", "", interpreter), None)
        key = wanted.key(interpreter.full)
        hold = self.cache.hold(key)
        if hold is None:
            hold = await self._install(
                key, wanted, interpreter, Installer(self.sources, self.cache.uv, jailed, owner), on_note
            )
        return Held(_environment(key, str(self.cache.site(key)), interpreter), hold)

    async def provide(
        self,
        lock: str,
        requirements: str,
        jailed: Jailed,
        on_output: OnOutput,
        *,
        owner: str = "",
        on_note: OnNote = lambda _: None,
    ) -> Held:
        """For a job: `take` its lock, which is resolved first where it has requirements instead."""
        if requirements:
            lock = await self.resolve(requirements, jailed, on_output, owner=owner, on_note=on_note)
        return await self.take(lock, jailed, owner=owner, on_note=on_note)

    def hold(self, key: str) -> Hold | None:
        """Use the environment with this key for as long as the answer is not released; None when it is gone."""
        return self.cache.hold(key)

    async def resolve(
        self,
        requirements: str,
        jailed: Jailed,
        on_output: OnOutput,
        *,
        owner: str = "",
        on_note: OnNote = lambda _: None,
    ) -> str:
        """The lock for requirements (`Requirements.text()`), asked once a day. For code that is not deployed.

        Raises:
            BadRequest: what is wanted cannot be read, or no Python fits.
            ResolveError: in the resolver's own words.
        """
        try:
            wanted = read_requirements(requirements)
        except Unclear as error:
            raise BadRequest(str(error)) from None
        question = await question_of(wanted)
        if not wanted.lines:
            return Lock(python=question.interpreter.minor if wanted.python else "").text()
        self.cache.prepare()
        place = self.cache.resolved / f"{self._name(question, owner)}.lock"
        if (known := _fresh(place)) is not None:
            return known
        on_note("resolving dependencies")
        command = resolver.command(question, self.sources, owner)
        lock = resolver.answer(question, self.sources, await jailed(command, resolver.limits(Limits()), on_output))
        # By one rename: another worker may be reading it.
        draft = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
        draft.write_text(lock)
        os.replace(draft, place)
        return lock

    def about(self) -> list[About]:
        """What is installed on this machine, the last used first."""
        return self.cache.about()

    async def _install(
        self, key: str, lock: Lock, interpreter: Interpreter, installer: Installer, on_note: OnNote
    ) -> Hold:
        on_note(f"installing {len(lock.pins)} package{'s' if len(lock.pins) > 1 else ''}")

        async def make(site: Path, fd: int) -> tuple[str, int]:
            with await self.cache.use_uv() as shared:
                await installer.install(lock, interpreter, site, (fd, shared.fd))
            return interpreter.full, len(lock.pins)

        return await self.cache.ready(key, make)

    def _name(self, question: resolver.Question, owner: str) -> str:
        # By workspace: a package that one of them resolves may have forged the answer.
        what = (owner, self.sources.public, question.interpreter.full, *question.requirements.lines)
        return hashlib.sha256("\n".join(what).encode()).hexdigest()[:32]


async def question_of(requirements: Requirements, known: str = "") -> resolver.Question:
    """What the resolver is asked. `known` is a lock whose versions stay where they can.

    Raises:
        BadRequest: no Python on this machine fits.
    """
    interpreter = await interpreters.choose(requirements.python)
    try:
        lock = read_lock(known)
    except BadRequest:
        lock = Lock()
    return resolver.Question(requirements=requirements, interpreter=interpreter, known=lock)


def _environment(key: str, directory: str, interpreter: Interpreter) -> Environment:
    return Environment(
        key=key,
        directory=directory,
        executable=interpreter.executable,
        prefix=interpreter.prefix,
        version=interpreter.full,
    )


def _fresh(place: Path) -> str | None:
    try:
        if not 0 <= time.time() - place.stat().st_mtime < FRESH_S:
            return None
        return place.read_text()
    except FileNotFoundError:
        return None
