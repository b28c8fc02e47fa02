"""Accounts, members and secrets: the guards that stand in the statements."""

import asyncio

import pytest

from postmill.model.user import Actor
from postmill.store import accounts, tokens, workspaces
from postmill.store.db import Database

pytestmark = pytest.mark.anyio


async def _ann(database: Database) -> None:
    async with database.transaction() as tx:
        await accounts.insert(tx, email="ann@example.com", password_hash="one", super_admin=False)
        await workspaces.insert(tx, id="main", name="Main", owner="ann@example.com")
        await workspaces.add_member(tx, workspace="main", email="ann@example.com", username="ann", role="admin")


async def test_a_password_that_was_changed_meanwhile_is_not_hashed_over(database: Database) -> None:
    await _ann(database)
    async with database.transaction() as tx:
        await accounts.rehash(tx, "ann@example.com", old="zero", new="two")
        found = await accounts.for_login(tx, "ann@example.com")
        assert found is not None and found.password_hash == "one"
        await accounts.rehash(tx, "ann@example.com", old="one", new="two")
        found = await accounts.for_login(tx, "ann@example.com")
        assert found is not None and found.password_hash == "two"


async def test_what_exists_is_not_made_again(database: Database) -> None:
    await _ann(database)
    async with database.transaction() as tx:
        assert not await accounts.insert(tx, email="ann@example.com", password_hash=None, super_admin=True)
        assert not await workspaces.insert(tx, id="main", name="Other", owner="x")
        assert not await workspaces.add_member(
            tx, workspace="main", email="ann@example.com", username="other", role="operator"
        )
        account, member = (
            await accounts.get(tx, "ann@example.com"),
            await workspaces.member_by_username(tx, "main", "ann"),
        )
    assert account is not None and not account.super_admin
    assert member is not None and member.role == "admin"


async def test_a_deleted_workspace_is_gone_but_keeps_its_name(database: Database) -> None:
    await _ann(database)
    async with database.transaction() as tx:
        await tx.execute("UPDATE workspace SET deleted = true")
        assert await workspaces.exists(tx, "main")
        assert await workspaces.name_of(tx, "main") is None
        assert await workspaces.of_account(tx, "ann@example.com") == []


async def test_a_secret_is_spent_once_and_made_once(database: Database) -> None:
    async def make(value: bytes) -> bytes:
        async with database.transaction() as tx:
            return await tokens.make_secret(tx, "key", value)

    async def spend(value: bytes) -> bool:
        async with database.transaction() as tx:
            return await tokens.spend_secret(tx, "key", value)

    kept = set(await asyncio.gather(*(make(bytes([number])) for number in range(8))))
    assert len(kept) == 1
    assert not await spend(b"another")
    assert sorted(await asyncio.gather(*(spend(*kept) for _ in range(8)))) == [False] * 7 + [True]


async def test_the_api_role_can_do_what_handlers_do(database: Database) -> None:
    await _ann(database)
    actor = Actor("ann@example.com", workspace="main", role="admin")
    async with database.transaction(actor) as tx:
        assert [one.username for one in await workspaces.members(tx, "main", limit=10, offset=0)] == ["ann"]
        made = await tokens.insert(tx, hash=b"h" * 32, prefix="pm_1234567", email=actor.email, kind="api")
        again = await tokens.insert(tx, hash=b"i" * 32, prefix="pm_1234567", email=actor.email, kind="api")
        assert (made, again) == (True, False)
        assert await tokens.delete_by_prefix(tx, actor.email, "pm_1234567", bound_to=None) == b"h" * 32
