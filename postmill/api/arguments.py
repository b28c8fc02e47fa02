"""From a request to the arguments of a run (the contract's rules for webhooks).

A JSON object is the arguments; any other JSON value becomes `{"body": value}`, and a form its fields. `?wrap_body=true`
puts even an object below `body`, `?raw=true` adds the text as `raw_string`, `?include_header=a,b` and
`?include_query=a,b` add headers and query parameters by name. A GET carries `?payload=<base64 of JSON>`.
"""

import base64
import binascii
import json
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from postmill.api.body import parse
from postmill.api.errors import Refused
from postmill.engine.start import Arguments
from postmill.model.errors import BadRequest, PostmillError

_FORM = "application/x-www-form-urlencoded"


def _names(request: Request, parameter: str) -> list[str]:
    return [name.strip() for name in request.query_params.get(parameter, "").split(",") if name.strip()]


def _flag(request: Request, parameter: str) -> bool:
    return request.query_params.get(parameter, "").lower() == "true"


def _payload(request: Request) -> bytes:
    text = request.query_params.get("payload")
    if text is None:
        return b"{}"
    try:
        # '+' arrives as a space where the sender did not encode it; both alphabets are seen, and no padding.
        plain = text.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest("payload is not base64 of JSON") from None


def _form(raw: bytes) -> dict[str, Any]:
    try:
        fields = parse_qsl(raw.decode(), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=1000)
    except ValueError as error:
        raise BadRequest(f"the form cannot be read: {error}") from None
    if any("\0" in name or "\0" in value for name, value in fields):
        raise BadRequest("the form holds the character U+0000, which cannot be stored")
    return dict(fields)


async def read_arguments(request: Request) -> Arguments:
    """Read the request.

    Raises:
        BadRequest: says what cannot be read.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        raise BadRequest("multipart bodies are not available in this version; send JSON")
    raw = _payload(request) if request.method == "GET" else await request.body()
    value: Any = {}
    if kind == _FORM and request.method != "GET":
        value = _form(raw)
    elif raw.strip():
        value = parse(raw)
    wrapped = not isinstance(value, dict) or _flag(request, "wrap_body")
    values: dict[str, Any] = {"body": value} if wrapped else value
    added: dict[str, Any] = {}
    if _flag(request, "raw"):
        added["raw_string"] = raw.decode("utf-8", "replace").replace("\0", "\u2400")
    added |= {name: request.headers.get(name) for name in _names(request, "include_header")}
    added |= {name: request.query_params.get(name) for name in _names(request, "include_query")}
    if not added and kind != _FORM and raw.strip():
        # Kept as it was sent: key order, and numbers as they were written.
        text = raw.decode()
        return Arguments(values=values, text=f'{{"body":{text}}}' if wrapped else text)
    values = {**values, **added}
    return Arguments(values=values, text=json.dumps(values))


async def _read(request: Request) -> Arguments:
    try:
        return await read_arguments(request)
    except PostmillError as error:
        raise Refused(error) from None


Args = Annotated[Arguments, Depends(_read)]
"""A handler's parameter."""
