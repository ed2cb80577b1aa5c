"""Statements in the scope of one tenant, in one message: the setting, the statements and, for writes, the position after their commit.

`app.current_tenant` is set within the transaction and gone at its end; policies compare it. Set for the session instead, it would stay with
the pooled connection for whoever comes next. Values are bound by psycopg's own quoting: a message of several statements has no
parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncClientCursor, AsyncConnection
from psycopg.rows import dict_row

from scaleworthy.runtime.lsn import parse_lsn

Row = dict[str, Any]
Params = Sequence[Any] | Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with places for values, and what goes into them."""

    text: str
    values: Params = None


def scope(setting: str, tenant: str) -> Statement:
    """Return what lets the rest of a transaction see *tenant* alone."""
    return Statement("select set_config(%s, %s, true)", (setting, tenant))


async def read_in_one_message(
    connection: AsyncConnection[Any], statements: Sequence[Statement], *, scope: Statement | None
) -> list[list[Row]]:
    """Run *statements* as one transaction in one round trip; return the rows of each."""
    message = [scope, *statements] if scope else list(statements)
    rows = await _run(connection, message)
    return rows[1:] if scope else rows


async def write_in_one_message(
    connection: AsyncConnection[Any], statements: Sequence[Statement], *, scope: Statement | None
) -> tuple[list[list[Row]], int]:
    """The same, committed; return the position after the commit too: who has seen it has seen these writes."""
    message = [Statement("begin"), *([scope] if scope else []), *statements, Statement("commit"), _POSITION]
    rows = await _run(connection, message)
    first = 2 if scope else 1
    return rows[first:-2], parse_lsn(rows[-1][0]["position"])


_POSITION = Statement("select pg_current_wal_insert_lsn()::text as position")


async def _run(connection: AsyncConnection[Any], message: Sequence[Statement]) -> list[list[Row]]:
    cursor: AsyncClientCursor[Row] = AsyncClientCursor(connection, row_factory=dict_row)
    async with cursor:
        parts = [cursor.mogrify(s.text, s.values) if s.values is not None else s.text for s in message]
        await cursor.execute(";".join(parts).encode())
        answers = []
        while True:
            answers.append(await cursor.fetchall() if cursor.description is not None else [])
            if not cursor.nextset():
                return answers
