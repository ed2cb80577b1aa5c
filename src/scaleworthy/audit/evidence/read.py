"""Read the evidence: each part by one statement, read-only, within limits; what cannot be read becomes a gap.

Limits: 15 s per statement, 2 s for a lock, nothing but reads. The session says who it is (`scaleworthy-audit`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import psycopg
from psycopg.rows import dict_row

from scaleworthy.audit.evidence import queries
from scaleworthy.audit.evidence.model import (
    Column,
    Evidence,
    ForeignKey,
    Gap,
    Index,
    Policy,
    Role,
    Sequence,
    Server,
    Session,
    Setting,
    Statement,
    Table,
)
from scaleworthy.audit.evidence.recorded import statements_in_window
from scaleworthy.errors import TargetError
from scaleworthy.series import Store

Row = dict[str, Any]
Connection = psycopg.Connection[Row]
T = TypeVar("T")

APPLICATION = "scaleworthy-audit"
_OPTIONS = "-c default_transaction_read_only=on -c statement_timeout=15s -c lock_timeout=2s -c idle_in_transaction_session_timeout=60s"
_LOOPBACK = ("", "localhost", "127.0.0.1", "::1")


@contextlib.contextmanager
def connect(dsn: str) -> Iterator[Connection]:
    """Open a session that can only read.

    Raises:
        TargetError: The database cannot be reached, or refuses us, then or while the session is open.
    """
    try:
        connection = psycopg.connect(
            dsn,
            autocommit=True,
            row_factory=dict_row,
            options=_OPTIONS,
            application_name=APPLICATION,
            connect_timeout=5,
        )
    except psycopg.Error as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise TargetError(
            f"the database cannot be opened: {reason}",
            hint="a DSN looks like postgresql://USER:PASSWORD@HOST:5432/DATABASE; is the server up, and is the user allowed in?",
        ) from error
    with connection:
        try:
            yield connection
        except psycopg.Error as error:
            raise TargetError(
                f"the database cannot be read: {_reason(error)}",
                hint="is the server still up? GRANT pg_monitor to the role where it says that permission is denied",
            ) from error


def read_evidence(
    dsn: str,
    *,
    store: Store | None = None,
    window: tuple[int, int] | None = None,
    prove: str | None = None,
    clock: Callable[[datetime], datetime] = lambda now: now,
) -> Evidence:
    """Read everything once.

    Args:
        dsn: Any PostgreSQL, version 13 or newer.
        store: A recording: statements are then counted within *window*, and requests are known.
        window: Unix seconds, half-open; None for the whole recording.
        prove: Kept with the evidence, for the checks that try their advice.
        clock: Turns the server's time into the time that ages are taken at.

    Raises:
        TargetError: The database cannot be reached.
    """
    with connect(dsn) as connection:
        reader = _Reader(connection)
        server = reader.server(clock)
        statements, statements_s = reader.statements()
        columns: dict[str, dict[str, Column]] = {}
        for column in reader.rows(Column, queries.COLUMNS):
            columns.setdefault(column.table, {})[column.name] = column
        functions = reader.fetch(queries.FUNCTIONS)
        tables = {table.name: table for table in reader.rows(Table, queries.TABLES)}
        evidence = Evidence(
            dsn=dsn,
            server=server,
            tables=tables,
            columns=columns,
            indexes=reader.rows(Index, queries.INDEXES),
            foreign_keys=reader.rows(ForeignKey, queries.FOREIGN_KEYS),
            policies=reader.rows(Policy, queries.POLICIES),
            roles={role.name: role for role in reader.rows(Role, queries.ROLES)},
            statements=statements,
            settings={setting.name: setting for setting in reader.rows(Setting, queries.SETTINGS)},
            sessions=reader.rows(Session, queries.SESSIONS, read_at=server.read_at),
            sequences=reader.rows(Sequence, queries.SEQUENCES),
            search_path=reader.search_path(),
            volatile_functions=frozenset(row["name"] for row in functions if row["volatile"]),
            function_bodies={row["name"]: row["body"] for row in functions},
            gaps=reader.gaps,
            statements_s=statements_s,
            store=store,
            window=window,
            prove=prove,
        )
    return statements_in_window(evidence)


class _Reader:
    """One session's reads, and what could not be read."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.gaps: dict[str, Gap] = {}

    def fetch(self, text: str, **parameters: Any) -> list[Row]:
        """Return the rows of one of our own statements."""
        return self.connection.execute(text, parameters).fetchall()

    def rows(self, kind: type[T], text: str, **parameters: Any) -> tuple[T, ...]:
        """Return a statement's rows as *kind*, lists as tuples; a refusal is a gap of that name and no rows."""
        try:
            found = self.fetch(text, **parameters)
        except psycopg.Error as error:
            name = kind.__name__.lower()
            who = self.connection.info.user
            self.gaps[name] = Gap(name, _reason(error), f"GRANT pg_monitor TO {who}")
            return ()
        return tuple(_of(kind, row) for row in found)

    def server(self, clock: Callable[[datetime], datetime]) -> Server:
        """Return the server's facts; ages run to the time that *clock* names."""
        try:
            row = self.fetch(queries.SERVER)[0]
        except psycopg.Error as error:
            raise TargetError(
                f"the database cannot be read: {_reason(error)}", hint="the audit reads PostgreSQL 13 and newer"
            ) from error
        later_s = (clock(row["read_at"]) - row["read_at"]).total_seconds()
        read_at = clock(row.pop("read_at"))
        age_s = row.pop("statistics_age_s")
        with contextlib.suppress(psycopg.Error):
            age_s = min(age_s, self.fetch(queries.INITDB)[0]["age_s"])
        own_max = row.pop("connections_database_max")
        server_max = row.pop("connections_server_max")
        in_database, in_server = row.pop("connections_database"), row.pop("connections_server")
        by_database = own_max >= 0 and own_max - in_database < server_max - in_server
        return Server(
            **row,
            read_at=read_at,
            statistics_age_s=age_s + later_s,
            connections_used=in_database if by_database else in_server,
            connections_limit=own_max if by_database else server_max,
            limited_by="the database's CONNECTION LIMIT" if by_database else "max_connections",
            memory_bytes=self._memory_bytes(),
        )

    def statements(self) -> tuple[tuple[Statement, ...], float | None]:
        """Return what pg_stat_statements holds for this database, and over how many seconds."""
        what = "pg_stat_statements"
        found = self.fetch(queries.EXTENSION_SCHEMA)
        if not found:
            needs = f"ALTER SYSTEM SET shared_preload_libraries = '{what}'; restart the server; then "
            first = {True: "", False: needs, None: f"where shared_preload_libraries does not name it, {needs}"}[
                self._preloads(what)
            ]
            self.gaps["statements"] = Gap(
                what, "the extension is not in this database", f"{first}CREATE EXTENSION {what}"
            )
            return (), None
        schema = found[0]["schema"]
        try:
            rows = self.fetch(queries.STATEMENTS.replace("{schema}", schema))
        except psycopg.Error as error:
            cure = f"ALTER SYSTEM SET shared_preload_libraries = '{what}', then restart the server"
            self.gaps["statements"] = Gap(what, _reason(error), cure)
            return (), None
        if not self.fetch(queries.READS_ALL)[0]["may"]:
            who = self.connection.info.user
            self.gaps["statements"] = Gap(
                what, f"role {who} does not see the statements of other roles", f"GRANT pg_read_all_stats TO {who}"
            )
        age_s: float | None = None
        with contextlib.suppress(psycopg.Error):
            age_s = self.fetch(queries.STATEMENTS_AGE.replace("{schema}", schema))[0]["age_s"]
        return tuple(_of(Statement, row) for row in rows), age_s

    def _preloads(self, library: str) -> bool | None:
        """Return whether the server loads *library* at its start; None where the role may not know."""
        try:
            row = self.fetch(f"SELECT {queries.TAG} current_setting('shared_preload_libraries', true) AS shown")[0]
        except psycopg.Error:
            return None
        return library in (row["shown"] or "")

    def search_path(self) -> tuple[str, ...]:
        """Return the schemas that unqualified names are looked up in."""
        row = self.fetch(f"SELECT {queries.TAG} array_remove(current_schemas(false)::text[], NULL) AS path")[0]
        return tuple(row["path"])

    def _memory_bytes(self) -> int | None:
        """Return the memory of the server's machine: asked of the server, or our own where it is the same machine."""
        info = self.connection.info
        local = info.host.startswith("/") or info.host in _LOOPBACK
        texts = {}
        for path in ("/proc/meminfo", "/sys/fs/cgroup/memory.max"):
            texts[path] = Path(path).read_text("ascii") if local and Path(path).exists() else ""
            with contextlib.suppress(psycopg.Error):
                texts[path] = self.fetch(queries.MEMORY, path=path)[0]["text"] or texts[path]
        total = next(
            (int(line.split()[1]) * 1024 for line in texts["/proc/meminfo"].splitlines() if "MemTotal:" in line), None
        )
        limit = texts["/sys/fs/cgroup/memory.max"].strip()
        if total is None:
            self.gaps["memory"] = Gap(
                "the server's memory",
                "the server is on another machine and does not say",
                f"GRANT pg_read_server_files TO {info.user} (it then reads /proc/meminfo)",
            )
        return min(total, int(limit)) if total is not None and limit.isdigit() else total


def _of(kind: type[T], row: Mapping[str, Any]) -> T:
    wanted = {item.name for item in fields(cast("Any", kind))}
    return kind(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in row.items() if key in wanted}
    )


def _reason(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error) or type(error).__name__).strip()
