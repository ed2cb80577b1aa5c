"""The evidence a check may use, as plain data.

Units: bytes, rows, milliseconds and seconds, as the names say; counts are since the statistics were reset unless the
evidence has a window of a recording, in which case statements are counted within that window.
"""

from __future__ import annotations

from collections.abc import Sequence as Sequence_
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from scaleworthy.series import Store


@dataclass(frozen=True, slots=True)
class Gap:
    """Evidence that is not there: why, and the exact statement or setting that cures it."""

    what: str
    why: str
    cure: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}. Cure: {self.cure}"


@dataclass(frozen=True, slots=True)
class Server:
    """The server and this database as a whole."""

    version_num: int
    version: str
    in_recovery: bool
    replicas: int
    read_at: datetime
    database: str
    role: str
    superuser: bool
    database_bytes: int
    statistics_age_s: float
    blocks_hit: int
    blocks_read: int
    temp_files: int
    temp_bytes: int
    connections_used: int
    connections_limit: int
    limited_by: str
    memory_bytes: int | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its type as SQL writes it, and whether it may be null."""

    table: str
    name: str
    type: str
    category: str
    not_null: bool


@dataclass(frozen=True, slots=True)
class Table:
    """An ordinary or partitioned table; *name* is `schema.table`, quoted where SQL needs it."""

    oid: int
    name: str
    schema: str
    relation: str
    owner: str
    kind: str
    rows: float
    bytes: int
    row_security: bool
    force_row_security: bool
    readable: bool
    row_security_active: bool
    sequential_scans: int
    sequential_rows: int
    index_scans: int
    inserted: int
    updated: int
    hot_updated: int
    deleted: int
    live_rows: int
    dead_rows: int
    changed_since_analyze: int
    analyzed: bool

    @property
    def label(self) -> str:
        """The name for people: without `public.`."""
        return self.name.removeprefix("public.")


@dataclass(frozen=True, slots=True)
class Index:
    """An index; *columns* has one entry per key column, None for an expression.

    *shape* says, per key column, everything that two indexes must share to be the same there: expression, operator class,
    collation and order.
    """

    oid: int
    name: str
    table: str
    method: str
    columns: tuple[str | None, ...]
    included: tuple[str, ...]
    shape: tuple[str, ...]
    unique: bool
    primary: bool
    constraint: bool
    valid: bool
    partial: bool
    predicate: str
    replica_identity: bool
    building: bool
    bytes: int
    scans: int
    definition: str

    @property
    def plain(self) -> bool:
        """A valid B-tree over columns, of all rows."""
        return self.valid and self.method == "btree" and not self.partial and None not in self.columns


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key of *table* to *parent*."""

    name: str
    table: str
    columns: tuple[str, ...]
    parent: str
    on_delete: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A row level security policy; *using* and *check* are SQL expressions."""

    name: str
    table: str
    command: str
    permissive: bool
    roles: tuple[str, ...]
    using: str | None
    check: str | None


@dataclass(frozen=True, slots=True)
class Role:
    """A role, and whether policies are passed over for it."""

    name: str
    superuser: bool
    bypasses_row_security: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that ran, as pg_stat_statements normalises it: constants are `$n`."""

    queryid: str
    role: str
    text: str
    calls: int
    total_ms: float
    mean_ms: float
    rows: int
    blocks_hit: int
    blocks_read: int
    temp_blocks: int

    @property
    def rows_per_call(self) -> float:
        """Rows that one call returned or changed, on average."""
        return self.rows / self.calls if self.calls else 0.0

    @property
    def blocks_per_call(self) -> float:
        """8 kB blocks that one call touched, on average."""
        return (self.blocks_hit + self.blocks_read) / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting in its base unit: *value* as a number of *unit* where it is one."""

    name: str
    value: str
    unit: str
    source: str
    context: str
    shown: str


@dataclass(frozen=True, slots=True)
class Session:
    """A client's connection, and for how long it has been in its state and transaction."""

    pid: int
    role: str
    application: str
    state: str
    transaction_s: float | None
    state_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence, and the column that it fills (if it is owned or used as a default)."""

    name: str
    last_value: int | None
    maximum: int
    increment: int
    table: str | None
    column: str | None
    column_maximum: int | None


@dataclass(frozen=True)
class Evidence:
    """Everything that was read. *gaps* names the evidence that could not be: a check that needs it says `unknown`."""

    dsn: str
    server: Server
    tables: dict[str, Table]
    columns: dict[str, dict[str, Column]]
    indexes: tuple[Index, ...]
    foreign_keys: tuple[ForeignKey, ...]
    policies: tuple[Policy, ...]
    roles: dict[str, Role]
    statements: tuple[Statement, ...]
    settings: dict[str, Setting]
    sessions: tuple[Session, ...]
    sequences: tuple[Sequence, ...]
    search_path: tuple[str, ...]
    volatile_functions: frozenset[str]
    function_bodies: dict[str, str]
    gaps: dict[str, Gap]
    statements_s: float | None = None
    store: Store | None = None
    window: tuple[int, int] | None = None
    prove: str | None = None

    @cached_property
    def statement_ms(self) -> float:
        """Time of all statements together."""
        return sum(statement.total_ms for statement in self.statements)

    @cached_property
    def indexes_of(self) -> dict[str, tuple[Index, ...]]:
        """Each table's indexes, in the order of their names."""
        found: dict[str, list[Index]] = {}
        for index in self.indexes:
            found.setdefault(index.table, []).append(index)
        return {name: tuple(sorted(items, key=lambda item: item.name)) for name, items in found.items()}

    def policies_of(self, table: str) -> tuple[Policy, ...]:
        """Return the table's policies, in the order of their names."""
        return tuple(policy for policy in self.policies if policy.table == table)

    def row_security_applies(self, table: str, role: str) -> bool:
        """Whether *role* sees *table* through its policies."""
        found = self.tables.get(table)
        who = self.roles.get(role)
        if found is None or not found.row_security or who is None or who.superuser or who.bypasses_row_security:
            return False
        return found.force_row_security or found.owner != role

    def share(self, statements: Sequence_[Statement]) -> float:
        """Return the part of all statement time that *statements* took, from 0 to 1."""
        return sum(statement.total_ms for statement in statements) / self.statement_ms if self.statement_ms else 0.0
