"""**Pure**: the bounds that a script asks for in its head comment.

    # limits: memory=512MB pids=32 files=64 disk=100MB inodes=1000 log=1MB network=none

In the comment sign of its language, before the first line of code; several such lines add up.
"""

import re
from collections.abc import Iterator

from postmill.model.errors import BadRequest
from postmill.model.options import LEAST, NETWORKS, NUMBERS, SIZES, VARIABLES, Options, read_size, shown, stricter

_SIGNS = {
    **dict.fromkeys(("bun", "deno", "nativets", "typescript", "go", "rust", "php", "csharp", "java"), "//"),
    **dict.fromkeys(("postgresql", "mysql", "mssql", "bigquery", "snowflake", "duckdb", "oracledb"), "--"),
}
"""All others have `#`."""
_LIMITS = re.compile(r"limits\s*:(.*)", re.DOTALL)
_WORD = re.compile(r"[^\s,]+")
_COUNT = re.compile(r"\d{1,15}", re.ASCII)


def read_options(source: str, language: str) -> Options:
    """What the source asks for; nothing where it says nothing.

    Raises:
        BadRequest: names the line, and the word that cannot be taken.
    """
    found: dict[str, int | str] = {}
    if "limits" not in source:
        return Options()
    for number, text in _limits(source, _SIGNS.get(language, "#")):
        for word in _WORD.findall(text):
            name, equals, value = word.partition("=")
            if name not in VARIABLES:
                raise _wrong(number, word, f"there are {', '.join(sorted(VARIABLES))}")
            if not equals:
                raise _wrong(number, word, f"{name} needs a value, as in {name}=…")
            if name in found:
                raise _wrong(number, word, f"{name} was given before")
            found[name] = _value(name, value, number, word)
    return Options(**found)  # type: ignore[arg-type]


def check(options: Options, bounds: Options) -> None:
    """See that nothing is asked for that the instance does not give.

    Raises:
        BadRequest: names the option, both values, and the setting.
    """
    for name in NUMBERS:
        asked, bound = getattr(options, name), getattr(bounds, name)
        if asked is not None and bound is not None and asked > bound:
            raise _over(name, asked, bound)
    if options.network and bounds.network and stricter(options.network, bounds.network) != options.network:
        raise _over("network", options.network, bounds.network)


def _over(name: str, asked: int | str, bound: int | str) -> BadRequest:
    return BadRequest(
        f"limits: {name}={shown(name, asked)} is over this instance's {shown(name, bound)} ({VARIABLES[name]})"
    )


def _wrong(line: int, word: str, why: str) -> BadRequest:
    return BadRequest(f"line {line}: limits: {word[:100]!r} cannot be taken: {why}")


def _value(name: str, text: str, line: int, word: str) -> int | str:
    if name == "network":
        if text not in NETWORKS:
            raise _wrong(line, word, f"network is one of {', '.join(NETWORKS)}")
        return text
    if name in SIZES:
        try:
            value = read_size(text)
        except ValueError as error:
            raise _wrong(line, word, str(error)) from None
    else:
        if not _COUNT.fullmatch(text):
            raise _wrong(line, word, f"{name} is a whole number")
        value = int(text)
    if value < LEAST[name]:
        raise _wrong(line, word, f"it is below {shown(name, LEAST[name])}, with which no job could begin")
    return value


def _limits(source: str, sign: str) -> Iterator[tuple[int, str]]:
    """Line number and text of each such comment at the head."""
    held: list[tuple[int, str]] | None = None
    for number, text in _head(source, sign):
        if sign == "#" and text.startswith("///"):
            # A PEP 723 block, `# /// script` to `# ///`: what stands in it is not for us. Without its end it is none.
            held = [] if held is None and text != "///" else None
        elif found := _LIMITS.fullmatch(text):
            if held is None:
                yield number, found[1]
            else:
                held.append((number, found[1]))
    yield from held or ()


def _head(source: str, sign: str) -> Iterator[tuple[int, str]]:
    """Line number and text of each comment before the first line of code."""
    inside = False
    for number, line in _lines(source):
        rest = line
        while rest and (inside or (sign != "#" and rest.startswith("/*"))):
            _, closed, rest = rest.partition("*/") if inside else rest[2:].partition("*/")
            inside, rest = not closed, rest.strip()
        if rest.startswith(sign):
            yield number, rest.lstrip(sign[0]).strip() if sign == "#" else rest[len(sign) :].strip()
        elif rest and not (number == 1 and rest.startswith("#!")):
            return


def _lines(source: str) -> Iterator[tuple[int, str]]:
    """Without the end of a long source, of which the head alone is looked at."""
    position, number = 0, 1
    while position < len(source):
        end = source.find("\n", position)
        end = len(source) if end < 0 else end
        yield number, source[position:end].strip().removeprefix("\ufeff")
        position, number = end + 1, number + 1
