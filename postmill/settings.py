"""Settings: environment variables, read once at start. docs/settings.md names every one (a test compares)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from postmill.model.errors import BadRequest


def _default_home() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "postmill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a process of Postmill was told. Times in seconds, sizes in bytes."""

    database_url: str | None = None
    """DATABASE_URL: an outside Postgres (15 or newer); without it the embedded one runs below `home`."""
    listen_url: str | None = None
    """POSTMILL_LISTEN_URL: where to LISTEN when DATABASE_URL goes through a pooler."""
    home: Path = field(default_factory=_default_home)
    """POSTMILL_HOME: data of the embedded database, sockets, logs."""
    host: str = "127.0.0.1"
    """POSTMILL_HOST"""
    port: int = 8000
    """POSTMILL_PORT"""
    base_url: str | None = None
    """POSTMILL_BASE_URL: the address that people type; links and cookies are made from it."""
    workers: int = 1
    """POSTMILL_WORKERS: worker processes that `up` starts."""
    slots: int = field(default_factory=lambda: os.cpu_count() or 1)
    """POSTMILL_SLOTS: jobs that a worker runs at once."""
    tags: tuple[str, ...] | None = None
    """POSTMILL_TAGS: comma separated tags that a worker takes; all languages by default."""
    admin_email: str | None = None
    """POSTMILL_ADMIN_EMAIL"""
    admin_password: str | None = None
    """POSTMILL_ADMIN_PASSWORD"""
    max_body: int = 10 * 1024 * 1024
    """POSTMILL_MAX_BODY: the largest request body."""
    max_result: int = 32 * 1024 * 1024
    """POSTMILL_MAX_RESULT: the largest result of a job."""
    max_log: int = 10 * 1024 * 1024
    """POSTMILL_MAX_LOG: the longest log of a job; what comes after is dropped, with a mark."""
    job_timeout: int = 3600
    """POSTMILL_JOB_TIMEOUT: for scripts that name none, and the most that one may name."""
    wait_timeout: float = 20.0
    """POSTMILL_WAIT_TIMEOUT: how long run_wait_result waits."""
    grace: float = 30.0
    """POSTMILL_GRACE: what a stopping worker gives its jobs before it hands them back."""
    retention_days: int = 30
    """POSTMILL_RETENTION_DAYS: finished jobs are deleted after this; 0 keeps them."""
    lease: float = 15.0
    """POSTMILL_LEASE: a worker that was silent for this long has lost its jobs."""

    @property
    def public_url(self) -> str:
        """Without a trailing slash."""
        if self.base_url:
            return self.base_url.rstrip("/")
        host = "localhost" if self.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else self.host
        return f"http://{host}:{self.port}"

    @property
    def beat(self) -> float:
        """Between two beats: a third of the lease, so that two may be lost."""
        return self.lease / 3

    @property
    def internal_url(self) -> str:
        """Where jobs on this machine reach the API: BASE_INTERNAL_URL in a job."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "::1", "localhost") else self.host
        return f"http://{host}:{self.port}"


def _integer(env: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = env.get(name)
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        raise BadRequest(f"{name}={text!r} is not a whole number") from None
    if value < least:
        raise BadRequest(f"{name}={value} is below {least}")
    return value


def _seconds(env: Mapping[str, str], name: str, default: float, least: float) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise BadRequest(f"{name}={text!r} is not a number of seconds") from None
    if not least <= value < 1e9:
        raise BadRequest(f"{name}={text} is not between {least:g} and 1e9 seconds")
    return value


KNOWN = frozenset(
    {
        "POSTMILL_LISTEN_URL",
        "POSTMILL_HOME",
        "POSTMILL_HOST",
        "POSTMILL_PORT",
        "POSTMILL_BASE_URL",
        "POSTMILL_WORKERS",
        "POSTMILL_SLOTS",
        "POSTMILL_TAGS",
        "POSTMILL_ADMIN_EMAIL",
        "POSTMILL_ADMIN_PASSWORD",
        "POSTMILL_MAX_BODY",
        "POSTMILL_MAX_RESULT",
        "POSTMILL_MAX_LOG",
        "POSTMILL_JOB_TIMEOUT",
        "POSTMILL_WAIT_TIMEOUT",
        "POSTMILL_GRACE",
        "POSTMILL_RETENTION_DAYS",
        "POSTMILL_LEASE",
        "POSTMILL_FAILPOINTS",
    }
)
"""Every POSTMILL_ variable there is. POSTMILL_FAILPOINTS is read by `model/failpoint.py`, for fault tests only."""


def read_settings(env: Mapping[str, str] | None = None) -> Settings:
    """Read the environment.

    Raises:
        BadRequest: names the variable that cannot be read, or a POSTMILL_ variable that does not exist.
    """
    env = os.environ if env is None else env
    unknown = sorted(name for name in env if name.startswith("POSTMILL_") and name not in KNOWN)
    if unknown:
        raise BadRequest(f"unknown setting {', '.join(unknown)}; docs/settings.md lists the ones there are")
    if bool(env.get("POSTMILL_ADMIN_EMAIL")) != bool(env.get("POSTMILL_ADMIN_PASSWORD")):
        raise BadRequest("POSTMILL_ADMIN_EMAIL and POSTMILL_ADMIN_PASSWORD go together: set both or neither")
    tags = tuple(tag.strip() for tag in env.get("POSTMILL_TAGS", "").split(",") if tag.strip())
    home = env.get("POSTMILL_HOME")
    base = env.get("POSTMILL_BASE_URL")
    if base and not base.startswith(("http://", "https://")):
        raise BadRequest(f"POSTMILL_BASE_URL={base!r} must begin with http:// or https://")
    return Settings(
        database_url=env.get("DATABASE_URL") or None,
        listen_url=env.get("POSTMILL_LISTEN_URL") or None,
        home=Path(home).expanduser().absolute() if home else _default_home(),
        host=env.get("POSTMILL_HOST") or "127.0.0.1",
        port=_integer(env, "POSTMILL_PORT", 8000, 1),
        base_url=base or None,
        workers=_integer(env, "POSTMILL_WORKERS", 1, 0),
        slots=_integer(env, "POSTMILL_SLOTS", os.cpu_count() or 1, 1),
        tags=tags or None,
        admin_email=env.get("POSTMILL_ADMIN_EMAIL") or None,
        admin_password=env.get("POSTMILL_ADMIN_PASSWORD") or None,
        max_body=_integer(env, "POSTMILL_MAX_BODY", 10 * 1024 * 1024, 1024),
        max_result=_integer(env, "POSTMILL_MAX_RESULT", 32 * 1024 * 1024, 1024),
        max_log=_integer(env, "POSTMILL_MAX_LOG", 10 * 1024 * 1024, 1024),
        job_timeout=_integer(env, "POSTMILL_JOB_TIMEOUT", 3600, 1),
        wait_timeout=_seconds(env, "POSTMILL_WAIT_TIMEOUT", 20.0, 0.1),
        grace=_seconds(env, "POSTMILL_GRACE", 30.0, 0),
        retention_days=_integer(env, "POSTMILL_RETENTION_DAYS", 30, 0),
        lease=_seconds(env, "POSTMILL_LEASE", 15.0, 3),
    )
