"""Bash: the positional parameters that a script gives names to (`name="$1"`), as JSON Schema. All are strings.

Assignments count where `$1` is the script's own: at the top level, and in a function that is called with `"$@"`. In a
loop that shifts, `$1` is now this argument and now that, so nothing is read there. A `shift` at the top level moves the
positions after it. Argument number n stands at place n of the schema's `order`, gaps (`arg2`) included.

`error` is set only for what no Bash accepts, an unclosed quote or an `if` without `fi`: scripts that Bash takes must
never be refused here, and Bash itself has the last word on the rest.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from postmill.language.bash_words import Token, Unreadable, expansion_end, tokens
from postmill.language.schema import STRICT, Signature, is_strict, object_schema, sendable, too_long

_MAX_POSITION = 200
_MAX_FRAMES = 300
_MAX_DESCRIPTION = 2000
_MAX_COMMENT_LINES = 20

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_NUMBERED = re.compile(r"\$(?:([1-9])|\{(0*[1-9][0-9]{0,3})(.*)\})", re.DOTALL)
_DEFAULT = re.compile(r":?[-=]")
_ALL_ARGUMENTS = frozenset(['"$@"', "$@", '"${@}"', '"$*"', "$*"])
_DECLARES = frozenset(["local", "declare", "typeset", "export", "readonly"])
_OPENS = {"if": "fi", "while": "done", "until": "done", "for": "done", "select": "done", "case": "esac", "{": "}"}
_CLOSES = frozenset(["fi", "done", "esac", "}"])
_HEADERS = frozenset(["function", "case", "for", "select", "coproc"])
_GOES_ON = frozenset(["then", "else", "elif", "do", "!", "time"])
_REDIRECTS = frozenset(["<", ">", ">>", "<<", "<<-", "<<<", "<>", ">|", "<&", ">&", "&>", "&>>"])


@dataclass(slots=True)
class _Frame:
    """A compound command that is open."""

    opener: str
    start: int
    function: str | None
    """The function whose body this is."""
    entered: bool = False
    """Of a loop: its `do` has been read."""
    shifts: bool = False
    patterns: bool = False
    """Of a case: the next words are patterns, up to ')'."""


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One `name="$n"`."""

    name: str
    position: int
    default: str | None
    required: bool
    token: Token
    function: str | None
    loops: tuple[_Frame, ...]


