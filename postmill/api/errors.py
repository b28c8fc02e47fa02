"""The one place where errors become HTTP: text/plain, `<kind>: <what happened and what helps>`."""

import json
import logging
import secrets
import traceback
from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI, HTTPException, Request, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException as PlainHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postmill.model.errors import (
    BadRequest,
    Conflict,
    LostLease,
    NotAuthorized,
    NotFound,
    PermissionDenied,
    PostmillError,
    TooLarge,
    TooManyRequests,
    Unavailable,
)

log = logging.getLogger("postmill.api")

_HTTP: Mapping[type[PostmillError], tuple[int, str]] = {
    BadRequest: (400, "Bad request"),
    NotAuthorized: (401, "Not authorized"),
    PermissionDenied: (403, "Permission denied"),
    NotFound: (404, "Not found"),
    Conflict: (409, "Conflict"),
    LostLease: (409, "Conflict"),
    TooLarge: (413, "Too large"),
    TooManyRequests: (429, "Too many requests"),
    Unavailable: (503, "Unavailable"),
}

_MAX_PLACES = 20
_MAX_PLACE = 100


class Refused(HTTPException):
    """A PostmillError on its way through code that lets only HTTP errors pass (reading a body, ASGI)."""

    def __init__(self, error: PostmillError) -> None:
        self.response = response_of(error)
        super().__init__(self.response.status_code, error.message)


def response_of(error: PostmillError) -> PlainTextResponse:
    """The HTTP form of an error.

    Raises:
        PostmillError: `error` itself, when it is a fault of ours that no caller should read.
    """
    for kind in type(error).__mro__:
        if kind in _HTTP:
            status, prefix = _HTTP[kind]
            break
    else:
        raise error
    headers = {}
    if isinstance(error, NotAuthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyRequests | Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    # A name may hold half a surrogate pair; the answer about it is still text.
    text = f"{prefix}: {error.message}".encode("utf-8", "replace")
    return PlainTextResponse(text, status, headers)


def explain(errors: list[Any]) -> str:
    """Each place in a request that was not as expected. What was sent is not repeated."""
    places = []
    for error in errors[:_MAX_PLACES]:
        place = ".".join(str(part) for part in error["loc"])
        message = str(error["msg"]).removeprefix("Value error, ")
        places.append(f"{_printable(place)}: {message[:1].lower()}{message[1:]}")
    if len(errors) > _MAX_PLACES:
        places.append(f"and {len(errors) - _MAX_PLACES} more")
    return "; ".join(places)


def _printable(text: str) -> str:
    short = text if len(text) <= _MAX_PLACE else text[:_MAX_PLACE] + "…"
    return "".join(char if char.isprintable() else "?" for char in short)


async def _answer(connection: Request | WebSocket, response: Response) -> Response:
    """A websocket is told in the answer to its handshake; Starlette sends the others."""
    if isinstance(connection, WebSocket):
        await connection.send_denial_response(response)
    return response


async def _postmill(connection: Request | WebSocket, error: Exception) -> Response:
    return await _answer(connection, response_of(cast(PostmillError, error)))


async def _invalid(connection: Request | WebSocket, error: Exception) -> Response:
    found = cast(RequestValidationError, error)
    return await _answer(connection, response_of(BadRequest(explain(list(found.errors())))))


async def _http(connection: Request | WebSocket, error: Exception) -> Response:
    if isinstance(error, Refused):
        return await _answer(connection, error.response)
    found = cast(PlainHTTPException, error)
    if found.status_code == 404:
        what = "nothing at this address; GET /api/openapi.yaml lists the routes"
        return await _answer(connection, response_of(NotFound(what)))
    text = str(found.detail)
    if found.status_code == 405 and isinstance(connection, Request):
        text = f"{connection.method} is not a method of this address"
    headers = dict(found.headers or {})
    return await _answer(connection, PlainTextResponse(f"Bad request: {text}", found.status_code, headers))


def install(app: FastAPI) -> None:
    """Map every error that a handler lets out on purpose."""
    app.add_exception_handler(PostmillError, _postmill)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(WebSocketRequestValidationError, _invalid)
    app.add_exception_handler(PlainHTTPException, _http)


class Unhandled:
    """ASGI: whatever nobody expected is one line of JSON in the log, and a request id for the caller."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] in ("http.response.start", "websocket.accept")
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            if scope["type"] not in ("http", "websocket"):
                raise
            request = secrets.token_hex(8)
            _log(scope, request, error)
            if started:
                # Half an answer is out: the connection must break, or the caller takes it for a whole one.
                raise
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1011, "reason": f"request {request}"})
                return
            response = PlainTextResponse(f"Internal error (request {request})", 500)
            await response(scope, receive, send)


def _log(scope: Scope, request: str, error: Exception) -> None:
    # Without the query, which may hold a token.
    entry = {
        "event": "unhandled",
        "request": request,
        "method": scope.get("method", "WEBSOCKET"),
        "path": scope["path"],
        "error": type(error).__name__,
        "traceback": "".join(traceback.format_exception(error)),
    }
    log.error(json.dumps(entry))
