"""Bash source → words, operators and comments, in one pass.

Written by hand for its bounds: tree-sitter's Bash grammar takes over ten seconds for 60 kB of `a|a|a…` or of unfinished
arrays, cannot be interrupted there, and finds faults in about one valid script of twenty. Here every character is
looked at a bounded number of times, and what is not understood is passed over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_BLANKS = re.compile(r"(?:[ \t\r]|\\\n)*")
_OPERATOR = re.compile(r"&&|\|\||;;&|;;|;&|\|&|<<<|<<-|<<|&>>|&>|>>|>&|<&|<>|>\||\(\(|[;&|<>()\n]")
_PLAIN = re.compile(r"[^\s\\'\"`$;&|<>()]+")
_MAX_NESTING = 100
_LETTERS = re.compile(r"[A-Za-z0-9_]+")
_DOCUMENT = re.compile(r"<<(-?)[ \t]{0,20}[\\'\"]?([A-Za-z_][A-Za-z0-9_.-]*)['\"]?")
_COMMAND = re.compile(r"[(;&|\n][ \t]{0,20}\Z")
_CLOSES = {'"': '"', "{": "}", "(": ")", "`": "`"}
_NAMES = {
    '"': 'a double quote (")',
    "{": "'${'",
    "(": "a '('",
    "`": "a backquote (`)",
    "'": "a single quote (')",
    "case": "'case'",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A word as it is written (quotes and all), an operator (a line's end is "\\n"), or a comment without its '#'."""

    kind: Literal["word", "operator", "comment"]
    text: str
    start: int
    """Characters before it in the source."""


class Unreadable(ValueError):
    """A quote or expansion that is never closed, or too many inside one another. `start` is where it begins."""

    def __init__(self, start: int, message: str) -> None:
        super().__init__(message)
        self.start = start


def _unclosed(start: int, opener: str) -> Unreadable:
    return Unreadable(start, f"{_NAMES[opener]} is never closed")


def tokens(source: str) -> Iterator[Token]:
    """The tokens in their order; here-documents are passed over.

    Raises:
        Unreadable: after the tokens that stand before it.
    """
    at = 0
    awaited: list[tuple[str, bool]] = []
    """Delimiters of here-documents that begin after this line, and whether tabs before them count as nothing."""
    here: str | None = None
    while at < len(source):
        blanks = _BLANKS.match(source, at)
        at = blanks.end() if blanks else at
        operator = _OPERATOR.match(source, at)
        if operator and operator[0] == "((":
            # Arithmetic, whose << is no here-document (or subshells in a subshell, which say nothing of arguments).
            end = expansion_end(source, at)
            yield Token("word", source[at:end], at)
            at = end
        elif operator:
            yield Token("operator", operator[0], at)
            at = operator.end()
            if operator[0] == "\n" and awaited:
                at = _after_documents(source, at, awaited)
                awaited = []
            here = operator[0] if operator[0] in ("<<", "<<-") else None
        elif source.startswith("#", at):
            end = source.find("\n", at)
            end = end if end >= 0 else len(source)
            yield Token("comment", source[at + 1 : end], at)
            at = end
        elif at < len(source):
            end = word_end(source, at)
            if here:
                awaited.append((re.sub(r"[\\'\"]", "", source[at:end]), here == "<<-"))
                here = None
            yield Token("word", source[at:end], at)
            at = end


def _after_documents(source: str, at: int, awaited: list[tuple[str, bool]]) -> int:
    for delimiter, tabs in awaited:
        while at < len(source):
            end = source.find("\n", at)
            end = end if end >= 0 else len(source)
            line = source[at:end]
            at = end + 1
            if (line.lstrip("\t") if tabs else line) == delimiter:
                break
    return min(at, len(source))


