"""Hashing, with the least work that argon2id takes."""

import asyncio
import threading

import pytest
from argon2 import PasswordHasher

from postmill.auth.passwords import AT_ONCE, MAX_WAITING, Passwords
from postmill.model.errors import BadRequest, TooManyRequests

pytestmark = pytest.mark.anyio

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


async def test_a_password_fits_its_own_hash_only() -> None:
    passwords = Passwords(CHEAP)
    hash = await passwords.hash("correct horse")
    assert hash.startswith("$argon2id$") and "correct horse" not in hash
    assert hash != await passwords.hash("correct horse")
    assert await passwords.verify("correct horse", hash)
    assert not await passwords.verify("correct horsf", hash)
    assert not await passwords.verify("correct horse", None)
    assert not await passwords.verify("correct horse", "no hash")


async def test_parameters_of_yesterday_are_outdated() -> None:
    hash = await Passwords(CHEAP).hash("correct horse")
    assert not Passwords(CHEAP).outdated(hash)
    assert Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)).outdated(hash)


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1001, "é" * 501, "12345678\0", "12345678\ud800"])
async def test_a_new_password_that_cannot_be_is_refused(password: str) -> None:
    with pytest.raises(BadRequest, match="password"):
        await Passwords(CHEAP).hash(password)


async def test_two_are_hashed_at_once_and_the_queue_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords, gate = Passwords(CHEAP), threading.Event()
    lock = threading.Lock()
    running = most = 0
    original = PasswordHasher.verify

    def slow(self: PasswordHasher, hash: str, password: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        assert gate.wait(30)
        with lock:
            running -= 1
        return bool(original(self, hash, password))

    monkeypatch.setattr(PasswordHasher, "verify", slow)
    hash = CHEAP.hash("correct horse")
    waiting = [asyncio.create_task(passwords.verify("correct horse", hash)) for _ in range(AT_ONCE + MAX_WAITING)]
    while running < AT_ONCE:
        await asyncio.sleep(0.001)
    with pytest.raises(TooManyRequests) as refused:
        await passwords.verify("correct horse", hash)
    assert refused.value.retry_after == 1
    waiting.pop().cancel()
    await asyncio.sleep(0)
    late = asyncio.create_task(passwords.verify("correct horse", hash))
    gate.set()
    assert await asyncio.gather(*waiting, late) == [True] * (AT_ONCE + MAX_WAITING)
    assert most == AT_ONCE
