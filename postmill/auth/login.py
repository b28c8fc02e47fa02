"""Logging in with a password."""

from postmill.auth.limits import LoginLimiter
from postmill.auth.passwords import MAX_BYTES, Passwords
from postmill.auth.sessions import IDLE
from postmill.auth.tokens import open_session
from postmill.model.errors import NotAuthorized, TooManyRequests, Unavailable
from postmill.store import accounts
from postmill.store.db import Database

_WRONG = "wrong e-mail or password"


async def log_in(
    database: Database, passwords: Passwords, limiter: LoginLimiter, *, email: str, password: str, address: str
) -> str:
    """The token of a new session. No connection is held while the password is hashed.

    Whatever is wrong (no such account, disabled, no password, another password) gives one answer in one time.

    Raises:
        NotAuthorized: wrong e-mail or password.
        TooManyRequests: too many wrong tries, or too many people at once.
    """
    email = email.strip().lower()
    limiter.take(email, address)
    try:
        hash = await _verified(database, passwords, email, password)
    except (TooManyRequests, Unavailable):
        limiter.take_back(email, address)
        raise
    if hash is None:
        raise NotAuthorized(_WRONG)
    limiter.succeeded(email, address)
    new_hash = await passwords.hash(password) if passwords.outdated(hash) else None
    async with database.transaction() as tx:
        if new_hash is not None:
            await accounts.rehash(tx, email, old=hash, new=new_hash)
        return await open_session(tx, email, IDLE)


async def _verified(database: Database, passwords: Passwords, email: str, password: str) -> str | None:
    """The hash that the password fits, or None."""
    async with database.transaction() as tx:
        account = await accounts.for_login(tx, email)
    hash = account.password_hash if account is not None and not account.disabled else None
    # Longer than any that was ever set: its beginning is hashed, as slowly as any, and fits nothing.
    if len(password.encode()) > MAX_BYTES:
        hash = None
    return hash if await passwords.verify(password[:MAX_BYTES], hash) else None
