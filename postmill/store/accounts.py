"""Accounts: one a person, by e-mail in lower case."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from postmill.store.db import Connection
from postmill.store.sql import load

SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login compares with. Stays between here and `auth`."""

    email: str
    password_hash: str | None
    disabled: bool


@dataclass(frozen=True, slots=True)
class Account:
    """An account without its password."""

    email: str
    login_type: str
    super_admin: bool
    verified: bool
    name: str | None
    company: str | None
    disabled: bool
    created_at: datetime


async def lock_setup(tx: Connection) -> None:
    """Wait until nobody else makes the first account; held until the transaction ends."""
    await tx.execute(SQL["lock_setup"])


async def any_account(tx: Connection) -> bool:
    """Whether the instance has been set up."""
    row = await (await tx.execute(SQL["any_account"])).fetchone()
    return row is not None and bool(row["found"])


async def for_login(tx: Connection, email: str) -> Credentials | None:
    """The password's hash of an account."""
    async with tx.cursor(row_factory=class_row(Credentials)) as cursor:
        await cursor.execute(SQL["for_login"], {"email": email})
        return await cursor.fetchone()


async def get(tx: Connection, email: str) -> Account | None:
    """The account of an e-mail address."""
    async with tx.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(SQL["get"], {"email": email})
        return await cursor.fetchone()


async def insert(
    tx: Connection,
    *,
    email: str,
    password_hash: str | None,
    super_admin: bool,
    name: str | None = None,
    company: str | None = None,
) -> bool:
    """Make an account. False: there is one with this e-mail."""
    cursor = await tx.execute(
        SQL["insert"],
        {
            "email": email,
            "password_hash": password_hash,
            "super_admin": super_admin,
            "name": name,
            "company": company,
        },
    )
    return cursor.rowcount == 1


async def rehash(tx: Connection, email: str, *, old: str, new: str) -> None:
    """Replace a password's hash by another of the same password, unless it was changed meanwhile."""
    await tx.execute(SQL["rehash"], {"email": email, "old": old, "new": new})
