"""Make a copy of the tables that statements need, in an embedded server, by reading alone.

Schema by pg_dump (which only reads), data by COPY … TO STDOUT: whole tables up to DATA_BYTES_MAX together, beyond it the same
part of every large table, by pages. The copy has the same policies and roles (without any right to log in), is analysed, and
is gone with the block.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from pglast import ast, split
from pglast.enums import AlterTableType, ConstrType
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from scaleworthy.audit.evidence import Evidence, connect
from scaleworthy.audit.evidence.queries import TAG
from scaleworthy.audit.names import quoted
from scaleworthy.audit.statement import tree
from scaleworthy.errors import ScaleworthyError
from scaleworthy.servers import Postgres

DATA_BYTES_MAX = 512 * 1024**2
READ_LIMIT_S = 300
_PSQL_LINE = re.compile(r"^\\(un)?restrict .*$", re.MULTILINE)
_DUMP = (
    "--schema-only",
    "--no-owner",
    "--no-privileges",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-tablespaces",
    "--lock-wait-timeout=2000",
)


class CopyRefused(ScaleworthyError):
    """A copy cannot be made; the message says why, the hint what would allow it."""


@dataclass(slots=True)
class Copied:
    """A copy: its address, how much of each table it holds (0 to 1), and what could not be taken along."""

    dsn: str
    version: str
    part: dict[str, float]
    left_out: list[str] = field(default_factory=list)


@contextlib.contextmanager
def copied(evidence: Evidence, tables: Sequence[str]) -> Iterator[Copied]:
    """Make the copy of *tables*; the whole schema comes along, without triggers and foreign keys.

    Raises:
        CopyRefused: A table may not be read, or pg_dump refuses the server.
        MissingExtra: The embedded server is not installed.
    """
    for name in tables:
        refuse_unreadable(evidence, name)
    with Postgres.start(fsync=False) as server:
        statements = _schema(server, evidence)
        dsn = server.create_database("copy")
        copy = Copied(dsn, server.binaries.major(), _parts(evidence, tables))
        with contextlib.closing(psycopg.connect(dsn, autocommit=True)) as target:
            _roles(target, evidence)
            after = [statement for statement in statements if _is_after_data(statement)]
            _execute(target, [statement for statement in statements if not _is_after_data(statement)], copy)
            _data(evidence, target, copy)
            _execute(target, after, copy)
            target.execute("RESET search_path")
            for name in tables:
                target.execute(f"ANALYZE {name}")
            for role in sorted(evidence.roles):
                if not role.startswith("pg_"):
                    _rights(target, evidence, role)
        yield copy


def refuse_unreadable(evidence: Evidence, name: str) -> None:
    """Refuse a table that this role may not read whole.

    Raises:
        CopyRefused: With the statement that allows it.
    """
    table, who = evidence.tables[name], quoted(evidence.server.role)
    if not table.readable:
        raise CopyRefused(f"role {who} may not read {table.label}", hint=f"GRANT SELECT ON {name} TO {who}")
    if table.row_security_active:
        raise CopyRefused(
            f"role {who} sees {table.label} through its policies only", hint=f"ALTER ROLE {who} BYPASSRLS"
        )


def _schema(server: Postgres, evidence: Evidence) -> list[str]:
    """Return the statements that make the schema, as pg_dump writes them."""
    parameters: dict[str, Any] = conninfo_to_dict(evidence.dsn)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # In the environment, not on the command line, which every user of the machine can read.
    environment |= {
        "PGPASSWORD": str(parameters.pop("password", "") or ""),
        "PGAPPNAME": "scaleworthy-audit",
        "LC_ALL": "C",
    }
    unread = [f"--exclude-table={name}" for name, table in sorted(evidence.tables.items()) if not table.readable]
    command = [str(server.binaries.tool("pg_dump")), *_DUMP, *unread, f"--dbname={make_conninfo(**parameters)}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=READ_LIMIT_S)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise CopyRefused(f"pg_dump could not read the schema: {reason}", hint="--prove none audits without a copy")
    return [statement for statement in split(_PSQL_LINE.sub("", done.stdout)) if not _is_left_out(statement)]


def _is_left_out(statement: str) -> bool:
    """Triggers and foreign keys change no plan, and a part of the data would break them."""
    parsed = tree(statement)
    if isinstance(parsed, ast.CreateTrigStmt | ast.CreateEventTrigStmt | ast.RuleStmt | ast.RefreshMatViewStmt):
        return True
    if isinstance(parsed, ast.AlterTableStmt):
        return any(
            command.subtype == AlterTableType.AT_AddConstraint and command.def_.contype == ConstrType.CONSTR_FOREIGN
            for command in parsed.cmds or ()
        )
    return False


def _is_after_data(statement: str) -> bool:
    """Indexes, constraints and policies come after the data, as pg_dump has them."""
    parsed = tree(statement)
    if isinstance(parsed, ast.IndexStmt | ast.CreatePolicyStmt | ast.CreateStatsStmt):
        return True
    after = (AlterTableType.AT_AddConstraint, AlterTableType.AT_EnableRowSecurity, AlterTableType.AT_ForceRowSecurity)
    return isinstance(parsed, ast.AlterTableStmt) and any(command.subtype in after for command in parsed.cmds or ())


def _execute(target: psycopg.Connection[Any], statements: Sequence[str], copy: Copied) -> None:
    """Run the schema's statements; one that fails (an extension that is not here) is noted, and the others go on."""
    for statement in statements:
        try:
            target.execute(statement)
        except psycopg.Error as error:
            copy.left_out.append(f"{' '.join(statement.split())[:80]}: {str(error).strip().splitlines()[0]}")


