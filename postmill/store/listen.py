"""LISTEN and NOTIFY: a hint that something changed, never the only way to learn it.

A notification may be lost (a connection that broke, a pooler in between); every listener therefore also polls, slowly,
and is told `missed` after each reconnect.
"""

import asyncio
from collections.abc import Callable, Iterable

import psycopg
from psycopg import AsyncConnection, sql

WORK = "postmill_work"
"""Payload: tags that have something to claim."""
CHANGED = "postmill_changed"
"""Payload: ids of jobs with a new log, state or result; of those that have ended, with ENDED behind."""
ENDED = "!"
CANCEL = "postmill_cancel"
"""Payload: ids of running jobs that are to be cancelled."""
MAX_PAYLOAD = 7000
"""Bytes; Postgres takes just under 8000."""


def payloads(items: Iterable[str]) -> list[str]:
    """The items, joined by commas, in as few payloads as fit."""
    found: list[str] = []
    line = ""
    for item in items:
        if line and len(line) + 1 + len(item.encode()) > MAX_PAYLOAD:
            found.append(line)
            line = ""
        line = f"{line},{item}" if line else item
    return [*found, line] if line else found


async def listen(
    url: str,
    channels: Iterable[str],
    on_payload: Callable[[str, list[str]], None],
    on_connection: Callable[[bool], None],
) -> None:
    """Listen until cancelled, over one connection, made again after each loss.

    `on_payload(channel, items)` is called for each notification, `on_connection(True)` after each (re)connect, when
    anything may have been missed, and `on_connection(False)` when the connection is lost.
    """
    pause = 0.1
    while True:
        try:
            async with await AsyncConnection.connect(
                url, autocommit=True, connect_timeout=5, application_name="postmill listen", keepalives_idle=5
            ) as connection:
                for channel in channels:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                on_connection(True)
                pause = 0.1
                async for notification in connection.notifies():
                    on_payload(notification.channel, notification.payload.split(","))
        except psycopg.Error:
            pass
        on_connection(False)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 2.0)
