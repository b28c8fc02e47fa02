"""Secrets out of a log: pure, and fed piece by piece, so that a secret may be split anywhere.

Of a secret the first three characters stay and each of the others becomes `*`. It is found as it is, and as other
programs write it: base64 at each of the three alignments, both alphabets; percent-encoded, by the rules of several
libraries; as JSON, also inside of JSON; as Python, a shell or HTML would write it. Of a secret of several lines each
line counts as well. What is shorter than eight characters is not masked, nor is a character that only repeats.

What could still be the beginning of a secret is held back, except for its first three characters, which are shown
anyway. `flush` gives it out: as it is when it is shorter than eight characters, else masked. Either way it is
remembered, so that the rest of a secret that comes later is masked all the same.
"""

import base64
import html
import json
import re
import shlex
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property
from urllib.parse import quote, quote_plus

SHORTEST = 8
"""Characters."""
SHOWN = 3
_LITTLE = 4096
_SAFE = ("", "/", "!'()*", ";,/?:@&=+$!'()*#", "~!*'()")
"""What percent-encoders leave as it is, beside letters and digits: Python's, JavaScript's two, PHP's and the like."""
_HEX = re.compile(r"(%[0-9A-F]{2})+|\\u[0-9a-f]{4}")
_URL_SAFE = str.maketrans("+/", "-_")


def written_forms(secret: str) -> set[str]:
    """A secret, and its lines, in every form that is looked for."""
    found: set[str] = set()
    for part in {secret, *secret.splitlines(), *(line.strip() for line in secret.splitlines())}:
        if len(part) >= SHORTEST and len(set(part)) > 1:
            found.update(_percent(part), _quoted(part), _base64(part.encode("utf-8", "replace")))
            found.add(part)
    return {form for form in found if len(form) >= SHORTEST}


def _percent(text: str) -> Iterator[str]:
    data = text.encode("utf-8", "replace")
    for encoded in (*(quote(data, safe) for safe in _SAFE), quote_plus(data)):
        yield encoded
        yield _HEX.sub(lambda found: found[0].lower(), encoded)


def _quoted(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        written = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        for each in (written, written.replace("/", "\\/"), _html_safe_json(written)):
            yield each
            yield _HEX.sub(lambda found: "\\u" + found[0][2:].upper(), each)
            yield json.dumps(each, ensure_ascii=ascii_only)[1:-1]
    yield repr(text)[1:-1]
    yield ascii(text)[1:-1]
    yield shlex.quote(text).removeprefix("'").removesuffix("'")
    yield text.replace("'", "'\\''")
    yield re.sub(r"""([\\"$`])""", r"\\\1", text)
    yield re.sub(r"([^\w@%+=:,./-])", r"\\\1", text)
    yield html.escape(text)
    yield html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield html.escape(text, quote=False)


def _html_safe_json(written: str) -> str:
    """As Go and several web frameworks write it."""
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _base64(data: bytes) -> Iterator[str]:
    # What stands before shifts it by 0, 1 or 2 bytes. Characters at the ends that the neighbours decide are left out.
    for shift, first in ((0, 0), (1, 2), (2, 3)):
        length = (shift + len(data)) * 8 // 6
        encoded = base64.b64encode(bytes(shift) + data).decode()[first:length]
        yield encoded
        yield encoded.translate(_URL_SAFE)


def pattern(words: Iterable[str]) -> re.Pattern[str]:
    """Finds the longest of the words at a place. A tree of their first two characters makes each place cheap."""
    tree: dict[str, dict[str, list[str]]] = {}
    for word in words:
        tree.setdefault(word[0], {}).setdefault(word[1], []).append(word[2:])

    def rest(tails: list[str]) -> str:
        return "|".join(map(re.escape, sorted(tails, key=len, reverse=True)))

    branches = [
        re.escape(first)
        + "(?:"
        + "|".join(f"{re.escape(second)}(?:{rest(tails)})" for second, tails in seconds.items())
        + ")"
        for first, seconds in tree.items()
    ]
    return re.compile("|".join(branches))


class Mask:
    """One job's log. `feed` takes text as it comes and returns what can be shown of it now."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets_given = tuple(secrets)
        self._text = ""
        """What may still become part of a secret, from its first character on."""
        self._given = 0
        """How much of it was given out."""
        self._stars: list[tuple[int, int]] = []
        """Where in it a secret that began before it goes on."""

    # Made when they are first needed: most jobs print little, and many nothing.

    @cached_property
    def _forms(self) -> list[str]:
        return sorted({form for secret in self._secrets_given for form in written_forms(secret)})

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._forms))

    @cached_property
    def _found(self) -> re.Pattern[str]:
        return pattern(self._forms)

    @cached_property
    def _first(self) -> re.Pattern[str]:
        return re.compile("[" + re.escape("".join({form[0] for form in self._forms})) + "]")

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        return frozenset(form[:SHOWN] for form in self._forms)

    @property
    def holds(self) -> bool:
        """Whether something is held back."""
        return self._given < len(self._text)

    def feed(self, text: str) -> str:
        """More text; returns what is certain by now."""
        if not self._secrets_given or not self._forms:
            return text
        self._text += text
        spans = self._stars + list(self._secrets())
        end = self._unfinished()
        shown = _masked(self._text, spans)[self._given : end + SHOWN]
        self._given = max(self._given, min(end + SHOWN, len(self._text))) - end
        self._text = self._text[end:]
        self._stars = [(max(0, start - end), stop - end) for start, stop in spans if stop > end]
        return shown

    def flush(self) -> str:
        """What is held back. A secret that goes on after it is masked all the same."""
        spans = self._stars
        if len(self._text) >= SHORTEST:
            spans = [*spans, (SHOWN, len(self._text))]
        shown = _masked(self._text, spans)[self._given :]
        self._given = len(self._text)
        return shown

    def _secrets(self) -> Iterator[tuple[int, int]]:
        """What is to be hidden. Secrets may overlap: the next one is looked for right after the first character."""
        if len(self._text) < _LITTLE and not any(each in self._text for each in self._beginnings):
            # The pattern takes a millisecond to make.
            return
        at = self._found.search(self._text)
        while at is not None:
            yield at.start() + SHOWN, at.end()
            at = self._found.search(self._text, at.start() + 1)

    def _unfinished(self) -> int:
        """Where the earliest beginning of a secret stands that the text breaks off; its end when there is none."""
        for at in self._first.finditer(self._text, max(0, len(self._text) - self._longest + 1)):
            tail = self._text[at.start() :]
            next_ = bisect_left(self._forms, tail)
            while next_ < len(self._forms) and self._forms[next_] == tail:
                next_ += 1
            if next_ < len(self._forms) and self._forms[next_].startswith(tail):
                return at.start()
        return len(self._text)


def _masked(text: str, spans: list[tuple[int, int]]) -> str:
    """Line ends stay: a log keeps its lines."""
    if not spans:
        return text
    parts, at = [], 0
    for start, stop in sorted(spans):
        start = max(at, start)
        if stop > start:
            parts += [text[at:start], re.sub(r"[^\r\n]", "*", text[start:stop])]
            at = stop
    return "".join([*parts, text[at:]])
