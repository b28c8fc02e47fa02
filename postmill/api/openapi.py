"""The API's own description, made from its handlers: /api/openapi.yaml and .json."""

from copy import deepcopy
from typing import Any

import yaml
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

import postmill
from postmill.api import access
from postmill.api.access import public
from postmill.api.body import new_router

BASE = "/api"
router = new_router("", "openapi")

_ERROR = {
    "description": "What went wrong and what helps, in words.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; made once, since routes do not change."""
    if app.openapi_schema is None:
        app.openapi_schema = _make(app)
    return app.openapi_schema


def _make(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title="Postmill",
        version=postmill.__version__,
        routes=app.routes,
        servers=[{"url": BASE}],
        separate_input_output_schemas=False,
    )
    rules = access.check(app)
    made["paths"] = {path.removeprefix(BASE): operations for path, operations in made["paths"].items()}
    public_names = {name.replace(":path}", "}") for name, rule in rules.items() if rule == "public"}
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            # Every error is text, and 422 is never sent.
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = deepcopy(_ERROR)
            if f"{method.upper()} {BASE}{path}" in public_names:
                operation["security"] = []
    components = made.setdefault("components", {})
    for name in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(name, None)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": access.COOKIE},
        "query": {"type": "apiKey", "in": "query", "name": "token"},
    }
    made["security"] = [{name: []} for name in components["securitySchemes"]]
    return made


@router.get("/openapi.yaml", dependencies=[public], include_in_schema=False)
async def openapi_yaml(request: Request) -> Response:
    """This document as YAML."""
    state = request.app.state
    if not hasattr(state, "openapi_yaml"):
        # Some tenths of a second for a few hundred routes: once.
        state.openapi_yaml = yaml.safe_dump(document(request.app), sort_keys=False, allow_unicode=True)
    return Response(state.openapi_yaml, media_type="application/yaml")


@router.get("/openapi.json", dependencies=[public], include_in_schema=False)
async def openapi_json(request: Request) -> dict[str, Any]:
    """This document as JSON."""
    return document(request.app)
