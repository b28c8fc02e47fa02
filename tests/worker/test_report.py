"""Text on its way to the platform: in order, once, and never in the way of the job."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from postmill.model.errors import LostLease, Unavailable
from postmill.worker.report import CHUNK, Report
from tests.worker.store import Store

pytestmark = pytest.mark.anyio


@pytest.fixture
def store() -> Store:
    return Store()


Make = Callable[..., Report]


@pytest.fixture
def make(store: Store) -> Make:
    def build(position: int = 0) -> Report:
        append: Callable[[int, str], Awaitable[None]] = store.append
        return Report(append, position, store.on_lost)

    return build


async def test_what_is_written_arrives_in_order_and_once(store: Store, make: Make) -> None:
    report = make()
    for number in range(100):
        report.say(f"line {number}\n")
        await asyncio.sleep(0)
    await report.close()
    assert store.text == "".join(f"line {number}\n" for number in range(100))


async def test_the_first_piece_does_not_wait(store: Store, make: Make) -> None:
    report = make()
    report.say("first\n")
    for _ in range(5):
        await asyncio.sleep(0)
    assert store.text == "first\n"
    await report.close()


async def test_a_long_log_is_written_in_rows_of_bounded_length(store: Store, make: Make) -> None:
    report = make()
    report.say("x" * (2 * CHUNK + 7))
    await report.close()
    assert [len(text) for _, text in sorted(store.rows.items())] == [CHUNK, CHUNK, 7]


async def test_an_outage_delays_and_loses_nothing(store: Store, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postmill.worker.report.RETRY_S", 0.001)
    report = make()
    store.failures = [Unavailable(), Unavailable()]
    report.say("one\n")
    await asyncio.sleep(0.01)
    report.say("two\n")
    await report.close()
    assert store.text == "one\ntwo\n"


async def test_a_lost_lease_ends_the_log_and_is_told(store: Store, make: Make) -> None:
    report = make()
    store.failures = [LostLease()]
    report.say("late\n")
    await report.close()
    report.say("later\n")
    await report.close()
    assert store.lost
    assert store.rows == {}


async def test_a_second_attempt_goes_on_where_the_first_one_ended(store: Store, make: Make) -> None:
    report = make(position=42)
    report.say("[attempt 2]\n")
    await report.close()
    assert store.rows == {42: "[attempt 2]\n"}
