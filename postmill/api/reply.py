"""A result that says how the webhook answers: status, type, headers and body.

The keys are `wm_status_code`, `wm_content_type`, `wm_headers` and the same with `windmill_`; `result` beside them is
the body. A job writes here what a browser reads as coming from Postmill itself, so that headers are taken from a list,
the answer runs in no origin (a sandboxing Content-Security-Policy), and no script is ever served.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi.responses import PlainTextResponse, Response

from postmill.model.errors import BadRequest
from postmill.model.result_keys import members

FAMILIES = ("wm_", "windmill_")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'none'; sandbox"
HEADERS = frozenset(
    """
    allow cache-control content-disposition content-language etag expires last-modified location pragma
    retry-after vary webhook-allowed-origin webhook-allowed-rate
    """.split()
)
"""What a job may set, beside names that begin with `x-`."""
REFUSED_X = (
    "x-accel-",
    "x-content-",
    "x-dns-",
    "x-forwarded-",
    "x-frame-",
    "x-lighttpd-",
    "x-permitted-",
    "x-real-ip",
    "x-sendfile",
    "x-ua-",
    "x-webkit-",
    "x-xss-",
)
"""Names that tell browsers how to treat the page, or proxies which file to send."""
MAX_HEADERS = 50
MAX_HEADER = 8000
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
_TYPE = re.compile(
    r"([a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+)((?: *; *[a-z0-9-]+=(?:[a-z0-9_.:/+-]+|\"[a-z0-9_ .:/+-]*\"))*)\Z", re.I
)
_SCRIPT = re.compile(r"javascript|ecmascript|jscript|livescript|vbscript|wasm")
_TEXT = re.compile(
    r"text/.*|application/(?:json|xml|xhtml\+xml|x-www-form-urlencoded|x-ndjson|yaml|x-yaml|toml|sql|graphql)|.*\+(?:json|xml)"
)
_NO_BODY = (204, 304)


def reply(text: str, job: UUID) -> Response | None:
    """The answer that a result asks for; None when it asks for none.

    What cannot be sent is an answer of its own: 502 with what is wrong with the key.
    """
    found = members(text)
    try:
        said = {name: _said(found, name) for name in ("status_code", "content_type", "headers")}
        if all(value is None for value in said.values()):
            return None
        status = _status(said["status_code"])
        headers = _headers(said["headers"])
        kind = _kind(said["content_type"])
        content = b"" if status in _NO_BODY else _body(found.get("result"), kind)
    except (BadRequest, ValueError) as error:
        return PlainTextResponse(f"Bad reply: the job {job} has ended, but {error}", 502)
    response = Response(content, status)
    if status not in _NO_BODY:
        says_nothing = kind.lower().startswith("text/") and ";" not in kind
        response.headers["Content-Type"] = f"{kind}; charset=utf-8" if says_nothing else kind
    response.headers["Content-Security-Policy"] = POLICY
    for name, value in headers.items():
        response.headers[name] = value
    return response


def _said(found: Mapping[str, str], name: str) -> Any:
    """The value of a key in either family; null is as good as none."""
    for family in FAMILIES:
        value = json.loads(found.get(family + name, "null"))
        if value is not None:
            return value
    return None


def _status(value: Any) -> int:
    if value is None:
        return 200
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise BadRequest(f"wm_status_code must be a whole number from 200 to 599, not {_short(value)}")
    return value


def _headers(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MAX_HEADERS:
        raise BadRequest(f"wm_headers must be an object of at most {MAX_HEADERS} texts, not {_short(value)}")
    return {name: _header(name, each) for name, each in value.items()}


def _header(name: str, value: Any) -> str:
    lower = name.lower()
    if not _NAME.match(name):
        raise BadRequest(f"wm_headers: {_short(name)} is no name of a header")
    if lower not in HEADERS and (not lower.startswith("x-") or lower.startswith(REFUSED_X)):
        raise BadRequest(
            f"wm_headers: {name} is not for a job to set; it may set names that begin with X-, and"
            f" {', '.join(sorted(HEADERS))}"
        )
    if not isinstance(value, str) or len(value) > MAX_HEADER or not _VALUE.match(value):
        raise BadRequest(
            f"wm_headers: the value of {name} must be a text of one line, of at most {MAX_HEADER} characters of Latin-1"
        )
    return value.strip()


def _kind(value: Any) -> str:
    if value is None:
        return "application/json"
    if not isinstance(value, str) or len(value) > 200 or (parts := _TYPE.match(value.strip())) is None:
        raise BadRequest(f"wm_content_type must be a type such as text/html, not {_short(value)}")
    if _SCRIPT.search(parts[1].lower()):
        raise BadRequest(f"wm_content_type: {parts[1]} would be a script of this server, which a job cannot serve")
    charset = re.search(r'charset="?([\w.:-]+)', parts[2], re.I)
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise BadRequest(f"wm_content_type: texts are sent as UTF-8, not as {charset[1]}")
    return value.strip()


def _body(result: str | None, kind: str) -> bytes:
    """JSON for a JSON type, else a text as it is; of a type that is no text it is base64, which `bytes` become."""
    if result is None:
        return b""
    plain = kind.partition(";")[0].strip().lower()
    value = json.loads(result) if result.startswith('"') else None
    if plain == "application/json" or plain.endswith("+json") or value is None:
        return result.encode("utf-8", "replace")
    if _TEXT.fullmatch(plain):
        return str(value).encode("utf-8", "replace")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"result: a body of the type {plain} must be base64, as what returns bytes gives") from None


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
