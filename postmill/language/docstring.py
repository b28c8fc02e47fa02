"""What a docstring says about a function and its arguments: Google's, NumPy's and Sphinx's styles."""

import re
from dataclasses import dataclass, field

from postmill.language.schema import sendable

_MAX_TEXT = 20_000
_MAX_LINE = 500
"""Characters; the expressions below may look at a line more than once, so lines are bounded too."""
_MAX_DESCRIPTION = 2000

_GOOGLE = re.compile(r"(?:Args|Arguments|Parameters|Params|Attributes|Keyword Args|Keyword Arguments):\s*$")
_NUMPY = re.compile(r"(?:Parameters|Other Parameters|Attributes)\s*$")
_UNDERLINE = re.compile(r"-{3,}\s*$")
_GOOGLE_ITEM = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_NUMPY_ITEM = re.compile(r"(\*{0,2}\w+(?:, *\*{0,2}\w+)*)(?: *:.*)?$")
_SPHINX_ITEM = re.compile(r":(?:param|parameter|arg|argument|key)\s+(?:[^:]*\s)?\*{0,2}(\w+):\s*(.*)$")
_SPHINX_OTHER = re.compile(r":[a-z]+[^:]*:")


@dataclass(frozen=True, slots=True)
class Docstring:
    """`summary` is the first paragraph on one line, "" when there is none."""

    summary: str = ""
    arguments: dict[str, str] = field(default_factory=dict)


def read_docstring(text: str | None) -> Docstring:
    """`text` as `ast.get_docstring` gives it: without the common indentation. Never raises."""
    if not text:
        return Docstring()
    lines = [line[:_MAX_LINE].rstrip() for line in sendable(text[:_MAX_TEXT]).split("\n")]
    found: dict[str, list[str]] = {}
    at = 0
    while at < len(lines):
        if _GOOGLE.match(lines[at]):
            at = _google(lines, at + 1, found)
        elif _NUMPY.match(lines[at]) and at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1]):
            at = _numpy(lines, at + 2, found)
        elif item := _SPHINX_ITEM.match(lines[at].strip()):
            at = _sphinx(lines, at, item, found)
        else:
            at += 1
    arguments = {name: _joined(parts) for name, parts in found.items()}
    return Docstring(_summary(lines), {name: words for name, words in arguments.items() if words})


def _joined(parts: list[str]) -> str:
    return " ".join(part.strip() for part in parts if part.strip())[:_MAX_DESCRIPTION]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _summary(lines: list[str]) -> str:
    paragraph: list[str] = []
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        heading = _GOOGLE.match(line) or (_NUMPY.match(line) and _UNDERLINE.match(following))
        if heading or _SPHINX_OTHER.match(line.strip()) or (paragraph and not line.strip()):
            break
        if line.strip():
            paragraph.append(line)
    return _joined(paragraph)


def _google(lines: list[str], at: int, found: dict[str, list[str]]) -> int:
    """Indented `name (type): words`, words going on in lines indented further. Returns the line after it."""
    outer: int | None = None
    words: list[str] = []
    while at < len(lines) and (not lines[at] or _indent(lines[at]) > 0):
        line = lines[at]
        at += 1
        if not line:
            continue
        outer = _indent(line) if outer is None else outer
        item = _GOOGLE_ITEM.match(line.strip()) if _indent(line) <= outer else None
        if item:
            words = found.setdefault(item[1], [])
            words.append(item[2])
        else:
            words.append(line)
    return at


def _numpy(lines: list[str], at: int, found: dict[str, list[str]]) -> int:
    """`name : type` (or `a, b : type`) and its words indented below. Returns the line after the section."""
    names: list[str] = []
    while at < len(lines):
        line = lines[at]
        if at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1]):
            break
        at += 1
        if not line:
            continue
        item = _NUMPY_ITEM.match(line)
        if item:
            names = [name.strip(" *") for name in item[1].split(",")]
        elif _indent(line):
            for name in names:
                found.setdefault(name, []).append(line)
        else:
            break
    return at


def _sphinx(lines: list[str], at: int, item: re.Match[str], found: dict[str, list[str]]) -> int:
    words = found.setdefault(item[1], [])
    words.append(item[2])
    outer = _indent(lines[at])
    at += 1
    while at < len(lines) and lines[at] and _indent(lines[at]) > outer:
        words.append(lines[at])
        at += 1
    return at
