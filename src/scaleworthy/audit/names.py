"""Name indexes, and write the statements that make and drop them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence

from scaleworthy.audit.evidence import Evidence, Table

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_NAME_BYTES_MAX = 63
# Words that PostgreSQL does not take as a column's or an index's name without quotes.
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate
    collation column concurrently constraint create cross current_catalog current_date current_role current_schema
    current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch
    for foreign freeze from full grant group having ilike in initially inner intersect into is isnull join lateral
    leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer
    overlaps placing primary references returning right select session_user similar some symmetric system_user
    table tablesample then to trailing true union unique user using variadic verbose when where window with
    """.split()  # noqa: SIM905 - a list of this length reads better as words
)


def quoted(name: str) -> str:
    """Return an identifier as SQL wants it: quoted where it must be."""
    if _PLAIN.fullmatch(name) and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def index_name(table: Table, columns: Sequence[str], evidence: Evidence, *, also: Collection[str] = ()) -> str:
    """Return a name for an index on *columns*: PostgreSQL's own form, free in this database and of *also*, within 63 bytes."""
    taken = (
        {index.name for index in evidence.indexes} | {other.relation for other in evidence.tables.values()} | set(also)
    )
    words = [re.sub(r"\W", "_", column.removesuffix(" desc")) for column in columns]
    name = "_".join([table.relation, *words, "idx"])
    if name in taken or len(name.encode()) > _NAME_BYTES_MAX:
        digest = hashlib.blake2s("\0".join([table.name, *columns]).encode(), digest_size=4).hexdigest()
        name = f"{name.encode()[: _NAME_BYTES_MAX - 13].decode(errors='ignore')}_{digest}_idx"
    return name


def create_index(table: Table, columns: Sequence[str], name: str) -> tuple[str, str]:
    """Return the statement that makes the index without blocking writers, and the one that takes it back."""
    keys = ", ".join(key(column) for column in columns)
    create = f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {quoted(name)} ON {table.name} ({keys})"
    return create, drop_index(table.schema, name)


def drop_index(schema: str, name: str) -> str:
    """Return the statement that drops an index without blocking anyone."""
    return f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(schema)}.{quoted(name)}"


def key(column: str) -> str:
    """Return an index key: a column's name, or a name and ` desc`."""
    name, _, order = column.rpartition(" ")
    return f"{quoted(name)} DESC" if order == "desc" and name else quoted(column)
