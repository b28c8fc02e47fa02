"""Passwords: argon2id in threads, two at a time, so that a storm of logins does not eat the machine."""

import asyncio
import secrets
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from postmill.model.errors import BadRequest, TooManyRequests

MIN_LENGTH = 8
MAX_BYTES = 1000
AT_ONCE = 2
MAX_WAITING = 32

T = TypeVar("T")


def check_password(password: str) -> None:
    """Refuse a new password that is too short, too long, or no proper text.

    Raises:
        BadRequest: says which.
    """
    if len(password) < MIN_LENGTH:
        raise BadRequest(f"the password must have at least {MIN_LENGTH} characters")
    try:
        length = len(password.encode())
    except UnicodeEncodeError:
        raise BadRequest("the password is not valid Unicode") from None
    if length > MAX_BYTES:
        raise BadRequest(f"the password must have at most {MAX_BYTES} bytes")
    if "\0" in password:
        raise BadRequest("the password must not hold a NUL character")


class Passwords:
    """Hashes and verifies. Each hash takes 64 MiB with the default hasher."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        # An unknown e-mail is verified against this, so that it takes as long as a known one.
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    async def hash(self, password: str) -> str:
        """The hash to keep.

        Raises:
            BadRequest: as `check_password`.
            TooManyRequests: too many wait already.
        """
        check_password(password)
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def verify(self, password: str, hash: str | None) -> bool:
        """Whether the password fits; with None as the hash it never does, and takes as long.

        Raises:
            TooManyRequests: too many wait already.
        """
        return await self._in_thread(lambda: self._fits(password, hash or self._nobody)) and hash is not None

    def outdated(self, hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(hash)

    def _fits(self, password: str, hash: str) -> bool:
        try:
            return self._hasher.verify(hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING + AT_ONCE:
            raise TooManyRequests("too many people log in at this moment; try again in a second", retry_after=1)
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