@dataclass(slots=True)
class _Reading:
    """What has been seen so far."""

    frames: list[_Frame] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """Of the simple command under way."""
    at_command: bool = True
    skips_word: bool = False
    named: str | None = None
    """The function whose name was read after the word `function`: parentheses may follow."""
    pending: str | None = None
    """The function whose body comes next."""
    shifted: dict[str | None, int] = field(default_factory=dict)
    forwarded: set[str] = field(default_factory=set)
    """Functions that are given all arguments of the script."""
    parameters: list[_Parameter] = field(default_factory=list)
    comments: list[Token] = field(default_factory=list)
    fault: tuple[int, str] | None = None

    def run(self, found: Iterable[Token]) -> None:
        try:
            for token in found:
                match token.kind:
                    case "comment":
                        self.comments.append(token)
                    case "operator":
                        self._operator(token)
                    case "word":
                        self._word(token)
            self._end_command()
        except Unreadable as error:
            self.fault = (error.start, str(error))
            return
        if self.fault is None and self.frames and self.frames[-1].opener in _OPENS:
            last = self.frames[-1]
            self.fault = (last.start, f"'{last.opener}' is never closed, expected '{_OPENS[last.opener]}'")

    @property
    def _function(self) -> str | None:
        return next((frame.function for frame in reversed(self.frames) if frame.function), None)

    def _operator(self, token: Token) -> None:
        text = token.text
        top = self.frames[-1] if self.frames else None
        if text in _REDIRECTS:
            self.skips_word = True
        elif top and top.patterns:
            # `(a|b)` or `a|b)`: the commands of this case begin after the parenthesis.
            top.patterns = text != ")"
            self.at_command = text == ")"
        elif text == "(":
            defined = self.words[0] if len(self.words) == 1 and not self.skips_word else self.named
            self.pending = defined or self.pending
            self.words = []
            self._open("()" if defined else "(", token.start)
        elif text == ")":
            self._end_command()
            if top and top.opener in ("(", "()"):
                self.frames.pop()
                self.pending = top.function if top.opener == "()" else None
        else:
            self._end_command()
            if text in (";;", ";&", ";;&") and top and top.opener == "case":
                top.patterns = True

    def _open(self, opener: str, start: int) -> None:
        if len(self.frames) >= _MAX_FRAMES:
            raise Unreadable(start, f"commands are nested more than {_MAX_FRAMES} deep")
        self.frames.append(_Frame(opener, start, self.pending))
        self.pending = self.named = None
        self.at_command = True
        self.skips_word = False

    def _word(self, token: Token) -> None:
        if self.skips_word:
            self.skips_word = False
        elif self.frames and self.frames[-1].patterns:
            if token.text == "esac":
                self._close(token)
        elif self.at_command and not self.words and self._reserved(token):
            pass
        elif self.words and self.words[0] in _HEADERS and self._header_ends(token):
            self.words, self.at_command = [], True
            if token.text in _OPENS:
                self._reserved(token)
        elif self.at_command or self.words[0] in _DECLARES:
            self._assignment(token)
        else:
            self.words.append(token.text)

    def _header_ends(self, token: Token) -> bool:
        """Whether the word after those of a header is its last, with a command to follow and no ';' between."""
        match self.words:
            case ["function"]:
                self.named = self.pending = token.text
                return True
            case ["case", _]:
                self.frames[-1].patterns = True
                return True
            case ["for" | "select", _] if token.text == "do":
                self.frames[-1].entered = True
                return True
            case ["for"]:
                return token.text.startswith("((")
            case ["coproc"] | ["coproc", _]:
                return token.text in _OPENS
        return False

    def _reserved(self, token: Token) -> bool:
        """Take a word that only the grammar gives a meaning, at the place of a command."""
        text = token.text
        top = self.frames[-1] if self.frames else None
        if text in _OPENS:
            if text == "{" and top and top.opener in ("for", "select") and not top.entered:
                self.frames.pop()  # `for …; { …; }`: braces in place of do and done
            self._open(text, token.start)
            if text in ("for", "select", "case"):
                self.words, self.at_command = [text], False
        elif text in _CLOSES:
            self._close(token)
        elif text in ("function", "coproc"):
            self.words, self.at_command = [text], False
        elif text == "do" and top:
            top.entered = True
        else:
            return text in _GOES_ON
        return True

    def _close(self, token: Token) -> None:
        # Parentheses also stand in patterns and regular expressions, where nothing says that they are paired.
        while self.frames and self.frames[-1].opener in ("(", "()"):
            self.frames.pop()
        top = self.frames[-1] if self.frames else None
        if top and _OPENS.get(top.opener) == token.text:
            self.frames.pop()
        elif self.fault is None:
            expected = f", expected '{_OPENS[top.opener]}'" if top and top.opener in _OPENS else ""
            self.fault = (token.start, f"'{token.text}' closes nothing here{expected}")

    def _end_command(self) -> None:
        words, self.words = self.words, []
        self.at_command, self.skips_word = True, False
        if words and words[0] == "case":
            self.words, self.at_command = words, False  # `in` may stand on a line of its own
        elif words and words[0] == "shift":
            self._shift(words[1:])
        elif len(words) > 1 and self._function is None and not _ALL_ARGUMENTS.isdisjoint(words[1:]):
            self.forwarded.add(words[0])

    def _shift(self, count: list[str]) -> None:
        loops = [frame for frame in self.frames if _OPENS.get(frame.opener) == "done"]
        for frame in loops:
            frame.shifts = True
        if all(frame.function for frame in self.frames):
            # Longer numbers than two digits are beyond every position that is read.
            by = int(count[0]) if count and count[0].isdecimal() and len(count[0]) < 3 else 1
            self.shifted[self._function] = self.shifted.get(self._function, 0) + by

    def _assignment(self, token: Token) -> None:
        found = _ASSIGNMENT.match(token.text)
        if found is None:
            self.words.append(token.text)
            self.at_command = False
            self.pending = self.named = None
            return
        read = _positional(token.text[found.end() :])
        if read is None:
            return
        function = self._function
        position = read[0] + self.shifted.get(function, 0)
        loops = tuple(frame for frame in self.frames if _OPENS.get(frame.opener) == "done")
        if position <= _MAX_POSITION:
            self.parameters.append(_Parameter(found[1], position, read[1], read[2], token, function, loops))


