"""Connections: two pools on one Postgres, one way to open a transaction.

`postmill_system` is what workers, upkeep and the queue use. `postmill_api` is not the owner of any table: row-level
security shows it the rows of the actor's workspace only, whatever a handler's SQL says. Where the roles cannot be
made (an outside database whose user may not), both pools log in as DATABASE_URL's user and `second_wall` is False.

Architecture Invariant: nothing is kept in a session. The actor travels with `set_config(…, is_local => true)` inside
the transaction, so that a transaction pooler may stand between.
"""

import select
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from postmill.model.errors import Unavailable
from postmill.model.user import Actor

Connection = AsyncConnection[DictRow]
Cursor = AsyncCursor[DictRow]
Pool = AsyncConnectionPool[Connection]

# What one statement may take, and how long we look for a server, before a caller is told (F17: nothing hangs for ever).
STATEMENT_TIMEOUT_MS = 30_000
CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 10.0

_OPTIONS = (
    f"-c TimeZone=UTC -c jit=off -c statement_timeout={STATEMENT_TIMEOUT_MS}"
    " -c idle_in_transaction_session_timeout=60000"
)

# The queue's statements are a few, run all day, and take longer to plan than to run: planned once a connection. Lists,
# whose filters differ, are the API's, and planned as Postgres thinks best.
_SYSTEM_OPTIONS = f"{_OPTIONS} -c plan_cache_mode=force_generic_plan"

_SET_ACTOR = b"""
SELECT set_config('postmill.actor', %(email)s, true), set_config('postmill.workspace', %(workspace)s, true),
       set_config('postmill.super_admin', %(super_admin)s, true)
"""
_NOTIFY = b"""
SELECT pg_notify(channel, payload) FROM unnest(%(channels)s::text[], %(payloads)s::text[]) AS sent (channel, payload)
"""
_SET_CLOCK = b"SELECT set_config('postmill.clock_offset', %(offset)s, true)"


async def _check(connection: Connection) -> None:
    """Refuse a connection whose server went away meanwhile: only one whose socket has something to say is asked."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(connection)


def _pool(url: str, name: str, size: int, options: str) -> Pool:
    return AsyncConnectionPool(
        make_conninfo(
            url,
            application_name=name,
            options=options,
            connect_timeout=CONNECT_TIMEOUT_S,
            # A peer that went away without a word is noticed in 15 s, not in two hours.
            keepalives_idle=5,
            keepalives_interval=5,
            keepalives_count=2,
            tcp_user_timeout=15_000,
        ),
        connection_class=AsyncConnection[DictRow],
        kwargs={"row_factory": dict_row, "autocommit": True},
        min_size=1,
        max_size=size,
        check=_check,
        timeout=POOL_TIMEOUT_S,
        # After an outage the pool tries again at most this many seconds apart.
        reconnect_timeout=float("inf"),
        max_lifetime=3600.0,
        open=False,
        name=name,
    )


class Database:
    """The two pools. Use `Database.connect()`."""

    def __init__(
        self, system: Pool, api: Pool | None, second_wall: bool, clock_offset: timedelta | None = None
    ) -> None:
        self._system = system
        self._api = api
        self.second_wall = second_wall
        """False when both pools are the same user, so that row-level security does not apply."""
        self.clock_offset = clock_offset
        """Tests move the database's clock with this; None in production."""

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        system_url: str,
        api_url: str | None = None,
        *,
        size: int = 10,
        clock_offset: timedelta | None = None,
    ) -> "AsyncIterator[Database]":
        """Open the pools; `api_url` None opens only the system's (a worker).

        Raises:
            Unavailable: no connection within CONNECT_TIMEOUT_S.
        """
        system = _pool(system_url, "postmill system", size, _SYSTEM_OPTIONS)
        api = _pool(api_url, "postmill api", size, _OPTIONS) if api_url else None
        try:
            for pool in filter(None, (system, api)):
                await pool.open(wait=True, timeout=POOL_TIMEOUT_S)
            yield cls(
                system,
                api,
                second_wall=api_url is not None and api_url != system_url,
                clock_offset=clock_offset,
            )
        except PoolTimeout as error:
            raise Unavailable("the database does not answer") from error
        finally:
            for pool in filter(None, (system, api)):
                await pool.close(timeout=5)

    @asynccontextmanager
    async def transaction(self, actor: Actor | None = None, *, pipeline: bool = False) -> AsyncIterator[Connection]:
        """One transaction: the system's, or the actor's behind the second wall.

        With `pipeline` everything from BEGIN to COMMIT goes out in one round trip, as long as the caller reads no
        result inside; a guard that raises in SQL is how such a transaction says no.

        Raises:
            Unavailable: no connection could be had in time.
        """
        pool = self._system if actor is None else self._api
        if pool is None:
            raise RuntimeError("this process has no API pool")
        try:
            async with pool.connection() as connection:
                try:
                    if pipeline:
                        # One round trip: COMMIT goes out before any answer was read.
                        async with connection.pipeline():
                            await connection.execute(b"BEGIN")
                            await self._begin(connection, actor)
                            yield connection
                            await connection.execute(b"COMMIT")
                    else:
                        async with connection.pipeline():
                            await connection.execute(b"BEGIN")
                            await self._begin(connection, actor)
                        yield connection
                        await connection.execute(b"COMMIT")
                except BaseException:
                    if not connection.closed:
                        # Not execute("ROLLBACK"): psycopg would go on believing in statements whose PREPARE was in
                        # the part of the pipeline that Postgres skipped.
                        await connection.rollback()
                    raise
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise Unavailable(f"the database does not answer ({type(error).__name__})") from error

    async def notify(self, messages: Sequence[tuple[str, str]]) -> None:
        """Send (channel, payload) pairs in one statement, outside any transaction.

        Raises:
            Unavailable: the database does not answer.
        """
        channels, texts = [channel for channel, _ in messages], [text for _, text in messages]
        try:
            async with self._system.connection() as connection:
                await connection.execute(_NOTIFY, {"channels": channels, "payloads": texts})
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise Unavailable() from error

    async def _begin(self, connection: Connection, actor: Actor | None) -> None:
        if actor is not None:
            await connection.execute(
                _SET_ACTOR,
                {
                    "email": actor.email,
                    "workspace": actor.workspace or "",
                    "super_admin": "true" if actor.super_admin else "",
                },
            )
        if self.clock_offset is not None:
            await connection.execute(_SET_CLOCK, {"offset": f"{self.clock_offset.total_seconds()} s"})
