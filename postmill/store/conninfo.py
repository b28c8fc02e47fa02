"""Where a database URL leads, as far as it goes over the network."""

import os

from psycopg.conninfo import conninfo_to_dict

REACHABLE = "reachable by jobs, protected by its password"
"""Of a database that is reached by TCP, where jobs have the machine's network."""


def tcp_hosts(*urls: str | None) -> tuple[str, ...]:
    """Names and addresses of the servers of these URLs, each once; none for a socket."""
    found: dict[str, None] = {}
    for url in filter(None, urls):
        parts = conninfo_to_dict(url)
        # An address says where, and the name beside it is only for the certificate.
        given = parts.get("hostaddr") or parts.get("host") or os.environ.get("PGHOST") or ""
        for host in str(given).split(","):
            if host and not host.startswith(("/", "@")):
                found[host] = None
    return tuple(found)
