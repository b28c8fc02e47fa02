"""A server without a socket, an administrator with a workspace, and more people as a test wants them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from postmill.api.app import create_app
from postmill.api.services import Services
from postmill.auth import members, setup
from postmill.auth.instance import job_token_key
from postmill.auth.limits import LoginLimiter
from postmill.auth.passwords import Passwords
from postmill.auth.sessions import Remembered
from postmill.auth.tokens import Wish, mint
from postmill.engine.start import Starter
from postmill.model.user import Role
from postmill.queue.rank import Ranks
from postmill.queue.wake import Wake
from postmill.settings import Settings
from postmill.store import accounts, workspaces
from postmill.store.db import Database

PASSWORD = "correct horse"
BASE = "http://localhost:8000"


@dataclass(slots=True)
class Clock:
    """Seconds that pass when a test says so. For what a process keeps in memory."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an API token that may do all that they may."""

    email: str
    token: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class People:
    """Makes persons and their tokens, without HTTP."""

    database: Database
    passwords: Passwords
    admin: Person

    async def add(self, name: str, role: Role | None = "developer", workspace: str = "main") -> Person:
        """An account; with a role a member of `workspace`, which is made when it is not there."""
        email = f"{name}@example.com"
        hash = await self.passwords.hash(PASSWORD)
        async with self.database.transaction() as tx:
            await accounts.insert(tx, email=email, password_hash=hash, super_admin=False)
            if role is not None:
                if not await workspaces.exists(tx, workspace):
                    await members.create_workspace(tx, id=workspace, name=workspace, owner=self.admin.email)
                await members.add_member(tx, workspace, email, role)
        return await self.with_token(email, Wish())

    async def with_token(self, email: str, wish: Wish) -> Person:
        """The same person with another token."""
        async with self.database.transaction() as tx:
            return Person(email, await mint(tx, email, wish))


def cheap_passwords() -> Passwords:
    """argon2id with the least work that it takes."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, max_body=2 * 1024 * 1024)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def services(database: Database, settings: Settings, clock: Clock) -> Services:
    wake = Wake(database)
    return Services(
        settings=settings,
        database=database,
        starter=Starter(database, wake, Ranks(), settings),
        wake=wake,
        job_token_key=await job_token_key(database),
        passwords=cheap_passwords(),
        logins=LoginLimiter(clock),
        remembered=Remembered(clock),
    )


@pytest.fixture
def app(services: Services, tmp_path: Path) -> FastAPI:
    return create_app(services, ui_directory=tmp_path / "no-ui")


@pytest.fixture
def bare_app(settings: Settings, tmp_path: Path) -> FastAPI:
    """The application without a database, for what must not need one."""
    services = Services(
        settings=settings,
        database=cast(Database, None),
        starter=cast(Starter, None),
        wake=cast(Wake, None),
        job_token_key=b"k" * 32,
        passwords=cheap_passwords(),
    )
    return create_app(services, ui_directory=tmp_path / "no-ui")


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[AsyncClient]:
    """Nobody's: requests carry what the test gives them."""
    async with AsyncClient(transport=ASGITransport(app), base_url=BASE) as found:
        yield found


@pytest.fixture
async def admin(services: Services) -> Person:
    """The super admin, who is the administrator of the workspace `main`."""
    email = "ann@example.com"
    await setup.ensure_admin(services.database, email, PASSWORD, services.passwords)
    async with services.database.transaction() as tx:
        return Person(email, await mint(tx, email, Wish()))


@pytest.fixture
def people(services: Services, admin: Person) -> People:
    return People(services.database, services.passwords, admin)
