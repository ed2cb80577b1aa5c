"""Carry out a fix: for a database that the caller owns, such as the demo's. Nothing in the audit calls this."""

from __future__ import annotations

import psycopg

from scaleworthy.errors import ScaleworthyError
from scaleworthy.finding import Fix


def apply_fix(dsn: str, fix: Fix) -> None:
    """Run a fix's statements, each by itself (CREATE INDEX CONCURRENTLY allows no transaction), waiting ≤ 5 s for a lock.

    Raises:
        ScaleworthyError: A statement failed; those before it stay done, and the message names it.
    """
    with psycopg.connect(dsn, autocommit=True, application_name="scaleworthy-fix") as connection:
        connection.execute("SET lock_timeout = '5s'")
        for statement in fix.statements:
            try:
                connection.execute(statement)
            except psycopg.Error as error:
                way_back = "; ".join(fix.rollback)
                raise ScaleworthyError(
                    f"the fix stopped at: {statement}\n{str(error).strip()}",
                    hint=f"the way back: {way_back}" if way_back else None,
                ) from error
