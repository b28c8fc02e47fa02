"""What handlers need beside the request. Put together once, at start; found on `app.state.services`."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from postmill.api.probe import Probe
from postmill.api.stream import Watchers
from postmill.auth.limits import LoginLimiter
from postmill.auth.passwords import Passwords
from postmill.auth.sessions import Remembered
from postmill.engine.start import Starter
from postmill.queue.wake import Wake
from postmill.settings import Settings
from postmill.store.db import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One process's parts."""

    settings: Settings
    database: Database
    job_token_key: bytes
    starter: Starter
    wake: Wake
    watchers: Watchers = field(default_factory=Watchers)
    passwords: Passwords = field(default_factory=Passwords)
    logins: LoginLimiter = field(default_factory=LoginLimiter)
    remembered: Remembered = field(default_factory=Remembered)
    probe: Probe = field(default_factory=Probe)


def services_of(connection: HTTPConnection) -> Services:
    """The services of the application that answers."""
    found = connection.app.state.services
    assert isinstance(found, Services)
    return found


async def _served(connection: HTTPConnection) -> Services:
    # Not services_of itself: FastAPI calls what is not a coroutine in a thread, at 50 µs a hop.
    return services_of(connection)


Served = Annotated[Services, Depends(_served)]
"""A handler's parameter."""
