"""What the database knows of the tables that rules name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

# The identity: the primary key's columns ('d'), an index's ('i'), all ('f'), none ('n').
_TABLES = """
select n.nspname || '.' || c.relname,
       array(select attname from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped),
       case c.relreplident
         when 'f' then array(select attname from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped)
         when 'n' then '{}'::name[]
         else array(select a.attname from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
                    where i.indrelid = c.oid and case c.relreplident when 'i' then i.indisreplident else i.indisprimary end)
       end
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any (%s)
"""


async def known_tables(
    connection: AsyncConnection[tuple[Any, ...]], names: Sequence[str]
) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """Return the columns, and those of the replica identity, of each of the tables that there are."""
    rows = await (await connection.execute(_TABLES, [list(names)])).fetchall()
    return {str(name): (frozenset(columns), frozenset(identity)) for name, columns, identity in rows}
