"""A job's log on its way: in order, once, bounded, and never in the way of the job."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from postmill.model.errors import LostLease, Unavailable
from postmill.worker.report import CHUNK, LogReport

pytestmark = pytest.mark.anyio


class Store:
    """What a log's rows would hold; fails as it is told."""

    def __init__(self) -> None:
        self.rows: dict[int, str] = {}
        self.failures: list[Exception] = []
        self.lost = False

    async def append(self, position: int, text: str) -> None:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        self.rows[position] = text

    @property
    def text(self) -> str:
        """The rows in order, which must meet without a gap."""
        found = ""
        for position, text in sorted(self.rows.items()):
            assert position == len(found)
            found += text
        return found

    def on_lost(self) -> None:
        self.lost = True


@pytest.fixture
def store() -> Store:
    return Store()


Make = Callable[..., LogReport]


@pytest.fixture
def make(store: Store) -> Make:
    def build(limit: int = 10_000_000, position: int = 0) -> LogReport:
        append: Callable[[int, str], Awaitable[None]] = store.append
        return LogReport(append, position, limit, store.on_lost)

    return build


async def test_what_is_written_arrives_in_order_and_once(store: Store, make: Make) -> None:
    report = make()
    for number in range(100):
        report.write(f"line {number}\n".encode())
        await asyncio.sleep(0)
    await report.close()
    assert store.text == "".join(f"line {number}\n" for number in range(100))


async def test_the_first_piece_does_not_wait(store: Store, make: Make) -> None:
    report = make()
    report.write(b"first\n")
    for _ in range(5):
        await asyncio.sleep(0)
    assert store.text == "first\n"
    await report.close()


async def test_a_character_that_is_split_over_two_pieces_stays_one(store: Store, make: Make) -> None:
    report = make()
    text = "é€😀"
    for byte in text.encode():
        report.write(bytes([byte]))
    await report.close()
    assert store.text == text


async def test_what_is_not_utf8_or_not_for_postgres_is_replaced(store: Store, make: Make) -> None:
    report = make()
    report.write(b"a\xff\x00b\xc3")
    await report.close()
    assert store.text == "a\ufffd\u2400b\ufffd"


async def test_a_log_over_its_limit_is_cut_with_one_mark(store: Store, make: Make) -> None:
    report = make(limit=10)
    for _ in range(5):
        report.write(b"123456\n")
    await report.close()
    assert store.text.startswith("123456\n123")
    assert store.text.count("POSTMILL_MAX_LOG") == 1


async def test_a_long_log_is_written_in_rows_of_bounded_length(store: Store, make: Make) -> None:
    report = make()
    report.write(b"x" * (2 * CHUNK + 7))
    await report.close()
    assert [len(text) for _, text in sorted(store.rows.items())] == [CHUNK, CHUNK, 7]


async def test_an_outage_delays_and_loses_nothing(store: Store, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postmill.worker.report.RETRY_S", 0.001)
    report = make()
    store.failures = [Unavailable(), Unavailable()]
    report.write(b"one\n")
    await asyncio.sleep(0.01)
    report.write(b"two\n")
    await report.close()
    assert store.text == "one\ntwo\n"


async def test_a_lost_lease_ends_the_log_and_is_told(store: Store, make: Make) -> None:
    report = make()
    store.failures = [LostLease()]
    report.write(b"late\n")
    await report.close()
    report.write(b"later\n")
    await report.close()
    assert store.lost
    assert store.rows == {}


async def test_a_second_attempt_goes_on_where_the_first_one_ended(store: Store, make: Make) -> None:
    report = make(position=42)
    report.note("attempt 2")
    await report.close()
    assert store.rows == {42: "[attempt 2]\n"}
