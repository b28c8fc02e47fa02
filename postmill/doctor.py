"""`postmill doctor`: what is as it should be, what is not, and what to do about it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from postmill.api import ui
from postmill.model.errors import PostmillError
from postmill.model.options import LEVELS, too_weak
from postmill.process import database_url
from postmill.sandbox.cgroup_place import Place
from postmill.sandbox.machine import Machine, look
from postmill.sandbox.network import Plan, Unavailable
from postmill.settings import Settings
from postmill.store import migrate
from postmill.store.conninfo import REACHABLE, tcp_hosts


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` None: nothing wrong, but worth knowing."""

    what: str
    ok: bool | None
    detail: str


def _machine(settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), f"{version} at {sys.executable}")
    found = look(Plan(api=settings.internal_address, refused=tcp_hosts(settings.database_url, settings.listen_url)))
    try:
        yield from sandbox_findings(found, settings)
    finally:
        found.close()
    built = (ui.DIRECTORY / "index.html").exists()
    yield Finding("ui", built, "built" if built else "not built: `make web`, or install the wheel")


def sandbox_findings(found: Machine, settings: Settings) -> Iterator[Finding]:
    """How jobs are held, and whether that is enough for this instance."""
    weak = too_weak(found.level.name, settings.min_isolation)
    ok = found.level.ok and not weak
    strongest = found.level.name == LEVELS[-1]
    detail = f"{found.level.name or 'none'} by {found.level.how}: {found.level.detail}"
    yield Finding(
        "sandbox", None if ok and not strongest else ok, f"{detail}; it runs no jobs: it {weak}" if weak else detail
    )
    yield Finding("limits", True if isinstance(found.place, Place) else None, f"by {found.limits_by}")
    modes = f"jobs may have {', '.join(found.networks)}; they get {settings.network} (POSTMILL_NETWORK)"
    if isinstance(found.filtered, Unavailable):
        modes += f"; {found.filtered.refusal.removeprefix('network: ')}"
    elif found.filtered.note:
        modes += f"; filtered: {found.filtered.note}"
    yield Finding("network", settings.network in found.networks, modes)
    hosts = tcp_hosts(settings.database_url, settings.listen_url)
    if hosts:
        reached = settings.network == "host"
        words = REACHABLE if reached else f"not reached by jobs: their network is {settings.network}"
        yield Finding("database for jobs", None if reached else True, f"{', '.join(hosts)}: {words}")


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
    findings = list(_machine(settings))
    try:
        findings += await _database(database_url(settings))
    except PostmillError as error:
        findings.append(Finding("database", False, error.message))
    for finding in findings:
        mark = {True: "ok  ", None: "note", False: "FAIL"}[finding.ok]
        print(f"{mark}  {finding.what}: {finding.detail}")
    return all(finding.ok is not False for finding in findings)