def signature(source: str) -> Signature:
    """The signature of a script. Never raises; a Bash script can always be run, so `has_main` is always true."""
    strict = is_strict(source)
    error = too_long(source)
    if error:
        return Signature(has_main=True, strict=strict, error=error)
    reading = _Reading()
    reading.run(tokens(source))
    by_position: dict[int, _Parameter] = {}
    for parameter in reading.parameters:
        ours = parameter.function is None or parameter.function in reading.forwarded
        if ours and not any(loop.shifts for loop in parameter.loops):
            by_position.setdefault(parameter.position, parameter)
    notes = _Notes(source, reading.comments)
    schema = _schema(by_position, notes)
    if reading.fault is None:
        return Signature(schema=schema, has_main=True, strict=strict)
    start, message = reading.fault
    line = notes.line(start)
    message = f"line {line}, column {start - notes.begins[line - 1] + 1}: {message}"
    return Signature(schema=schema, has_main=True, strict=strict, error=message, error_line=line)


def _schema(parameters: dict[int, _Parameter], notes: "_Notes") -> dict[str, Any]:
    schema = object_schema()
    for position in range(1, max(parameters, default=0) + 1):
        parameter = parameters.get(position)
        name = parameter.name if parameter else f"arg{position}"
        while name in schema["properties"]:
            name = f"{name}_{position}"
        rule = {"type": "string"}
        if parameter:
            words = notes.about(parameter.token)
            rule |= {"default": parameter.default} if parameter.default is not None else {}
            rule |= {"description": words} if words else {}
            if parameter.required:
                schema["required"].append(name)
        schema["properties"][name] = rule
        schema["order"].append(name)
    return schema


def _positional(value: str) -> tuple[int, str | None, bool] | None:
    """The position that an assigned value stands for, its default, and whether it is required.

    None when the value is more or other than one positional parameter. A default that must be run to be known
    (`${2:-$(date)}`) is none, but the argument is not required.
    """
    quoted = len(value) > 1 and value.startswith('"')
    if quoted and value.endswith('"'):
        value = value[1:-1]
    found = _NUMBERED.fullmatch(value)
    if found is None:
        return None
    if found[1]:
        return int(found[1]), None, True
    try:
        if expansion_end(value, 0) != len(value):
            return None
    except Unreadable:
        return None
    given = _DEFAULT.match(found[3])
    if given:
        return int(found[2]), _plain_text(found[3][given.end() :], quoted), False
    return None if found[3].startswith(("+", ":+")) else (int(found[2]), None, True)


def _plain_text(text: str, quoted: bool) -> str | None:
    """The text of a default without its quotes, or None when an expansion stands in it.

    In double quotes (`quoted`) a single quote is a character like any other.
    """
    found: list[str] = []
    inside = ""
    at = 0
    while at < len(text):
        char = text[at]
        if inside == "'":
            inside = "" if char == "'" else inside
            found.append("" if char == "'" else char)
        elif char in "$`":
            return None
        elif char == "\\" and at + 1 < len(text):
            at += 1
            kept = (quoted or inside) and text[at] not in '$`"\\}\n'
            found.append(f"\\{text[at]}" if kept else text[at].replace("\n", ""))
        elif char == '"':
            inside = "" if inside else '"'
        elif char == "'" and not quoted and not inside:
            inside = "'"
        else:
            found.append(char)
        at += 1
    whole = "".join(found)
    return None if whole.startswith("~") and not quoted else sendable(whole)


class _Notes:
    """The comments of a source, by line."""

    def __init__(self, source: str, comments: list[Token]) -> None:
        self.begins = [0, *(found.end() for found in re.finditer("\n", source))]
        self._beside: dict[int, str] = {}
        self._alone: dict[int, str] = {}
        for comment in comments:
            line = self.line(comment.start)
            before = source[self.begins[line - 1] : comment.start]
            words = comment.text.strip()
            if before.strip():
                self._beside[line] = words
            elif not comment.text.startswith("!") and words not in STRICT and any(map(str.isalnum, words)):
                self._alone[line] = words

    def line(self, start: int) -> int:
        """Counted from 1."""
        return bisect_right(self.begins, start)

    def about(self, token: Token) -> str | None:
        """The comment beside an assignment, or else the lines of comment directly above it."""
        beside = self._beside.get(self.line(token.start + len(token.text)))
        if beside:
            return sendable(beside[:_MAX_DESCRIPTION])
        line = self.line(token.start)
        above: list[str] = []
        while line - 1 - len(above) in self._alone and len(above) < _MAX_COMMENT_LINES:
            above.append(self._alone[line - 1 - len(above)])
        return sendable(" ".join(reversed(above))[:_MAX_DESCRIPTION]) if above else None
