"""What is remembered of tokens, and how long sessions last."""

from datetime import datetime, timedelta

import psycopg
import pytest

from postmill.auth import sessions
from postmill.auth.sessions import IDLE, LONGEST, MAX_REMEMBERED, REMEMBER_S, Remembered, identify_token
from postmill.auth.tokens import Identity, digest, make_token, open_session
from postmill.model.errors import NotAuthorized
from postmill.model.user import Actor
from postmill.store import accounts, migrate
from postmill.store.db import Database

pytestmark = pytest.mark.anyio

ANN = Identity(Actor("ann@example.com"), "api")


def test_tokens_are_of_256_bits_and_never_twice() -> None:
    made = {make_token() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(token) for token in made} == {46}
    assert len(digest(made.pop())) == 32


def test_an_answer_is_remembered_for_two_seconds() -> None:
    now = 0.0
    remembered = Remembered(lambda: now)
    remembered.put(b"a", "main", ANN, remembered.generation)
    assert remembered.get(b"a", "main") is ANN
    assert remembered.get(b"a", "other") is remembered.get(b"a", None) is remembered.get(b"b", "main") is None
    now = REMEMBER_S
    assert remembered.get(b"a", "main") is None


def test_what_is_revoked_is_forgotten_in_every_workspace() -> None:
    remembered = Remembered()
    for workspace in (None, "main", "other"):
        remembered.put(b"a", workspace, ANN, remembered.generation)
    remembered.put(b"b", None, ANN, remembered.generation)
    remembered.forget(b"a")
    assert [remembered.get(b"a", workspace) for workspace in (None, "main", "other")] == [None] * 3
    assert remembered.get(b"b", None) is ANN


def test_an_answer_that_was_asked_for_before_a_revocation_is_not_kept() -> None:
    remembered = Remembered()
    asked = remembered.generation
    remembered.forget(b"a")
    remembered.put(b"a", None, ANN, asked)
    assert remembered.get(b"a", None) is None


def test_memory_ends_however_many_tokens_there_are() -> None:
    remembered = Remembered()
    for number in range(MAX_REMEMBERED + 100):
        remembered.put(str(number).encode(), None, ANN, 0)
    assert len(remembered) == MAX_REMEMBERED
    assert remembered.get(b"0", None) is None


async def test_a_session_slides_with_use_and_ends_for_good(clean: migrate.Logins) -> None:
    async with Database.connect(clean.system_url) as database, database.transaction() as tx:
        await accounts.insert(tx, email="ann@example.com", password_hash=None, super_admin=False)
        hash = digest(await open_session(tx, "ann@example.com", IDLE))

    async def use(after: timedelta) -> datetime:
        """The expiration of the session once it was used at this time from now."""
        async with Database.connect(clean.system_url, clock_offset=after) as database, database.transaction() as tx:
            await identify_token(tx, hash, None)
            row = await (await tx.execute("SELECT expiration, clock() AS now FROM token")).fetchone()
            assert row is not None
            left: datetime = row["expiration"]
            assert row["now"] < left <= row["now"] + IDLE
            return left

    first = await use(timedelta())
    assert await use(timedelta(minutes=30)) == first
    assert await use(timedelta(days=2)) > first + timedelta(days=1)
    last = timedelta()
    for days in range(4, LONGEST.days, 2):
        last = timedelta(days=days)
        await use(last)
    with pytest.raises(NotAuthorized, match="expired"):
        await use(LONGEST + timedelta(minutes=1))
    assert last + IDLE > LONGEST


async def test_an_unused_session_ends_after_three_days(clean: migrate.Logins) -> None:
    async with Database.connect(clean.system_url) as database, database.transaction() as tx:
        await accounts.insert(tx, email="ann@example.com", password_hash=None, super_admin=False)
        hash = digest(await open_session(tx, "ann@example.com", IDLE))
    async with Database.connect(clean.system_url, clock_offset=IDLE + timedelta(seconds=1)) as database:
        with pytest.raises(NotAuthorized, match="expired"):
            async with database.transaction() as tx:
                await identify_token(tx, hash, None)


async def test_use_is_written_down_once_a_minute(clean: migrate.Logins, postgres: str) -> None:
    async with Database.connect(clean.system_url) as database, database.transaction() as tx:
        await accounts.insert(tx, email="ann@example.com", password_hash=None, super_admin=False)
        hash = digest(await open_session(tx, "ann@example.com", IDLE))

    async def version(after: timedelta) -> object:
        async with Database.connect(clean.system_url, clock_offset=after) as database, database.transaction() as tx:
            await identify_token(tx, hash, None)
        with psycopg.connect(postgres) as connection:
            return connection.execute("SELECT xmin::text FROM token").fetchone()

    fresh = await version(timedelta(seconds=50))
    later = await version(timedelta(seconds=70))
    assert later != fresh
    assert await version(timedelta(seconds=100)) == later


def test_one_text_for_no_workspace_and_a_foreign_one() -> None:
    assert "x" * 61 not in sessions.no_such_workspace("x" * 100_000).message
