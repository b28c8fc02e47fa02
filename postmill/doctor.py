"""`postmill doctor`: what is as it should be, what is not, and what to do about it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from postmill.api import ui
from postmill.model.errors import PostmillError
from postmill.process import database_url
from postmill.sandbox import level
from postmill.settings import Settings
from postmill.store import migrate


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` None: nothing wrong, but worth knowing."""

    what: str
    ok: bool | None
    detail: str


def _machine() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), f"{version} at {sys.executable}")
    found = level.probe()
    yield Finding("sandbox", found.ok, f"{found.name} by {found.how}: {found.detail}")
    built = (ui.DIRECTORY / "index.html").exists()
    yield Finding("ui", built, "built" if built else "not built: `make web`, or install the wheel")


async def _database(url: str) -> list[Finding]:
    findings = []
    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5, autocommit=True) as connection:
            version = connection.info.server_version
            where = f"Postgres {version // 10000}.{version % 10000} at {connection.info.host or 'a socket'}"
        findings.append(Finding("database", version >= migrate.LEAST_VERSION, where))
        logins = await migrate.roles(url)
    except (psycopg.Error, PostmillError) as error:
        return [*findings, Finding("database", False, f"does not answer: {error}")]
    if logins.advice is None:
        findings.append(Finding("second wall", True, "the API logs in as postmill_api, behind row-level security"))
    else:
        findings.append(
            Finding(
                "second wall",
                None,
                f"off: DATABASE_URL may not create roles. Let its administrator run:\n{logins.advice}",
            )
        )
    return findings


async def diagnose(settings: Settings) -> bool:
    """Print every finding; True when nothing is wrong."""
    findings = list(_machine())
    try:
        findings += await _database(database_url(settings))
    except PostmillError as error:
        findings.append(Finding("database", False, error.message))
    for finding in findings:
        mark = {True: "ok  ", None: "note", False: "FAIL"}[finding.ok]
        print(f"{mark}  {finding.what}: {finding.detail}")
    return all(finding.ok is not False for finding in findings)
