"""Counting wrong logins, by a clock that we hold."""

import pytest

from postmill.auth.limits import MAX_KEYS, PER_ACCOUNT, PER_ADDRESS, WINDOW, LoginLimiter, network_of
from postmill.model.errors import TooManyRequests


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def tries(limiter: LoginLimiter, email: str, address: str, number: int) -> int:
    """How many of `number` tries are let through."""
    allowed = 0
    for _ in range(number):
        try:
            limiter.take(email, address)
        except TooManyRequests:
            continue
        allowed += 1
    return allowed


def test_tries_come_back_with_time() -> None:
    clock = Clock()
    limiter = LoginLimiter(clock)
    assert tries(limiter, "a@b.c", "1.1.1.1", 20) == PER_ACCOUNT
    with pytest.raises(TooManyRequests) as refused:
        limiter.take("a@b.c", "1.1.1.1")
    assert refused.value.retry_after == WINDOW / PER_ACCOUNT
    clock.now += WINDOW / PER_ACCOUNT
    assert tries(limiter, "a@b.c", "1.1.1.1", 5) == 1
    clock.now += 10 * WINDOW
    assert tries(limiter, "a@b.c", "1.1.1.1", 20) == PER_ACCOUNT


def test_other_people_and_other_places_are_not_hindered() -> None:
    limiter = LoginLimiter(Clock())
    assert tries(limiter, "a@b.c", "1.1.1.1", 20) == PER_ACCOUNT
    assert tries(limiter, "a@b.c", "2.2.2.2", 1) == 1
    assert tries(limiter, "b@b.c", "1.1.1.1", 1) == 1


def test_memory_ends_however_many_try() -> None:
    limiter = LoginLimiter(Clock())
    for number in range(MAX_KEYS + 5000):
        limiter.take(f"{number}@b.c", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(limiter) == MAX_KEYS


def test_names_from_one_address_do_not_push_others_out() -> None:
    limiter = LoginLimiter(Clock())
    assert tries(limiter, "victim@b.c", "2.2.2.2", 20) == PER_ACCOUNT
    allowed = sum(tries(limiter, f"{number}@b.c", "1.1.1.1", 1) for number in range(MAX_KEYS + 100))
    assert allowed == PER_ADDRESS
    assert tries(limiter, "victim@b.c", "2.2.2.2", 1) == 0


def test_a_right_password_clears_the_account() -> None:
    limiter = LoginLimiter(Clock())
    for _ in range(PER_ADDRESS * 3):
        limiter.take("a@b.c", "1.1.1.1")
        limiter.succeeded("a@b.c", "1.1.1.1")
    assert tries(limiter, "a@b.c", "1.1.1.1", 20) == PER_ACCOUNT


def test_a_try_that_compared_nothing_does_not_count() -> None:
    limiter = LoginLimiter(Clock())
    for _ in range(100):
        limiter.take("a@b.c", "1.1.1.1")
        limiter.take_back("a@b.c", "1.1.1.1")
    assert tries(limiter, "a@b.c", "1.1.1.1", 20) == PER_ACCOUNT


def test_a_subscriber_of_ipv6_is_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:1.2.3.4") == network_of("1.2.3.4") == "1.2.3.4"
    assert network_of("no address") == "unknown"
