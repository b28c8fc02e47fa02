"""The sandbox of one worker: its fork-servers, their spares, and the one way to start a command.

A fork-server is made when the first job needs it. Each slot that has used it has one sealed spare waiting there: the
next job only needs to be told to it. Servers and spares together stay below a bound of memory, least recently used
first to go, and a server retires after a while, for its jobs share the layout of its memory and its hash seed.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, field, replace
from typing import Protocol

from postmill.model.errors import SandboxError
from postmill.sandbox import tree
from postmill.sandbox.command import Command, Limits, OnOutput, Runtime
from postmill.sandbox.fork_server import SEALED, Child, ForkServer
from postmill.sandbox.host import Host, interpreter, survey
from postmill.sandbox.message import message
from postmill.sandbox.process import Process
from postmill.sandbox.warm import Warm

log = logging.getLogger("postmill.sandbox")

CHILDREN_AT_MOST = 5000
"""A server retires after so many, or after AGE_AT_MOST_S seconds."""
AGE_AT_MOST_S = 3600.0
_LOOK_S = 5.0
"""Between two looks at how much memory servers and spares take."""

_WARM_AT_MOST = 4
"""Processes of dedicated scripts that wait in one slot."""

Key = tuple[str, Runtime, str]
WarmKey = tuple[int, str, str, str, tuple[int, ...], Runtime | None]


class Watch(Protocol):
    """The dead-man's timer."""

    def watch(self, key: str, pidfd: int) -> None: ...
    def forget(self, key: str) -> None: ...