def word_end(source: str, start: int) -> int:
    """The end of the word that begins at `start`, with all its quotes and expansions."""
    at = start
    while at < len(source):
        plain = _PLAIN.match(source, at)
        if plain:
            at = plain.end()
        elif source[at] == "\\":
            at += 2
        elif source[at] == "'":
            at = _single_end(source, at, escapes=False)
        elif source.startswith("$'", at):
            at = _single_end(source, at + 1, escapes=True)
        elif source[at] in '"`' or source.startswith(("${", "$("), at):
            at = expansion_end(source, at)
        elif source[at] == "(" and source[at - 1] == "=" and at > start:
            at = expansion_end(source, at)  # an array: a=(1 2)
        elif source[at] == "$":
            at += 1
        else:
            break
    # One character at least, so that whatever stands here the reading goes on.
    return min(max(at, start + 1), len(source))


def _single_end(source: str, start: int, *, escapes: bool) -> int:
    at = start + 1
    while at < len(source) and source[at] != "'":
        at += 2 if escapes and source[at] == "\\" else 1
    if at >= len(source):
        raise _unclosed(start, "'")
    return at + 1


def expansion_end(source: str, start: int) -> int:
    """The end of what opens at `start`: a double quote, ${…}, $(…), (…) or backquotes, with all that nests inside."""
    opened: list[tuple[str, int]] = []
    awaited: list[tuple[str, bool]] = []
    at = start
    while at == start or opened:
        if at >= len(source):
            raise _unclosed(opened[-1][1], opened[-1][0])
        if len(opened) > _MAX_NESTING:
            raise Unreadable(start, f"quotes and expansions are nested more than {_MAX_NESTING} deep")
        at = _inside(source, at, opened, awaited)
    return at


def _inside(source: str, at: int, opened: list[tuple[str, int]], awaited: list[tuple[str, bool]]) -> int:
    """Take one character or word inside what is open; return the place after it."""
    inside = opened[-1][0] if opened else ""
    char = source[at]
    if awaited and char == "\n":
        at = _after_documents(source, at + 1, awaited)
        awaited.clear()
        return at
    if char == "\\":
        return at + 2
    if char == _CLOSES.get(inside):
        opened.pop()
        return at + 1
    if inside in ("(", "case") and (word := _LETTERS.match(source, at)):
        return _case(source, word, opened)
    if char in '$"`(':
        return _open(source, at, inside, opened)
    if char == "<" and inside in ("(", "case"):
        return _redirected(source, at, opened, awaited)
    if char == "'" and _quotes(opened):
        return _single_end(source, at, escapes=source[at - 1] == "$")
    if char == "#" and inside in ("(", "case") and source[at - 1] in " \t\n;":
        end = source.find("\n", at)
        return end if end >= 0 else len(source)
    return at + 1


def _open(source: str, at: int, inside: str, opened: list[tuple[str, int]]) -> int:
    """Note what opens at `at`, if anything; return the place after it."""
    if source.startswith(("${", "$("), at):
        opened.append((source[at + 1], at))
        return at + 2
    if source[at] in '"`' or (source[at] == "(" and inside in ("", "(")):
        opened.append((source[at], at))
    return at + 1


def _redirected(source: str, at: int, opened: list[tuple[str, int]], awaited: list[tuple[str, bool]]) -> int:
    """Note a here-document inside `$(…)`; return the place after what begins with '<'."""
    document = _DOCUMENT.match(source, at)
    arithmetic = len(opened) > 1 and opened[-2][0] == "(" and opened[-1][1] - opened[-2][1] <= 2
    if document is None or arithmetic:
        return at + 3 if source.startswith("<<<", at) else at + 1
    awaited.append((document[2], bool(document[1])))
    return document.end()


def _case(source: str, word: re.Match[str], opened: list[tuple[str, int]]) -> int:
    """Note a `case` inside `$(…)`, whose patterns end in ')' without a '('; return the place after the word."""
    at = word.start()
    if word[0] == "esac" and opened[-1][0] == "case":
        opened.pop()
    elif word[0] == "case" and _COMMAND.search(source, max(0, at - 22), at):
        opened.append(("case", at))
    return word.end()


def _quotes(opened: list[tuple[str, int]]) -> bool:
    """Whether a single quote quotes here: not in double quotes, and not in the `${…}` of double quotes."""
    for name, _ in reversed(opened):
        if name in ("(", "`", "case"):
            return True
        if name == '"':
            return False
    return True
