"""Python source → its top-level statements, also when the source is broken or hostile."""

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from postmill.language.schema import too_long

_MAX_RECOVERED = 100_000
"""Characters of a broken source: each of its blocks is parsed by itself."""
_MAX_HEADER = 60
"""Lines of a function's header."""
_MAX_ATTEMPTS = 200
"""Parses that look for the end of a header, in one source."""

_FUNCTION = re.compile(r"(?:async[ \t]+)?def[ \t]")
_GOES_ON = re.compile(r"[ \t)\]}#]|(?:else|elif|except|finally)\b")


@dataclass(frozen=True, slots=True)
class Parsed:
    """`error` is None, or says what is wrong and where; `tree` then holds what could be read all the same."""

    tree: ast.Module
    error: str | None = None
    error_line: int | None = None


def parse_module(source: str) -> Parsed:
    """Never raises and never runs the source. The grammar is that of the Python that Postmill itself runs on."""
    nothing = ast.Module(body=[], type_ignores=[])
    error = too_long(source)
    if error:
        return Parsed(nothing, error)
    unreadable = _unreadable(source)
    if unreadable is not None:
        line, column = source.count("\n", 0, unreadable) + 1, unreadable - source.rfind("\n", 0, unreadable)
        name = "a NUL character" if source[unreadable] == "\0" else "half a surrogate pair"
        return Parsed(nothing, f"line {line}, column {column}: {name} cannot stand in a source", line)
    try:
        return Parsed(_parse(source))
    except SyntaxError as found:
        return Parsed(_recover(source), _in_words(found), found.lineno)
    except (RecursionError, MemoryError):
        return Parsed(nothing, "the source nests expressions or statements too deep to be read")
    except ValueError as found:
        return Parsed(nothing, f"the source cannot be read: {found}")


def parse_expression(source: str) -> ast.expr | None:
    """A type written as text, or None when it is no expression."""
    if len(source) > 10_000 or _unreadable(source) is not None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        return None


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        # An invalid escape in somebody's string is no concern of this process.
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _unreadable(source: str) -> int | None:
    """The place of the first character that no Python source may hold."""
    at = source.find("\0")
    if at >= 0:
        return at
    try:
        source.encode()
    except UnicodeEncodeError as error:
        return error.start
    return None


def _in_words(error: SyntaxError) -> str:
    words = error.msg
    if words == "invalid syntax" and error.text and error.offset:
        rest = error.text[error.offset - 1 :].strip()[:40]
        words = f"invalid syntax at {rest!r}" if rest else "invalid syntax at the end of the line"
    if not error.lineno:
        return words
    return f"line {error.lineno}, column {error.offset or 1}: {words}"


def _recover(source: str) -> ast.Module:
    """The blocks of a broken source that are sound, and the headers of its functions whose bodies are not.

    The source is broken most of the time while it is typed, and the form beside it must not vanish.
    """
    found: list[ast.stmt] = []
    attempts = _MAX_ATTEMPTS
    if len(source) <= _MAX_RECOVERED:
        for block in _blocks(source):
            try:
                found += _parse("\n".join(block)).body
            except (SyntaxError, RecursionError, MemoryError, ValueError):
                header, taken = _header(block, attempts)
                attempts -= taken
                found += header
    return ast.Module(body=found, type_ignores=[])


def _blocks(source: str) -> Iterator[list[str]]:
    """Lines from one that begins at the margin up to the next; decorators stay with what they decorate."""
    block: list[str] = []
    for line in source.split("\n"):
        begins = bool(line.strip()) and not _GOES_ON.match(line)
        if begins and block and not all(earlier.startswith("@") for earlier in block):
            yield block
            block = []
        block.append(line)
    yield block


def _header(block: list[str], attempts: int) -> tuple[list[ast.stmt], int]:
    """The function whose header is whole although its body is not, and how many parses were spent on it."""
    if not any(_FUNCTION.match(line) for line in block[:_MAX_HEADER]):
        return [], 0
    most = min(len(block), _MAX_HEADER, attempts)
    for length in range(1, most + 1):
        try:
            return _parse("\n".join([*block[:length], " pass"])).body, length
        except (SyntaxError, RecursionError, MemoryError, ValueError):
            continue
    return [], most
