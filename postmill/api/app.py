"""The application: every router in one list, and what each request goes through."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute

import postmill
from postmill.api import (
    access,
    auth,
    dependencies,
    drafts,
    errors,
    health,
    jobs,
    openapi,
    progress,
    results,
    run,
    run_stream,
    scripts,
    tokens,
    ui,
    updates,
    users,
    workers,
    workspaces,
)
from postmill.api.body import Guard, StrictRoute
from postmill.api.errors import Unhandled
from postmill.api.headers import SecurityHeaders
from postmill.api.services import Services

ROUTERS = (
    run.router,
    health.router,
    openapi.router,
    auth.router,
    users.router,
    users.workspace_router,
    tokens.router,
    workspaces.router,
    workspaces.workspace_router,
    scripts.router,
    drafts.router,
    dependencies.router,
    dependencies.jobs_router,
    results.router,
    updates.router,
    run_stream.router,
    progress.router,
    jobs.router,
    workers.router,
)
"""In the order in which an address is looked up: the hottest first."""


def _operation_id(route: APIRoute) -> str:
    """The handler's name: what the web app's client calls."""
    return route.name


def create_app(services: Services, ui_directory: Path = ui.DIRECTORY) -> FastAPI:
    """The application over these services.

    Raises:
        RuntimeError: a route does not say who may call it.
    """
    app = FastAPI(
        title="Postmill",
        version=postmill.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        generate_unique_id_function=_operation_id,
    )
    app.router.route_class = StrictRoute
    app.state.services = services
    for router in ROUTERS:
        app.include_router(router, prefix=openapi.BASE)
    # Not a route: what no route answers, so that a wrong method stays one.
    app.router.default = ui.Ui(ui_directory)
    errors.install(app)
    # The last one added is the first one passed.
    app.add_middleware(Guard, max_body=services.settings.max_body)
    app.add_middleware(Unhandled)
    app.add_middleware(SecurityHeaders)
    access.check(app)
    return app
