"""The connections to one server: taken, given back clean, counted; never waited for without a limit."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from scaleworthy.runtime.database.connection import MessageConnection
from scaleworthy.runtime.database.sizing import Usage
from scaleworthy.runtime.database.tenancy import Row, Statement
from scaleworthy.series.meter import Distribution

# A server that went away is tried again for this long, then with each request that needs it.
_RECONNECT_S = 2.0
# How long a request waits for a server that refuses connections, as one that starts again does.
_GONE_S = 2.0
_NETWORK = {
    "connect_timeout": 2,
    # A host that is gone without a word is noticed, however long the statement.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


class PoolExhausted(PoolTimeout):
    """No connection was free in time, or too many wait for one; the text says which pool, and how full it is.

    Attributes:
        refused: Why the server cannot be connected to; None: it is only busy.
    """

    def __init__(self, message: str, *, refused: str | None) -> None:
        super().__init__(message)
        self.refused = refused


class ConnectionLost(psycopg.OperationalError):
    """The server ended the connection, or is gone, with a statement under way. Whether a write was committed is not known."""


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Of the moment: connections there are, those at work, requests that wait for one; and how often one was lost since the start."""

    connections: int
    at_work: int
    waiting: int
    lost: int


class Pool:
    """Connections to one server. `open` before use, `close` at the end.

    Args:
        dsn: Of the server; what it says of time-outs and options wins over what is said here.
        name: For messages; a DSN may hold a password.
        bounds: Least and most connections.
        options: Settings of the session.
        acquire_s, idle_s: How long a connection is waited for, and kept unused beyond the least.
        waiting_most: More do not wait: they are refused at once.
        prepare: Whether statements are prepared.
        acquired: Where the time to get a connection is recorded.
    """

    def __init__(
        self,
        dsn: str,
        *,
        name: str,
        bounds: tuple[int, int],
        options: str,
        acquire_s: float,
        idle_s: float,
        waiting_most: int,
        prepare: bool,
        acquired: Distribution | None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._acquire_s = acquire_s
        self._acquired = acquired
        self._prepare = prepare
        self._now = now
        self._at_work: set[MessageConnection] = set()
        self._lost = 0
        self._refused: str | None = None
        self.usage = Usage(now=now)
        self._pool: AsyncConnectionPool[MessageConnection] = AsyncConnectionPool(
            _with_defaults(dsn, options),
            connection_class=self._noting_refusals(),
            kwargs={"autocommit": True},
            configure=self._configure,
            min_size=bounds[0],
            max_size=bounds[1],
            timeout=acquire_s,
            max_idle=idle_s,
            max_waiting=waiting_most,
            reconnect_timeout=_RECONNECT_S,
            open=False,
            name=name,
        )

    @property
    def trouble(self) -> str | None:
        """Why its server cannot be connected to; None: the last connection could be made."""
        return None if self._refused is None else f"{self.name}: it cannot be connected to: {self._refused}"

    async def open(self) -> None:
        """Begin to connect; nobody waits for it."""
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def resize(self, bounds: tuple[int, int]) -> None:
        """Set least and most connections."""
        await self._pool.resize(*bounds)

    def cut(self) -> None:
        """End the connections that are at work: their server does not answer any more."""
        for connection in self._at_work:
            connection.cut()

    def statistics(self) -> PoolStatistics:
        """Return how full it is."""
        counts = self._pool.get_stats()
        return PoolStatistics(
            counts.get("pool_size", 0), len(self._at_work), counts.get("requests_waiting", 0), self._lost
        )

    async def run(
        self, statements: Sequence[Statement], *, then: Statement | None = None, acquire_s: float | None = None
    ) -> list[list[Row]]:
        """Run *statements* as one transaction in one message, *then* after its commit, on a connection of the pool.

        Raises:
            PoolExhausted: None was free within *acquire_s*.
            ConnectionLost: It broke under way.
            psycopg.Error: A statement failed.
        """
        connection = await self._take(acquire_s)
        began = self._now()
        try:
            return await connection.run(statements, then=then)
        except psycopg.OperationalError as error:
            raise self._lost_or(error, connection) from error
        finally:
            await self._give_back(connection, began)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[MessageConnection]:
        """Give one connection to whoever has several things to say on it."""
        connection = await self._take(None)
        began = self._now()
        try:
            yield connection
        except psycopg.OperationalError as error:
            raise self._lost_or(error, connection) from error
        finally:
            await self._give_back(connection, began)

    async def _take(self, acquire_s: float | None) -> MessageConnection:
        began = self._now()
        deadline = began + (self._acquire_s if acquire_s is None else acquire_s)
        while True:
            left_s = deadline - self._now()
            try:
                # With none at work none comes back: either one is made soon, or the server is gone.
                connection = await self._pool.getconn(
                    timeout=max(left_s if self._at_work else min(left_s, _GONE_S), 1e-3)
                )
            except TooManyRequests as error:
                raise self._exhausted("too many requests wait for a connection") from error
            except PoolTimeout as error:
                if self._refused is not None or self._now() >= deadline:
                    raise self._exhausted(f"no connection was free within {self._now() - began:.3g} s") from error
                continue
            if not connection.ended_by_server:
                break
            # Closed while it was idle, as at a restart: nothing was asked of it, so another may be.
            self._lost += 1
            await connection.close()
            await self._pool.putconn(connection)
        self._at_work.add(connection)
        if self._acquired is not None:
            self._acquired.record(round((self._now() - began) * 1e9))
        return connection

    async def _give_back(self, connection: MessageConnection, began: float) -> None:
        self._at_work.discard(connection)
        self.usage.add(self._now() - began)
        await self._pool.putconn(connection)

    def _lost_or(self, error: psycopg.OperationalError, connection: MessageConnection) -> psycopg.OperationalError:
        if not connection.closed or isinstance(error, PoolTimeout):
            return error
        self._lost += 1
        return ConnectionLost(f"{self.name}: the connection was lost: {first_line(error)}")

    def _exhausted(self, what: str) -> PoolExhausted:
        counts = self._pool.get_stats()
        refused = f"; connecting fails: {self._refused}" if self._refused is not None else ""
        return PoolExhausted(
            f"{self.name}: {what}: {len(self._at_work)} of at most {counts.get('pool_max', 0)} are at work,"
            f" {counts.get('requests_waiting', 0)} requests wait{refused}",
            refused=self._refused,
        )

    def _noting_refusals(self) -> type[MessageConnection]:
        pool = self

        class Connection(MessageConnection):
            """Notes why its server cannot be connected to: the pool itself would only write that to its log."""

            @classmethod
            async def connect(cls, *arguments: Any, **named: Any) -> Self:
                try:
                    made = await super().connect(*arguments, **named)
                except psycopg.Error as error:
                    pool._refused = first_line(error)
                    raise
                pool._refused = None
                return made

        return Connection

    async def _configure(self, connection: MessageConnection) -> None:
        connection.messages.prepares &= self._prepare


def _with_defaults(dsn: str, options: str) -> str:
    given = conninfo_to_dict(dsn)
    more: dict[str, Any] = {name: value for name, value in _NETWORK.items() if name not in given}
    return make_conninfo(dsn, **more, options=f"{options} {given.get('options') or ''}".strip())


def first_line(error: Exception) -> str:
    """Return what an error says, without the lines of advice that follow."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