def _parts(evidence: Evidence, tables: Sequence[str]) -> dict[str, float]:
    """Return which part of each table to take: all, or what brings the large ones down to the limit together."""
    sizes = {name: evidence.tables[name].bytes for name in tables}
    small = {name: size for name, size in sizes.items() if size <= DATA_BYTES_MAX // 16}
    large = sum(size for name, size in sizes.items() if name not in small)
    room = max(0, DATA_BYTES_MAX - sum(small.values()))
    return {name: 1.0 if name in small or large <= room else room / large for name in tables}


def _data(evidence: Evidence, target: psycopg.Connection[Any], copy: Copied) -> None:
    with connect(evidence.dsn) as source:
        source.execute(f"SET statement_timeout = '{READ_LIMIT_S}s'")
        source.execute("SET row_security = off")
        for name, part in copy.part.items():
            columns = ", ".join(quoted(row["name"]) for row in source.execute(_STORED, {"table": name}))
            sample = "" if part >= 1.0 else f" TABLESAMPLE SYSTEM ({part * 100:.6f}) REPEATABLE (1)"
            read = f"COPY (SELECT {TAG} {columns} FROM {name}{sample}) TO STDOUT"  # noqa: S608 - quoted by the server
            with (
                source.cursor().copy(read) as rows,
                target.cursor().copy(f"COPY {name} ({columns}) FROM STDIN") as into,
            ):
                for block in rows:
                    into.write(block)


_STORED = f"""SELECT {TAG} attname::text AS name FROM pg_attribute
WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"""  # noqa: S608


def _roles(target: psycopg.Connection[Any], evidence: Evidence) -> None:
    for role in sorted(evidence.roles):
        if not role.startswith("pg_"):
            with contextlib.suppress(psycopg.errors.DuplicateObject):
                target.execute(f"CREATE ROLE {quoted(role)} NOLOGIN")


def _rights(target: psycopg.Connection[Any], evidence: Evidence, role: str) -> None:
    for schema in sorted({table.schema for table in evidence.tables.values()}):
        with contextlib.suppress(psycopg.Error):
            target.execute(f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {quoted(role)}")
            target.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {quoted(schema)} TO {quoted(role)}")
