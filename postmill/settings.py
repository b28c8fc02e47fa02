"""Settings: environment variables, read once at start. docs/settings.md names every one (a test compares)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, cast

from postmill.model.errors import BadRequest
from postmill.model.options import LEAST, LEVELS, NETWORKS, Network, Options, print_size, read_size


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
    job_memory: int = 2 * 1024**3
    """POSTMILL_JOB_MEMORY: like all POSTMILL_JOB_…, what a job has, and the most that its script may ask for."""
    job_pids: int = 256
    """POSTMILL_JOB_PIDS: processes and threads."""
    job_files: int = 1024
    """POSTMILL_JOB_FILES: open files of a process."""
    job_disk: int = 1024**3
    """POSTMILL_JOB_DISK: bytes in each of its file systems."""
    job_inodes: int = 100_000
    """POSTMILL_JOB_INODES: files and directories in each of them."""
    network: Network = "host"
    """POSTMILL_NETWORK: what jobs may reach; a script may only ask for something stricter."""
    min_isolation: Literal["L3", "L2", "L1", "L0"] | None = None
    """POSTMILL_MIN_ISOLATION: a worker whose sandbox is weaker runs no jobs."""
    spare_mb: int = 512
    """POSTMILL_SPARE_MB: memory of all fork-servers and spares of a worker, in MB."""
    wait_timeout: float = 20.0
    """POSTMILL_WAIT_TIMEOUT: how long run_wait_result waits."""
    grace: float = 30.0
    """POSTMILL_GRACE: what a stopping worker gives its jobs before it hands them back."""
    retention_days: int = 30
    """POSTMILL_RETENTION_DAYS: finished jobs are deleted after this; 0 keeps them."""
    index_url: str | None = None
    """POSTMILL_INDEX_URL: where Python packages come from; PyPI by default. May hold a user name and a password."""
    extra_index_url: tuple[str, ...] = ()
    """POSTMILL_EXTRA_INDEX_URL: asked first; a name that is found here is never looked for in the other one."""
    cache_size: int = 10 * 1024**3
    """POSTMILL_CACHE_SIZE: of installed packages on one machine."""
    ca_file: str | None = None
    """SSL_CERT_FILE: the certificates that the package index is checked with."""
    proxies: tuple[tuple[str, str], ...] = ()
    """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, as they are set: for the package index."""
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
    def bounds(self) -> Options:
        """What a job has by default, and the most that its script may ask for."""
        return Options(
            memory=self.job_memory,
            pids=self.job_pids,
            files=self.job_files,
            disk=self.job_disk,
            inodes=self.job_inodes,
            log=self.max_log,
            network=self.network,
        )

    @property
    def beat(self) -> float:
        """Between two beats: a third of the lease, so that two may be lost."""
        return self.lease / 3

    @property
    def internal_address(self) -> tuple[str, int]:
        """Host and port at which jobs on this machine reach the API."""
        return "127.0.0.1" if self.host in ("0.0.0.0", "::", "::1", "localhost") else self.host, self.port

    @property
    def internal_url(self) -> str:
        """Where jobs on this machine reach the API: BASE_INTERNAL_URL in a job."""
        host, port = self.internal_address
        return f"http://{host}:{port}"


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


def _size(env: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = env.get(name)
    if not text:
        return default
    try:
        value = read_size(text)
    except ValueError as error:
        raise BadRequest(f"{name}: {error}") from None
    if value < least:
        raise BadRequest(f"{name}={text} is below {print_size(least)}")
    return value


_Word = TypeVar("_Word", bound=str | None)


def _word(env: Mapping[str, str], name: str, default: _Word, words: tuple[str, ...]) -> _Word:
    text = env.get(name)
    if not text:
        return default
    if text not in words:
        raise BadRequest(f"{name}={text!r} is none of {', '.join(words)}")
    return cast(_Word, text)


def _index(text: str, name: str) -> str | None:
    # Never repeated in a message: it may hold a password.
    if text and not text.startswith(("http://", "https://")):
        raise BadRequest(f"{name} must begin with http:// or https://")
    return text or None


def _proxies(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The lower case spelling counts before the upper, as in curl."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    return tuple((name, value) for name in names if (value := env.get(name.lower()) or env.get(name)))


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
        "POSTMILL_JOB_MEMORY",
        "POSTMILL_JOB_PIDS",
        "POSTMILL_JOB_FILES",
        "POSTMILL_JOB_DISK",
        "POSTMILL_JOB_INODES",
        "POSTMILL_NETWORK",
        "POSTMILL_MIN_ISOLATION",
        "POSTMILL_SPARE_MB",
        "POSTMILL_WAIT_TIMEOUT",
        "POSTMILL_GRACE",
        "POSTMILL_RETENTION_DAYS",
        "POSTMILL_LEASE",
        "POSTMILL_INDEX_URL",
        "POSTMILL_EXTRA_INDEX_URL",
        "POSTMILL_CACHE_SIZE",
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
        max_body=_size(env, "POSTMILL_MAX_BODY", 10 * 1024 * 1024, 1024),
        max_result=_size(env, "POSTMILL_MAX_RESULT", 32 * 1024 * 1024, 1024),
        max_log=_size(env, "POSTMILL_MAX_LOG", 10 * 1024 * 1024, 1024),
        job_timeout=_integer(env, "POSTMILL_JOB_TIMEOUT", 3600, 1),
        job_memory=_size(env, "POSTMILL_JOB_MEMORY", 2 * 1024**3, LEAST["memory"]),
        job_pids=_integer(env, "POSTMILL_JOB_PIDS", 256, LEAST["pids"]),
        job_files=_integer(env, "POSTMILL_JOB_FILES", 1024, LEAST["files"]),
        job_disk=_size(env, "POSTMILL_JOB_DISK", 1024**3, LEAST["disk"]),
        job_inodes=_integer(env, "POSTMILL_JOB_INODES", 100_000, LEAST["inodes"]),
        network=_word(env, "POSTMILL_NETWORK", "host", NETWORKS),
        min_isolation=_word(env, "POSTMILL_MIN_ISOLATION", None, LEVELS),
        spare_mb=_integer(env, "POSTMILL_SPARE_MB", 512, 16),
        wait_timeout=_seconds(env, "POSTMILL_WAIT_TIMEOUT", 20.0, 0.1),
        grace=_seconds(env, "POSTMILL_GRACE", 30.0, 0),
        retention_days=_integer(env, "POSTMILL_RETENTION_DAYS", 30, 0),
        lease=_seconds(env, "POSTMILL_LEASE", 15.0, 3),
        index_url=_index(env.get("POSTMILL_INDEX_URL", ""), "POSTMILL_INDEX_URL"),
        extra_index_url=tuple(
            filter(
                None,
                (_index(each, "POSTMILL_EXTRA_INDEX_URL") for each in env.get("POSTMILL_EXTRA_INDEX_URL", "").split()),
            )
        ),
        cache_size=_size(env, "POSTMILL_CACHE_SIZE", 10 * 1024**3, 1024**2),
        ca_file=env.get("SSL_CERT_FILE") or None,
        proxies=_proxies(env),
    )
