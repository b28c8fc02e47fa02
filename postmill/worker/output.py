"""What a job's process writes: parted into log and streamed result, the log masked and bounded.

What the log holds back, as it may turn out to be a secret or a marked line, is given out after HOLD_S without more.
"""

import asyncio
import codecs
from collections.abc import Callable, Iterable

from postmill.executors.met import limit_words
from postmill.worker.mask import Mask
from postmill.worker.report import Report
from postmill.worker.stream_lines import StreamLines

HOLD_S = 1.0


class Output:
    """One attempt's. `write` is called in the event loop and never waits."""

    def __init__(self, log: Report, stream: Report, max_log: int, max_stream: int, on_full: Callable[[], None]) -> None:
        """`max_log` and `max_stream` in bytes; `on_full` is called when the streamed result is over its limit."""
        self._log = log
        self._stream = stream
        self.max_log = self._log_left = max_log
        self._stream_left = max_stream
        self._on_full = on_full
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lines = StreamLines()
        self._mask = Mask()
        self._timer: asyncio.TimerHandle | None = None
        self._streamed: list[str] = []
        self.full = False
        """More was streamed than may be: `streamed` is not all of it."""

    @property
    def streamed(self) -> str | None:
        """The streamed result so far; None when nothing was streamed."""
        return "".join(self._streamed) if self._streamed else None

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these in all that follows."""
        self._mask = Mask(secrets)

    def bound(self, max_log: int | None) -> None:
        """Lower the limit of the log, before anything is written; None and what is above it change nothing."""
        if max_log is not None and max_log < self.max_log:
            self.max_log = self._log_left = max_log

    @property
    def cut(self) -> bool:
        """The log is over its limit, and the rest of it was dropped."""
        return self._log_left < 0

    def note(self, line: str) -> None:
        """A line of the platform's own."""
        self._log.say(f"[{line}]\n")

    def write(self, data: bytes) -> None:
        """Take output as it comes."""
        self._take(*self._lines.feed(self._decoder.decode(data)))
        if self._lines.waiting > self._stream_left:
            self._full()
        self._hold_on()

    def end(self) -> None:
        """Nothing more comes: give out what is held back."""
        log, pieces = self._lines.feed(self._decoder.decode(b"", final=True))
        self._take(log, pieces)
        self._take(*self._lines.end())
        self._log.say(self._mask.flush())
        if self._timer is not None:
            self._timer.cancel()

    async def close(self) -> None:
        """Write what is left."""
        await asyncio.gather(self._log.close(), self._stream.close())

    def _take(self, log: str, pieces: list[str]) -> None:
        for piece in pieces:
            self._stream_left -= len(piece.encode())
            if self._stream_left < 0:
                self._full()
                return
            self._streamed.append(piece)
            self._stream.say(piece)
        if not log or self._log_left < 0:
            return
        data = log.encode()
        self._log_left -= len(data)
        if self._log_left >= 0:
            self._log.say(self._mask.feed(log))
            return
        self._log.say(self._mask.feed(data[: self._log_left].decode("utf-8", "ignore")) + self._mask.flush())
        self._log.say(f"\n[the log is cut here: the job {limit_words('log', self.max_log)}]\n")

    def _full(self) -> None:
        self._stream_left = -1
        self.full = True
        self._on_full()

    def _hold_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines.holds or self._mask.holds:
            self._timer = asyncio.get_running_loop().call_later(HOLD_S, self._release)

    def _release(self) -> None:
        self._timer = None
        self._take(self._lines.flush(), [])
        self._log.say(self._mask.flush())