@dataclass(slots=True, eq=False)
class _Place:
    """A fork-server and what waits there."""

    key: Key
    server: asyncio.Task[ForkServer]
    spares: dict[int, Child] = field(default_factory=dict)
    refilling: set[int] = field(default_factory=set)
    shared: set[int] = field(default_factory=set)
    """Slots that have something at /shared."""
    loaded: set[str] = field(default_factory=set)
    running: int = 0
    used: float = 0.0

    @property
    def ready(self) -> bool:
        return self.server.done() and not self.server.cancelled() and self.server.exception() is None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A warm process, and the fork-server that it came from."""

    process: Warm
    place: _Place


class Sandbox:
    """Call everything from the event loop of the main thread; `close` ends all that it started."""

    def __init__(
        self,
        slots: int,
        limits: Limits | None = None,
        *,
        memory: int = 512 * 1024**2,
        host: Host | None = None,
        without: frozenset[str] = frozenset(),
        netns: int | None = None,
        watch: Watch | None = None,
    ) -> None:
        """`limits` are those that spares are sealed with, `memory` the bound of servers and spares in bytes.

        `watch` kills the fork-servers, and so all jobs, when this process is stopped or gone.
        `without` names mechanisms to leave out: for a level below L3, and for tests of what each is good for.
        """
        self._slots = slots
        self._limits = limits or Limits()
        self._memory = memory
        self._host = host or survey()
        self._without = without
        self._netns = netns
        self._watch = watch
        # For jobs without a root directory of their own.
        self._jobs = (
            tempfile.TemporaryDirectory(prefix="postmill-jobs-", ignore_cleanup_errors=True)
            if "mount_namespace" in without
            else None
        )
        self._places: dict[Key, _Place] = {}
        self._warm: dict[WarmKey, _Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._looked = time.monotonic()

    async def start(self, command: Command, limits: Limits, slot: int, on_output: OnOutput) -> Process:
        """Start a command in a sealed process of its own. Two jobs at once must not have the same slot.

        Raises:
            BadRequest: the command asks for what cannot be.
            SandboxError: no process can be made here; the message says what to change.
        """
        told = message(command)
        if command.network == "none" and "network" in self._without:
            raise SandboxError("no network can be taken away here: this machine's level of isolation has no namespaces")
        if command.network == "filtered" and self._netns is None:
            raise SandboxError("no filtered network can be had here")
        if command.warm and (waiting := self._waiting(command, limits, slot)) is not None:
            waiting.process.again(limits, on_output)
            return self._call(waiting, told, self._warm_key(command, limits, slot), command)
        place = self._place(command)
        place.running += 1
        place.used = time.monotonic()
        try:
            child = await self._child(place, command, limits, slot)
            if command.warm:
                process: Process = Warm(child, limits, on_output)
            else:
                process = Process(child, limits, on_output, split_output=command.split_output)
        except BaseException:
            place.running -= 1
            raise
        if isinstance(process, Warm):
            place.running -= 1
            self._call(_Waiting(process, place), told, self._warm_key(command, limits, slot), command)
        else:
            process.on_end(lambda: self._ended(place, command))
            process.send(told)
        if self._sealed_as_spare(limits) and command.network != "none":
            self._later(self._refill(place, slot))
        return process

    def _warm_key(self, command: Command, limits: Limits, slot: int) -> WarmKey:
        sealed = tuple(getattr(limits, name) for name in SEALED)
        return slot, command.owner, command.warm, command.network, sealed, command.runtime

    def _waiting(self, command: Command, limits: Limits, slot: int) -> _Waiting | None:
        found = self._warm.pop(self._warm_key(command, limits, slot), None)
        if found is not None and not found.process.usable:
            found.process.retire()
            return None
        return found

    def _call(self, warm: _Waiting, told: bytes, key: WarmKey, command: Command) -> Warm:
        """Give it a call; afterwards it waits for the next one, with at most so many others of its slot."""

        def keep() -> None:
            self._ended(warm.place, command)
            if not warm.process.usable:
                return warm.process.retire()
            others = [other for other in self._warm if other[0] == key[0]]
            for other in others[: max(0, len(others) + 1 - _WARM_AT_MOST)]:
                self._warm.pop(other).process.retire()
            self._warm[key] = warm

        warm.place.running += 1
        warm.place.used = time.monotonic()
        warm.process.on_end(keep)
        warm.process.send(told)
        return warm.process

    async def close(self) -> None:
        """End every fork-server, with all jobs that still run."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        warm, self._warm = list(self._warm.values()), {}
        for each in warm:
            each.process.retire()
        places, self._places = list(self._places.values()), {}
        for place in places:
            await self._end(place)
        if self._jobs is not None:
            # A fork-server that was killed may have been making a directory.
            shutil.rmtree(self._jobs.name, ignore_errors=True)
            self._jobs.cleanup()

    async def warm(self, command: Command, slot: int) -> None:
        """Have a spare ready for commands like this."""
        await self._refill(self._place(command), slot)

    async def share(self, owner: str, slot: int, path: str | None) -> None:
        """Let a directory appear at /shared of a slot's jobs, also of the spare that waits; None takes it away."""
        for place in list(self._places.values()):
            if place.key[0] == owner:
                await (await asyncio.shield(place.server)).share(slot, path)
                if path is not None:
                    # A spare that is made meanwhile would keep it for ever.
                    place.shared.add(slot)
                else:
                    place.shared.discard(slot)
                    self._later(self._refill(place, slot))

    def pids(self) -> list[int]:
        """Of the outermost processes of the fork-servers."""
        return [place.server.result().pid for place in self._places.values() if place.ready]

    def owners(self) -> list[str]:
        """Whose fork-servers there are."""
        return [owner for owner, _, _ in self._places]

    def spares(self) -> int:
        """How many wait."""
        return sum(len(place.spares) for place in self._places.values())

    # Servers --------------------------------------------------------------------------------------------------------

    def _place(self, command: Command) -> _Place:
        runtime = command.runtime or default_runtime()
        if command.read_only:
            runtime = replace(runtime, read_only=(*runtime.read_only, *command.read_only))
        # Two at most of the same packages: one that stays light, and one that has loaded what its scripts import.
        kind = replace(runtime, imports=("…",) if runtime.imports else ())
        key = (command.owner, kind, command.network if command.network == "filtered" else "")
        place = self._places.get(key)
        if place is not None and self._worn_out(place):
            del self._places[key]
            self._later(self._end_when_idle(place))
            place = None
        if place is None:
            netns = self._netns if command.network == "filtered" else None
            place = _Place(key, asyncio.create_task(self._serve(runtime, netns)), loaded=set(runtime.imports))
            self._places[key] = place
        return place

    async def _serve(self, runtime: Runtime, netns: int | None) -> ForkServer:
        server = await self._started(runtime, netns)
        if self._watch is not None:
            self._watch.watch(f"{server.pid}", server.pidfd)
        return server

    async def _started(self, runtime: Runtime, netns: int | None) -> ForkServer:
        jobs = ""
        if self._jobs is not None:
            os.chmod(self._jobs.name, 0o711)
            jobs = tempfile.mkdtemp(dir=self._jobs.name)
            os.chmod(jobs, 0o711)
        try:
            return await ForkServer.start(self._host, runtime, self._slots, self._without, netns, jobs)
        except SandboxError:
            if not runtime.imports:
                raise
            log.warning("imports that forbid forking are left to the jobs", extra={"imports": runtime.imports})
            bare = replace(runtime, imports=())
            return await ForkServer.start(self._host, bare, self._slots, self._without, netns, jobs)

    def _worn_out(self, place: _Place) -> bool:
        if not place.server.done():
            return False
        if not place.ready:
            return True
        server = place.server.result()
        old = server.children > CHILDREN_AT_MOST or time.monotonic() - server.started > AGE_AT_MOST_S
        return not server.alive or old

    async def _end(self, place: _Place) -> None:
        spares, place.spares = place.spares, {}
        for child in spares.values():
            child.discard()
        place.server.cancel()
        with contextlib.suppress(SandboxError, asyncio.CancelledError):
            server = await place.server
            await server.close()
            if self._watch is not None:
                self._watch.forget(f"{server.pid}")

    async def _end_when_idle(self, place: _Place) -> None:
        while place.running:
            await asyncio.sleep(0.5)
        await self._end(place)

    # Children -------------------------------------------------------------------------------------------------------

    async def _child(self, place: _Place, command: Command, limits: Limits, slot: int) -> Child:
        network = "none" if command.network == "none" else "host"
        if self._sealed_as_spare(limits) and network == "host" and (spare := place.spares.pop(slot, None)) is not None:
            return spare
        server = await asyncio.shield(place.server)
        return await server.fork(slot, limits, network)

    def _sealed_as_spare(self, limits: Limits) -> bool:
        return all(getattr(limits, name) == getattr(self._limits, name) for name in SEALED)

    async def _refill(self, place: _Place, slot: int) -> None:
        if (
            slot in place.spares
            or slot in place.refilling
            or slot in place.shared
            or self._places.get(place.key) is not place
        ):
            return
        place.refilling.add(slot)
        try:
            server = await asyncio.shield(place.server)
            child = await server.fork(slot, self._limits)
        except SandboxError:
            # The next job will meet it, and can say so.
            return
        finally:
            place.refilling.discard(slot)
        if self._places.get(place.key) is place:
            place.spares[slot] = child
        else:
            child.discard()

    def _ended(self, place: _Place, command: Command) -> None:
        place.running -= 1
        if command.runtime is not None and not set(command.runtime.imports) <= place.loaded:
            self._later(self._preload(place, command.runtime.imports))
        if time.monotonic() - self._looked > _LOOK_S:
            self._looked = time.monotonic()
            self._later(self._keep_bound())

    async def _preload(self, place: _Place, names: tuple[str, ...]) -> None:
        place.loaded.update(names)
        try:
            await (await asyncio.shield(place.server)).preload(names)
        except SandboxError:
            # It cannot fork any more: the next job gets a new one, without these imports.
            log.warning("a fork-server retires", extra={"imports": names})
            if self._places.get(place.key) is place:
                del self._places[place.key]
            return await self._end_when_idle(place)
        # They do not have what was loaded now.
        slots = list(place.spares)
        for slot in slots:
            place.spares.pop(slot).discard()
        for slot in slots:
            await self._refill(place, slot)

    async def _keep_bound(self) -> None:
        sizes = {}
        for place in list(self._places.values()):
            if place.ready:
                sizes[place.key] = await asyncio.to_thread(tree.proportional, place.server.result().pid)
        for key in sorted(sizes, key=lambda key: self._places[key].used if key in self._places else 0):
            if sum(sizes.values()) <= self._memory or len(sizes) == 1:
                break
            old = self._places.get(key)
            if old is not None and not old.running:
                del sizes[key], self._places[key]
                await self._end(old)

    def _later(self, coroutine: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def default_runtime() -> Runtime:
    """This process's own interpreter with nothing preloaded but the common part of the standard library."""
    executable, prefix = interpreter()
    return Runtime(executable=executable, prefix=prefix)
