"""What the database knows of the tables that rules name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from scaleworthy.runtime.invalidation.rules import Table

# The identity: the primary key's columns ('d'), an index's ('i'), all ('f'), none ('n').
_TABLES = """
select n.nspname || '.' || c.relname,
       array(select attname from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped),
       case c.relreplident
         when 'f' then array(select attname from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped)
         when 'n' then '{}'::name[]
         else array(select a.attname from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
                    where i.indrelid = c.oid and case c.relreplident when 'i' then i.indisreplident else i.indisprimary end)
       end,
       c.relpersistence = 'p', c.relreplident = 'f'
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any (%s)
"""


async def known_tables(connection: AsyncConnection[tuple[Any, ...]], names: Sequence[str]) -> dict[str, Table]:
    """Return what is known of each of the tables that there are."""
    rows = await (await connection.execute(_TABLES, [list(names)])).fetchall()
    return {
        str(name): Table(frozenset(columns), frozenset(identity), is_logged, whole)
        for name, columns, identity, is_logged, whole in rows
    }


def quoted(name: str) -> str:
    """Return *name*, with its schema if it has one, as SQL wants it."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
