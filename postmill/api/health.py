"""Whether this server works: for load balancers, and for people."""

from typing import Literal

from fastapi import Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

import postmill
from postmill.api.access import public
from postmill.api.body import new_router
from postmill.api.probe import Status
from postmill.api.services import Served

router = new_router("", "health")


class Ready(BaseModel):
    """Whether this server can do its work."""

    status: Literal["healthy", "unhealthy"]
    database_healthy: bool


@router.get("/version", dependencies=[public], response_class=PlainTextResponse)
async def version() -> str:
    """`v<major>.<minor>.<patch>`."""
    return f"v{postmill.__version__}"


@router.get("/health/live", dependencies=[public], response_class=PlainTextResponse)
async def live() -> str:
    """The process answers."""
    return "alive"


@router.get("/health", dependencies=[public], response_model=Ready)
async def ready(services: Served, response: Response) -> Ready:
    """Ready: the database answers within two seconds; else 503."""
    works = await services.probe.workers_alive(services.database) is not None
    response.status_code = 200 if works else 503
    return Ready(status="healthy" if works else "unhealthy", database_healthy=works)


@router.get("/health/status", dependencies=[public], response_model=Status)
async def health_status(services: Served, response: Response) -> Status:
    """The instance's health, at most five seconds old; 503 when the database does not answer."""
    status = await services.probe.status(services.database)
    response.status_code = 200 if status.database_healthy else 503
    return status
