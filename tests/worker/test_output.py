"""A job's output on its way: parted into log and stream, decoded, masked, bounded."""

import asyncio

import pytest

from postmill.worker.output import Output
from postmill.worker.report import Report
from tests.worker.store import Store

pytestmark = pytest.mark.anyio


class Job:
    """One attempt's output, and what came of it."""

    def __init__(self, max_log: int = 10_000_000, max_stream: int = 10_000_000) -> None:
        self.log, self.stream = Store(), Store()
        self.full = 0
        log, stream = (Report(store.append, 0, store.on_lost) for store in (self.log, self.stream))
        self.output = Output(log, stream, max_log=max_log, max_stream=max_stream, on_full=self.on_full)

    def on_full(self) -> None:
        self.full += 1

    async def end(self) -> None:
        self.output.end()
        await self.output.close()


async def test_what_is_written_is_parted_into_log_and_stream() -> None:
    job = Job()
    for byte in 'one\nWM_STREAM: é\\n\nunfinished \x1eWM_STREAM: "\\u20ac"\nline\n'.encode():
        job.output.write(bytes([byte]))
        await asyncio.sleep(0)
    await job.end()
    assert (job.log.text, job.stream.text, job.output.streamed) == ("one\nunfinished line\n", "é\n€", "é\n€")


async def test_without_a_stream_there_is_none() -> None:
    job = Job()
    job.output.write(b"log\n")
    await job.end()
    assert job.output.streamed is None
    assert job.stream.rows == {}


async def test_a_character_that_is_split_over_two_pieces_stays_one() -> None:
    job = Job()
    for byte in "é€😀".encode():
        job.output.write(bytes([byte]))
    await job.end()
    assert job.log.text == "é€😀"


async def test_what_is_not_utf8_or_not_for_postgres_is_replaced() -> None:
    job = Job()
    job.output.write(b"a\xff\x00b\xc3")
    await job.end()
    assert job.log.text == "a\ufffd\u2400b\ufffd"


async def test_a_log_over_its_limit_is_cut_with_one_mark_and_the_stream_goes_on() -> None:
    job = Job(max_log=10)
    for number in range(5):
        job.output.write(f"123456\nWM_STREAM: {number}\n".encode())
    await job.end()
    assert job.log.text.startswith("123456\n123\n")
    assert job.log.text.count("POSTMILL_MAX_LOG") == 1
    assert job.stream.text == "01234"


async def test_a_log_that_just_fits_is_not_cut() -> None:
    job = Job(max_log=8)
    job.output.write(b"1234567\n")
    await job.end()
    assert job.log.text == "1234567\n"
    assert not job.output.cut


async def test_a_script_may_lower_the_limit_of_its_log_and_not_lift_it() -> None:
    for asked, limit in ((None, 2048), (1024, 1024), (4096, 2048)):
        job = Job(max_log=2048)
        job.output.bound(asked)
        job.output.write(b"x" * 3000)
        await job.end()
        assert job.output.cut
        log, mark = job.log.text.split("\n", 1)
        assert len(log) == limit
        assert f"limits: log={limit // 1024}KB; POSTMILL_MAX_LOG" in mark


async def test_a_stream_over_its_limit_ends_the_job() -> None:
    job = Job(max_stream=4)
    job.output.write("WM_STREAM: ab\nWM_STREAM: é\n".encode())
    assert job.full == 0
    job.output.write(b"WM_STREAM: d\nWM_STREAM: e\n")
    await job.end()
    assert job.full >= 1
    assert job.output.full
    assert job.stream.text == "abé"


async def test_a_line_that_never_ends_is_bounded_too() -> None:
    job = Job(max_stream=100)
    job.output.write(b"WM_STREAM: ")
    job.output.write(b"x" * 200)
    assert job.full == 1
    await job.end()


async def test_the_log_is_masked_across_pieces_and_the_stream_is_not() -> None:
    job = Job()
    job.output.note("before anything is known")
    job.output.hide(["sesame-öpen"])
    data = "key sesame-öpen.\nWM_STREAM: sesame-öpen\nses\nWM_STREAM: !\name-öpen ses\n".encode()
    for byte in data:
        job.output.write(bytes([byte]))
    await job.end()
    assert job.log.text == "[before anything is known]\nkey ses********.\nses\name-öpen ses\n"
    assert job.stream.text == "sesame-öpen!"


async def test_a_secret_on_both_sides_of_a_streamed_line_is_masked_in_the_log() -> None:
    job = Job()
    job.output.hide(["sesame-open"])
    job.output.write(b'sesame\x1eWM_STREAM: "!"\n-open\n')
    await job.end()
    assert job.log.text == "ses********\n"


async def test_a_log_that_is_cut_within_a_secret_does_not_show_it() -> None:
    job = Job(max_log=10)
    job.output.hide(["sesame-open"])
    job.output.write(b"sesame-open\n")
    await job.end()
    assert job.log.text.startswith("ses*******\n[")


async def test_what_is_held_back_is_given_out_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postmill.worker.output.HOLD_S", 0.01)
    monkeypatch.setattr("postmill.worker.report.PAUSE_S", 0.001)
    job = Job()
    job.output.hide(["sesame-open"])
    job.output.write(b"sesam")
    while job.log.text != "sesam":
        await asyncio.sleep(0.005)
    job.output.write(b"e\nWM_ST")
    while job.log.text != "sesame\nWM_ST":
        await asyncio.sleep(0.005)
    await job.end()
    assert job.log.text == "sesame\nWM_ST"
