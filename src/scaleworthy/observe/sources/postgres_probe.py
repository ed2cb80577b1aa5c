"""What a PostgreSQL connection may see, and for what it may not: the statement that cures it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import errors, sql

from scaleworthy.observe.sources import postgres_queries as queries
from scaleworthy.observe.sources.postgres_session import Session

_PRELOAD = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements' -- beside what is there; then restart"


@dataclass(frozen=True, slots=True)
class Sight:
    """What the connected role can see of this server.

    Attributes:
        statements: The schema of pg_stat_statements where it can be read, or None.
        missing: Items of `what` is missing, `why`, and the `cure`: the statement to run as a superuser.
    """

    statements: str | None
    missing: tuple[dict[str, Any], ...]


def look(session: Session) -> Sight:
    """Find out what can be seen through *session*."""
    missing: list[dict[str, Any]] = []

    def miss(what: str, why: str, cure: str) -> None:
        missing.append({"what": what, "why": why, "cure": cure})

    role, may = session.rows(queries.RIGHTS)[0]
    if not may:
        cure = f"GRANT pg_read_all_stats TO {_quoted(role)}"
        miss("statements and connection states of other roles", f"the role {role!r} may see its own alone", cure)
    schema, why, cure = _statements(session)
    if schema is None:
        miss("statements: calls, time and rows of each", why, cure)
    if session.version < 140000:
        miss("WAL", "pg_stat_wal came with PostgreSQL 14", "")
    if session.version < 160000:
        miss("I/O by operation", "pg_stat_io came with PostgreSQL 16", "")
    elif not session.rows(queries.IO_TIMED)[0][0]:
        miss(
            "time spent in I/O",
            "track_io_timing is off",
            "ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf()",
        )
    return Sight(schema, tuple(missing))


def _statements(session: Session) -> tuple[str | None, str, str]:
    """Return the schema of a pg_stat_statements that works; or None, why, and the cure."""
    found = session.rows(queries.EXTENSION)
    loaded = bool(session.rows(queries.LOADED)[0][0])
    if not found:
        cure = "CREATE EXTENSION pg_stat_statements"
        why = "the extension pg_stat_statements is not in this database"
        return None, why, cure if loaded else f"{cure}; {_PRELOAD}"
    schema = str(found[0][0])
    try:
        session.rows(queries.STATEMENTS_READABLE, schema=schema)
    except errors.ObjectNotInPrerequisiteState as error:
        return None, str(error).strip(), _PRELOAD
    except errors.InsufficientPrivilege as error:
        function = f"{_quoted(schema)}.pg_stat_statements(boolean)"
        grants = f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {{0}}; GRANT EXECUTE ON FUNCTION {function} TO {{0}}"
        return None, str(error).strip(), grants.format(_quoted(session.user))
    return schema, "", ""


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()
