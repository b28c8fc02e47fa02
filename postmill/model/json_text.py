"""JSON as text: the members of an object as they were written, numbers and all."""

import json

from postmill.model.errors import BadRequest

_decoder = json.JSONDecoder()
_raw = json.JSONDecoder(parse_int=str, parse_float=str)


def raw_members(text: str) -> dict[str, str]:
    """The members of a JSON object, each value as the text that it was.

    Raises:
        BadRequest: not an object.
    """
    members: dict[str, str] = {}
    at = _skip(text, 0)
    try:
        if text[at] != "{":
            raise BadRequest("this is JSON, but no object")
        at = _skip(text, at + 1)
        more = text[at] != "}"
        while more:
            name, at = _decoder.raw_decode(text, at)
            start = _skip(text, _expect(text, at, ":"))
            at = _value_end(text, start)
            members[_text(name)] = text[start:at]
            at = _skip(text, at)
            more = text[at] == ","
            at = _skip(text, at + 1) if more else at
        if _skip(text, _expect(text, at, "}")) != len(text):
            raise ValueError("something follows the object")
    except (ValueError, IndexError, RecursionError):
        raise BadRequest("this is not a JSON object") from None
    return members


def _expect(text: str, at: int, sign: str) -> int:
    at = _skip(text, at)
    if text[at] != sign:
        raise ValueError(f"{sign} expected")
    return at + 1


def _text(name: object) -> str:
    if not isinstance(name, str):
        raise ValueError("a name is a text")
    return name


def _value_end(text: str, start: int) -> int:
    # Numbers stay text: one of 5,000 digits is none that Python reads.
    return _raw.raw_decode(text, start)[1]


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
