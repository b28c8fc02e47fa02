"""Streamed results out of the output: pure, and fed piece by piece.

A line `WM_STREAM: <text>`, in which a line end is written `\\n`, is a piece of the streamed result and no line of the
log. What the Python runner sends for a generator stands behind the character U+001E, also in the middle of a line that
the script has not ended, and is JSON, so that it arrives exactly.
"""

import json

MARK = "WM_STREAM: "
EXACT = "\x1e" + MARK


class StreamLines:
    """Takes text as it comes; gives what is log, and what is streamed."""

    def __init__(self) -> None:
        self._before = "\n"
        """The character before what is held."""
        self._held: list[str] = []
        self._inside = False
        """What is held is a marked line whose end has not come."""

    @property
    def holds(self) -> bool:
        """Whether something is held back that may be log."""
        return bool(self._held) and not self._inside

    @property
    def waiting(self) -> int:
        """The length of a marked line whose end has not come."""
        return sum(map(len, self._held)) if self._inside else 0

    def feed(self, text: str) -> tuple[str, list[str]]:
        """More text; returns what of it belongs to the log, and the pieces of the result."""
        if self._inside and "\n" not in text:
            # A long line in many pieces: joined once, when its end comes.
            self._held.append(text)
            return "", []
        text = self._before + "".join(self._held) + text
        log, pieces, at = [], [], 1
        self._held, self._inside = [], False
        held = len(text)
        while (start := _marked(text, at)) is not None:
            log.append(text[at:start])
            end = text.find("\n", start)
            if end < 0:
                at, held, self._inside = start, start, True
                break
            pieces.append(_piece(text[start:end]))
            at = end + 1
        if not self._inside:
            held -= _beginning(text, at)
            log.append(text[at:held])
        self._held = [text[held:]] if held < len(text) else []
        self._before = text[held - 1]
        return "".join(log), pieces

    def flush(self) -> str:
        """What is held back and may be log: taken for it."""
        if not self.holds:
            return ""
        found, self._held = "".join(self._held), []
        self._before = found[-1:]
        return found

    def end(self) -> tuple[str, list[str]]:
        """Nothing more comes: a marked line may end without its line end."""
        if self._inside:
            return self.feed("\n")
        return self.flush(), []


def _marked(text: str, at: int) -> int | None:
    """Where the next marked line begins."""
    while (found := text.find(MARK, at)) >= 0:
        before = text[found - 1]
        if before == "\x1e" and found > at:
            return found - 1
        if before == "\n":
            return found
        at = found + 1
    return None


def _beginning(text: str, at: int) -> int:
    """How many of the last characters may be the beginning of a marked line."""
    for length in range(min(len(EXACT) - 1, len(text) - at), 0, -1):
        tail = text[-length:]
        if EXACT.startswith(tail) or (MARK.startswith(tail) and text[-length - 1] == "\n"):
            return length
    return 0


def _piece(line: str) -> str:
    if line.startswith(EXACT):
        try:
            found = json.loads(line[len(EXACT) :])
        except ValueError:
            found = None
        return _sendable(found) if isinstance(found, str) else line[len(EXACT) :]
    return line[len(MARK) :].removesuffix("\r").replace("\\n", "\n")


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
