"""The web app: built files from `postmill/ui`, and index.html for every address that is a page.

Architecture Invariant: only files that were there at start are served, by looking their name up; no path of a
request ever reaches the file system.
"""

import base64
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from fastapi import HTTPException
from fastapi.responses import FileResponse, PlainTextResponse, Response
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from postmill.api.errors import Refused
from postmill.model.errors import NotFound

DIRECTORY = Path(__file__).parents[1] / "ui"

_PAGE = "/index.html"
_IMMUTABLE = "/_app/immutable/"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_NOT_BUILT = (
    "Postmill runs, but the web app is not part of this installation.\n"
    "Build it with `make web` in a checkout, or install the wheel, which brings it along.\n"
    "The API is at /api, its description at /api/openapi.yaml.\n"
)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    media_type: str
    encoded: Mapping[str, Path]


class _InlineScripts(HTMLParser):
    """Collects what stands between <script> and </script>, byte for byte."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script" and not dict(attrs).get("src")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found.append(data)


def page_policy(html: str) -> str:
    """The Content-Security-Policy of a page: our own files, and the inline scripts that the build put into it.

    Styles may stand in the markup, since components position things with them; scripts may not.
    """
    parser = _InlineScripts()
    parser.feed(html)
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in parser.found
    ]
    return "; ".join(
        [
            "default-src 'self'",
            " ".join(["script-src 'self'", *hashes]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "frame-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )


def _files(directory: Path) -> dict[str, _File]:
    """What is served, by the path of its URL."""
    found = {}
    paths = {path for path in directory.rglob("*") if path.is_file()} if directory.is_dir() else set()
    for path in paths:
        if path.suffix in (".br", ".gz") and path.with_suffix("") in paths:
            continue
        encoded = {
            name: path.with_name(path.name + suffix)
            for name, suffix in _ENCODINGS
            if path.with_name(path.name + suffix) in paths
        }
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        found["/" + path.relative_to(directory).as_posix()] = _File(path, media_type, encoded)
    return found


class Ui:
    """ASGI: answers what no route did."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._files = _files(directory)
        page = self._files.get(_PAGE)
        self._policy = page_policy(page.path.read_text(encoding="utf-8")) if page else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "no such route"})
            return
        path = scope["path"]
        if path == "/api" or path.startswith("/api/"):
            raise HTTPException(404)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        await self._answer(path, Headers(scope=scope))(scope, receive, send)

    def _answer(self, path: str, headers: Headers) -> Response:
        found = self._files.get(path)
        if found is not None and path != _PAGE:
            return self._file(path, found, headers)
        # A missing chunk must be missing: as a page it would be a white one.
        if "." in path.rpartition("/")[2] and path != _PAGE:
            raise Refused(NotFound("no such file; reload the page to get the newest version of the app"))
        page = self._files.get(_PAGE)
        if page is None:
            return PlainTextResponse(_NOT_BUILT)
        return self._file(_PAGE, page, headers)

    def _file(self, path: str, file: _File, headers: Headers) -> Response:
        chosen, encoding = file.path, None
        accepted = {part.partition(";")[0].strip() for part in headers.get("accept-encoding", "").split(",")}
        for name, encoded in file.encoded.items():
            if name in accepted:
                chosen, encoding = encoded, name
                break
        immutable = path.startswith(_IMMUTABLE)
        response = FileResponse(chosen, media_type=file.media_type, stat_result=chosen.stat())
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if immutable else "no-cache"
        if self._policy and file.media_type == "text/html":
            response.headers["Content-Security-Policy"] = self._policy
        if file.encoded:
            response.headers["Vary"] = "Accept-Encoding"
        if encoding:
            response.headers["Content-Encoding"] = encoding
        if response.headers["etag"] in headers.get("if-none-match", ""):
            kept = ("etag", "cache-control", "vary", "content-security-policy")
            return Response(None, 304, {name: value for name, value in response.headers.items() if name in kept})
        return response
