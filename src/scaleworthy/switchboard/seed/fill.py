"""Copy generated rows into a migrated, empty database: all of them or none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import psycopg
from psycopg import sql

from scaleworthy.errors import UsageError
from scaleworthy.switchboard.seed.generate import Generator, Rows
from scaleworthy.switchboard.seed.size import Size

TABLES = (
    "tenants", "users", "campaigns", "leads", "activities", "calls", "recordings", "webhook_events", "payments",
    "transcripts", "knowledge", "tasks",
)  # fmt: skip
_FOREIGN_KEYS = """
select conrelid::regclass::text, conname, pg_get_constraintdef(oid)
from pg_constraint
where contype = 'f' and connamespace = current_schema()::regnamespace and conrelid::regclass::text = any(%s)
order by 1, 2
"""
Progress = Callable[[str], None]


def is_empty(dsn: str) -> bool:
    """Return whether a migrated database has no tenant yet."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select not exists (select from tenants)").fetchone()
        return bool(row and row[0])


def seed_database(dsn: str, size: Size, *, seed: int, until: datetime, on_progress: Progress) -> dict[str, int]:
    """Fill the database at *dsn* (as its owner) with work that ends at *until*; return the rows per table.

    Rows are copied without foreign keys and without row-level security, which COPY does not take; both are back, checked, when
    the transaction ends, and nobody sees them missing.

    Raises:
        UsageError: The database is not empty.
    """
    counts: dict[str, int] = {}
    with psycopg.connect(dsn, options="-c timezone=UTC") as connection:
        connection.execute(_listed("lock table {} in access exclusive mode"))
        row = connection.execute("select count(*) from tenants").fetchone()
        if row and row[0]:
            raise UsageError(
                f"the database already has {row[0]} tenants; seeding fills an empty one",
                hint="createdb a new database, or drop and create this one",
            )
        # COPY FREEZE, which spares the first readers a rewrite of every page, wants tables truncated by this transaction;
        # the tables that are not seeded point at these, and are as empty.
        connection.execute(_listed("truncate {} cascade"))
        foreign_keys = connection.execute(_FOREIGN_KEYS, [list(TABLES)]).fetchall()
        for table, name, _ in foreign_keys:
            connection.execute(_sql("alter table {} drop constraint {}", table, name))
        _force_row_security(connection, force=False)
        for rows in Generator(size, seed=seed, until=until).tables():
            _copy(connection, rows)
            counts[rows.table] = rows.count
            on_progress(f"seeded {rows.count:,} {rows.table.replace('_', ' ')}")
        for table, name, definition in foreign_keys:
            connection.execute(_sql("alter table {} add constraint {} ", table, name) + sql.SQL(definition))
        _force_row_security(connection, force=True)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_listed("vacuum (analyze) {}"))
    on_progress("statistics gathered")
    return counts


def _copy(connection: psycopg.Connection, rows: Rows) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    statement = sql.SQL("copy {} ({}) from stdin (freeze)").format(sql.Identifier(rows.table), columns)
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for chunk in rows.chunks():
                copy.write(chunk)
        if rows.table != "tenants":
            # The next row the service writes goes on behind these.
            cursor.execute("select setval(pg_get_serial_sequence(%s, 'id'), %s)", [rows.table, rows.count])


def _force_row_security(connection: psycopg.Connection, *, force: bool) -> None:
    for table in TABLES[1:]:
        word = "force" if force else "no force"
        connection.execute(_sql(f"alter table {{}} {word} row level security", table))


def _listed(template: str) -> sql.Composed:
    return sql.SQL(template).format(sql.SQL(", ").join(map(sql.Identifier, TABLES)))


def _sql(template: str, *names: str) -> sql.Composed:
    return sql.SQL(template).format(*map(sql.Identifier, names))
