"""Reading what a caller sends: bounded, and JSON that means one thing only.

Refused are bodies over POSTMILL_MAX_BODY, and JSON that is nested over 200 deep, holds a number beyond a double or
over 4,300 digits, NaN, half of a surrogate pair, U+0000, or a key twice: each of them is read differently
by some parser, or cannot be stored or printed again.
"""

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from postmill.api.errors import Refused
from postmill.model.errors import BadRequest, PostmillError, TooLarge

# An escaped NUL: u0000 after an odd number of backslashes. A run of backslashes is walked once.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_INFINITE = (float("inf"), float("-inf"))


class Body(BaseModel):
    """A request's body: exact types, and no key that nobody reads."""

    model_config = ConfigDict(strict=True, extra="forbid")


def parse(raw: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        BadRequest: says what is wrong, and where.
    """
    try:
        # In Rust, 200 deep at most; also refuses NaN, surrogates and endless integers. Its value knows no duplicates.
        from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON that can be taken: {error}") from None
    if b"\\u0000" in raw and _NUL.search(raw):
        raise BadRequest("the body holds the character U+0000, which cannot be stored")
    return json.loads(raw, object_pairs_hook=_unique, parse_float=_finite)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise BadRequest(f"the body holds the key {twice[:60]!r} twice in one object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if number in _INFINITE:
        raise BadRequest(f"the body holds the number {text[:40]}, which is beyond a double")
    return number


class StrictRequest(Request):
    """A request whose JSON is read by `parse`."""

    async def json(self) -> Any:
        """The body's value.

        Raises:
            Refused: as `parse`.
        """
        if not hasattr(self, "_json"):
            try:
                self._json = parse(await self.body())
            except PostmillError as error:
                raise Refused(error) from None
        return self._json


class StrictRoute(APIRoute):
    """The class of every route: `access.check` finds one that is not."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strict


def new_router(prefix: str, tag: str) -> APIRouter:
    """A router for one resource; `tag` groups its routes in the OpenAPI document."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictRoute, redirect_slashes=False)


class Guard:
    """ASGI: bodies end at the limit, announced or not; addresses hold no NUL."""

    def __init__(self, app: ASGIApp, max_body: int) -> None:
        self._app = app
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check_address(scope)
            self._check_length(scope)
        except PostmillError as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": error.message})
                return
            await Refused(error).response(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _check_address(self, scope: Scope) -> None:
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            raise BadRequest("the address holds the character U+0000, which names nothing")

    def _check_length(self, scope: Scope) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length":
                if not value.isdigit() or len(value) > 18:
                    raise BadRequest("Content-Length is not a number of bytes")
                self._check_size(int(value), "")

    def _check_size(self, size: int, more: str) -> None:
        if size > self._max_body:
            raise TooLarge(
                f"the body has {more}{size} bytes, the limit is {self._max_body};"
                " the administrator raises it with POSTMILL_MAX_BODY"
            )

    def _counted(self, receive: Receive) -> Receive:
        size = 0

        async def count() -> Message:
            nonlocal size
            message = await receive()
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                try:
                    self._check_size(size, "at least ")
                except TooLarge as error:
                    raise Refused(error) from None
            return message

        return count
