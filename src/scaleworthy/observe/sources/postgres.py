"""PostgreSQL: connections, transactions, blocks, WAL, locks, I/O, tables and statements, by difference.

One connection in autocommit (application_name scaleworthy-observe), five statements a look, none of which waits for a lock
of the service's: they read statistics. What these do themselves is taken out of what is reported.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from scaleworthy.errors import MissingExtra
from scaleworthy.observe.source import Differences, Sample
from scaleworthy.observe.sources import postgres_queries as queries

if TYPE_CHECKING:
    from scaleworthy.observe.sources.postgres_session import Session
    from scaleworthy.observe.sources.postgres_statements import Statements

STATES = ("active", "idle", "idle in transaction", "waiting")
TABLES_TOP = 100


class PostgresSource:
    """The database at *dsn*. It is only read."""

    name = "postgres"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._session: Session | None = None
        self._statements: Statements | None = None
        self._counters: Differences[str] = Differences()
        self._io: Differences[tuple[str, str]] = Differences()
        self._tables: Differences[tuple[str, str]] = Differences()

    def sample(self) -> Sample:
        """Return what happened since the last call.

        Raises:
            MissingExtra: psycopg is not installed.
            psycopg.Error: The server does not answer.
        """
        sample = Sample()
        try:
            session = self._session = self._session or self._connect(sample)
            # The database's row first: what we sent before the last flush is in it, what this look sends is not.
            self._database(session, sample)
            self._activity(session, sample)
            self._read_io(session, sample)
            self._read_tables(session, sample)
            if self._statements is not None:
                self._statements.sample(session, sample)
            session.flush()
        except Exception:
            self.close()
            raise
        return sample

    def close(self) -> None:
        """Close the connection; the next sample opens one and is a first one."""
        if self._session is not None:
            self._session.close()
        self._session = self._statements = None
        for differences in (self._counters, self._io, self._tables):
            differences.forget()

    def _connect(self, sample: Sample) -> Session:
        if importlib.util.find_spec("psycopg") is None:
            raise MissingExtra("postgres", needed_for="observing PostgreSQL")
        from scaleworthy.observe.sources.postgres_probe import look
        from scaleworthy.observe.sources.postgres_session import Session
        from scaleworthy.observe.sources.postgres_statements import Statements

        session = self._session = Session.open(self._dsn)
        sight = look(session)
        self._statements = None if sight.statements is None else Statements(sight.statements)
        sample.facts += [
            ("postgres", "missing", list(sight.missing)),
            ("postgres", "version", session.version),
            ("postgres", "database_bytes", session.rows(queries.SIZE)[0][0]),
        ]
        session.flush()
        return session

    def _database(self, session: Session, sample: Sample) -> None:
        row = session.rows(queries.DATABASE if session.version >= 140000 else queries.DATABASE_BEFORE_14)[0]
        # The row holds every transaction before this one; this one will be in the next row.
        sent, session.sent = session.sent - 1, 1
        *amounts, locks, connections_max = row
        grown = self._counters.since(dict(zip(_COUNTERS, amounts, strict=True)))
        if grown:
            # Each of our statements commits a transaction of its own; this look's are in the next look's row.
            grown["commit"] = max(0.0, grown["commit"] - sent)
            for name, (series, unit, labels) in _COUNTERS.items():
                sample.counter(series, unit, grown[name], **labels)
        sample.gauge("postgres.locks_waiting", "locks", locks)
        sample.gauge("postgres.connections_max", "connections", connections_max)

    def _activity(self, session: Session, sample: Sample) -> None:
        rows = session.rows(queries.ACTIVITY)
        here = dict.fromkeys(STATES, 0) | {state: count for state, count, _, _ in rows if state in STATES}
        for state, count in here.items():
            sample.gauge("postgres.connections", "connections", count, state=state)
        sample.gauge("postgres.connections_used", "connections", sum(row[2] for row in rows))
        sample.gauge("postgres.longest_transaction", "s", max((row[3] for row in rows), default=0.0))

    def _read_io(self, session: Session, sample: Sample) -> None:
        if session.version < 160000:
            return
        rows = session.rows(queries.IO if session.version >= 180000 else queries.IO_BEFORE_18)
        amounts: dict[tuple[str, str], float] = {}
        for operation, n_bytes, ms in rows:
            amounts["bytes", operation], amounts["seconds", operation] = n_bytes, ms / 1e3
        for (what, operation), value in self._io.since(amounts).items():
            sample.counter(f"postgres.io_{what}", _IO_UNITS[what], value, operation=operation)

    def _read_tables(self, session: Session, sample: Sample) -> None:
        amounts: dict[tuple[str, str], float] = {}
        for table, read, written in session.rows(queries.TABLES):
            amounts["seq_rows", table], amounts["writes", table] = read, written
        grown = {key: value for key, value in self._tables.since(amounts).items() if value > 0}
        for what in ("seq_rows", "writes"):
            ranked = sorted(((value, table) for (kind, table), value in grown.items() if kind == what), reverse=True)
            for value, table in ranked[:TABLES_TOP]:
                sample.counter(f"postgres.table_{what}", "rows", value, table=table)
            if rest := sum(value for value, _ in ranked[TABLES_TOP:]):
                sample.counter(f"postgres.table_{what}", "rows", rest, table="other")


_COUNTERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "commit": ("postgres.transactions", "transactions", {"outcome": "commit"}),
    "rollback": ("postgres.transactions", "transactions", {"outcome": "rollback"}),
    "hit": ("postgres.blocks_hit", "blocks", {}),
    "read": ("postgres.blocks_read", "blocks", {}),
    "temp": ("postgres.temp_bytes", "bytes", {}),
    "deadlocks": ("postgres.deadlocks", "deadlocks", {}),
    "wal": ("postgres.wal_bytes", "bytes", {}),
}
_IO_UNITS = {"bytes": "bytes", "seconds": "s"}
