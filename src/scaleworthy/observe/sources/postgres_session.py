"""One connection to PostgreSQL in autocommit, which counts the transactions that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier

from scaleworthy.observe.sources.postgres_queries import APPLICATION, FLUSH, SETTINGS

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

CONNECT_TIMEOUT_S = 5


class Session:
    """Asks statements one by one; each is a transaction of its own."""

    def __init__(self, connection: psycopg.Connection[TupleRow]) -> None:
        self._connection = connection
        self.version = connection.info.server_version
        self.user = connection.info.user
        self.sent = 0
        self._prepared: set[tuple[str, str | None]] = set()

    @classmethod
    def open(cls, dsn: str) -> Session:
        """Connect to *dsn*; statements are cut after 5 s, and can only read."""
        connection = psycopg.connect(
            dsn, autocommit=True, application_name=APPLICATION, connect_timeout=CONNECT_TIMEOUT_S
        )
        session = cls(connection)
        session.rows(SETTINGS)
        return session

    def rows(
        self, statement: LiteralString, values: Sequence[Any] | None = None, *, schema: str | None = None
    ) -> list[TupleRow]:
        """Return what a statement answers; *schema* goes where it says `{schema}`."""
        query = SQL(statement) if schema is None else SQL(statement).format(schema=Identifier(schema))
        # Planned once; preparing is a transaction as well.
        self.sent += 1 if (statement, schema) in self._prepared else 2
        self._prepared.add((statement, schema))
        return self._connection.execute(query, values, prepare=True, binary=True).fetchall()

    def flush(self) -> None:
        """See that what was sent so far is in the server's statistics from now on (PostgreSQL 15 and newer)."""
        if self.version >= 150000:
            self.rows(FLUSH)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
