"""**Pure**: Python source → the packages that it wants, and the Python.

    # requirements:            exactly these lines, and nothing from the imports
    # pandas>=2
    # requirements: ml         exactly the workspace file `ml` (several: `ml, plots`; `default` is the unnamed one)
    # extra_requirements:      these as well (lines or names of files, as above)
    # /// script               a block of PEP 723: exactly its `dependencies`
    # py: >=3.12               which Python; also `# py: 3.12` and `# py312`
    import bs4  # pin: beautifulsoup4==4.12.3      this requirement for this import
    import bs4  # repin: beautifulsoup4==4.12.3    … and no other file's pin of it

Each file (the script, each library that it imports) is read for itself, and what they want is put together. Without
any of the above it is what the file imports, with the unnamed workspace file.
"""

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from postmill.language.python_distributions import distribution
from postmill.language.python_syntax import parse_module

DEFAULT = "default"
"""How a script names the workspace file that has no name."""
_LINES_AT_MOST = 500
_LINE_AT_MOST = 500

_DIRECTIVE = re.compile(r"#\s*(requirements|extra_requirements)\s*:\s*(.*)", re.IGNORECASE)
_PYTHON = re.compile(r"#\s*(?:py\s*:\s*(?P<words>.+)|py(?P<major>3)(?P<minor>\d{1,2}))\s*", re.IGNORECASE)
_PIN = re.compile(r"#\s*(pin|repin)\s*:\s*(.+)", re.IGNORECASE)
_BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[[A-Za-z0-9._,\s-]*\])?\s*(?:\(?\s*[<>=!~][^@#\\]*|;[^@#\\]*)?"
)
_SPECIFIER = re.compile(r"(==|!=|>=|<=|~=|>|<)?\s*(\d+(?:\.\d+){0,2})(\.\*)?")


class Unclear(ValueError):
    """What a source, or a workspace file, says about its packages cannot be taken; the message is for its author."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What is to be resolved."""

    lines: tuple[str, ...] = ()
    """PEP 508, sorted, each once."""
    python: str = ""
    """A version specifier (`>=3.12`, `==3.12.*`), several joined by commas; "" for any."""

    @property
    def empty(self) -> bool:
        """The standard library of any Python will do."""
        return not self.lines and not self.python

    def text(self) -> str:
        """For `read_requirements`: the wish for a Python, then a requirement a line."""
        return "".join(f"{line}\n" for line in ([f"# py: {self.python}"] if self.python else []) + list(self.lines))


@dataclass(frozen=True, slots=True)
class _Import:
    name: str
    """Dotted, with what is taken from it: `google.cloud.storage`."""
    lines: range


@dataclass(slots=True)
class _File:
    """What one source says."""

    explicit: bool = False
    lines: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Of workspace files."""
    python: list[str] = field(default_factory=list)
    imports: list[_Import] = field(default_factory=list)
    pins: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Line of the source → (pin or repin, requirement)."""


def requirements(source: str, modules: Mapping[str, str], files: Mapping[str, str]) -> Requirements:
    """What a script wants, together with the workspace libraries that it imports.

    `modules`: path → source of each library. `files`: name → content of each workspace file, `DEFAULT` the unnamed.

    Raises:
        Unclear: a requirement that cannot be read, a workspace file that is not there.
    """
    found = [_read(text) for text in (source, *(modules[path] for path in sorted(modules)))]
    repinned = {
        item.name.split(".")[0]
        for file in found
        for item in file.imports
        if any(kind == "repin" for kind, _ in _pins(file, item))
    }
    lines: set[str] = set()
    for file in found:
        lines.update(_lines(file, files, repinned))
    if len(lines) > _LINES_AT_MOST:
        raise Unclear(f"over {_LINES_AT_MOST} requirements")
    python = sorted({word for file in found for word in file.python})
    return Requirements(tuple(sorted(lines, key=str.lower)), ",".join(python))


def file_names(source: str) -> tuple[str, ...]:
    """The workspace files that a source would be given if they were there. Never raises."""
    try:
        file = _read(source)
    except Unclear:
        return (DEFAULT,)
    return tuple(dict.fromkeys(file.names if file.explicit else [*file.names, DEFAULT]))


def file_lines(content: str) -> list[str]:
    """The requirements in a workspace file, which may hold comments and empty lines.

    Raises:
        Unclear: a line that is not a requirement.
    """
    stripped = (re.sub(r"(^|\s)#.*", "", line).strip() for line in content.splitlines())
    return [_checked(line) for line in stripped if line]


def read_requirements(text: str) -> Requirements:
    """The inverse of `Requirements.text`.

    Raises:
        Unclear: a line that is not a requirement.
    """
    python = [
        _python(match["words"]) for line in text.splitlines() if (match := _PYTHON.fullmatch(line)) and match["words"]
    ]
    return Requirements(tuple(file_lines(text)), ",".join(python))


def _lines(file: _File, files: Mapping[str, str], repinned: set[str]) -> Iterator[str]:
    for name in file.names:
        if name not in files:
            raise Unclear(
                f"there is no workspace dependency file {name!r}"
                + (f"; there are: {', '.join(sorted(files))}" if files else "")
                + " (requirements stand in the lines below the comment, not beside it)"
            )
        yield from file_lines(files[name])
    yield from map(_checked, file.lines)
    if file.explicit:
        return
    if DEFAULT in files and DEFAULT not in file.names:
        yield from file_lines(files[DEFAULT])
    for item in file.imports:
        first = item.name.split(".")[0]
        if first in sys.stdlib_module_names:
            continue
        pins = _pins(file, item)
        if first in repinned:
            yield from (_checked(text) for kind, text in pins if kind == "repin")
        elif pins:
            yield from (_checked(text) for _, text in pins)
        else:
            yield distribution(item.name)


def _pins(file: _File, item: _Import) -> list[tuple[str, str]]:
    return [file.pins[line] for line in item.lines if line in file.pins]


def _checked(line: str) -> str:
    if line.startswith("-"):
        raise Unclear(f"{line[:80]!r} is an option of pip, not a requirement; indexes are settings of the instance")
    if re.match(r"[^;]*@", line) or "://" in line or line.startswith(("/", ".")):
        raise Unclear(f"{line[:80]!r}: packages come from the index by name; a path or an address is not taken")
    if len(line) > _LINE_AT_MOST or not line.isprintable() or not _REQUIREMENT.fullmatch(line):
        raise Unclear(f"{line[:80]!r} is not a requirement (name[extra]>=1.2; marker)")
    return line


def _read(source: str) -> _File:
    file = _File()
    comments = _comments(source)
    _read_comments(file, comments)
    _read_block(file, source)
    file.imports = list(_imports(source))
    return file


def _comments(source: str) -> dict[int, tuple[bool, str]]:
    """Line → (stands at its beginning, text), for each comment; of a broken source as many as can be told."""
    found = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = (token.start[1] == 0, token.string)
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass
    return found


def _read_comments(file: _File, comments: Mapping[int, tuple[bool, str]]) -> None:
    inside_until = 0
    for line, (at_start, text) in comments.items():
        if not at_start:
            if match := _PIN.search(text):
                file.pins[line] = (match[1].lower(), match[2].strip())
            continue
        if line <= inside_until:
            continue
        if match := _DIRECTIVE.fullmatch(text.rstrip()):
            file.explicit = file.explicit or match[1].lower() == "requirements"
            named = [word.strip() for word in match[2].split(",") if word.strip()]
            for name in named:
                if not _FILE_NAME.fullmatch(name):
                    raise Unclear(
                        f"{name[:80]!r} is no name of a workspace file; requirements stand in the lines below"
                    )
            file.names += named
            if not named:
                inside_until = _read_list(file, comments, line + 1)
        elif match := _PYTHON.fullmatch(text):
            file.python.append(_python(match["words"] or f"3.{match['minor']}"))


def _read_list(file: _File, comments: Mapping[int, tuple[bool, str]], line: int) -> int:
    """The lines below a directive, up to the first that is no comment or an empty one; returns the last of them."""
    while line in comments and comments[line][0]:
        text = comments[line][1]
        content = re.sub(r"\s#.*", "", text[1:]).strip()
        if not content or content.startswith("///") or _DIRECTIVE.fullmatch(text.rstrip()) or _PYTHON.fullmatch(text):
            break
        file.lines.append(content)
        line += 1
    return line - 1


def _read_block(file: _File, source: str) -> None:
    blocks = list(_BLOCK.finditer(source.replace("\r\n", "\n") + "\n"))
    if not blocks:
        return
    if len(blocks) > 1:
        raise Unclear("there are two `# /// script` blocks")
    lines = blocks[0]["content"].splitlines()
    try:
        told = tomllib.loads("\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines))
    except tomllib.TOMLDecodeError as error:
        raise Unclear(f"the `# /// script` block is not TOML: {error}") from None
    wanted = told.get("dependencies", [])
    python = told.get("requires-python", "")
    if not isinstance(wanted, list) or not all(isinstance(line, str) for line in wanted) or not isinstance(python, str):
        raise Unclear("the `# /// script` block: dependencies is a list of texts, requires-python a text")
    file.explicit = True
    file.lines += [line.strip() for line in wanted]
    if python:
        file.python.append(_python(python))


def _python(words: str) -> str:
    """A specifier of Python versions: `3.12` means any 3.12."""
    parts = []
    for word in words.split(","):
        match = _SPECIFIER.fullmatch(word.strip())
        if match is None:
            raise Unclear(f"# py: {words.strip()[:40]!r} is not a Python version, as 3.12 or >=3.12")
        operator, version, star = match[1] or "==", match[2], match[3] or ""
        if operator == "==" and version.count(".") < 2:
            star = ".*"
        parts.append(f"{operator}{version}{star}")
    return ",".join(parts)


def _imports(source: str) -> Iterator[_Import]:
    """What is imported from outside of the workspace, anywhere but below `if TYPE_CHECKING`, in the source's order."""
    waiting: list[ast.AST] = [parse_module(source).tree]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Import(names=aliases):
                names = [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(module), names=aliases, level=0):
                names = [f"{module}.{alias.name}" for alias in aliases]
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                waiting += reversed(node.orelse)
                continue
            case ast.expr():
                continue
            case _:
                waiting += reversed(list(ast.iter_child_nodes(node)))
                continue
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        yield from (_Import(name, lines) for name in names if name.split(".")[0] not in ("f", "u"))
