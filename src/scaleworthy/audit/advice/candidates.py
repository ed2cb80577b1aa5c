"""Which indexes could serve a statement? Columns in the order of what they do: equality, then sort or range.

At most three columns, in an order that depends on the statement's text alone: the same input gives the same candidates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scaleworthy.audit.advice.uses import Use, Uses
from scaleworthy.audit.evidence import Evidence

COLUMNS_MAX = 3
PER_TABLE_MAX = 10
ROWS_MIN = 1_000


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """An index that might help; a column that ends in ` desc` is sorted downwards."""

    table: str
    columns: tuple[str, ...]

    @property
    def key(self) -> str:
        """The table and the columns, as in a finding's id."""
        return f"{self.table.removeprefix('public.')}({','.join(self.columns)})"


def candidates_for(uses: Uses, tenants: Mapping[str, Sequence[str]], evidence: Evidence) -> list[Candidate]:
    """Return the candidates for one statement.

    Args:
        uses: What the statement does.
        tenants: Per table, the columns that row level security compares in this statement's role.
        evidence: Which tables are large enough, and which indexes there are.
    """
    found: dict[Candidate, None] = {}
    for table in uses.tables:
        facts = evidence.tables[table]
        if max(facts.rows, float(facts.live_rows)) < ROWS_MIN or facts.kind != "r":
            continue
        tenant = tenants.get(table, ())
        keys = {key.columns[0] for key in evidence.foreign_keys if key.table == table} - set(tenant)
        for source in dict.fromkeys(use.source for use in uses.uses if use.table == table) or (0,):
            here = [use for use in uses.uses if use.source == source]
            if _found_by_key(table, here, evidence):
                continue
            for columns in _orders(here, _sort_keys(source, uses.uses), tenant, keys):
                candidate = Candidate(table, columns)
                if _indexable(candidate, evidence) and not _covered(candidate, evidence):
                    found[candidate] = None
    return list(found)


def limited(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return at most PER_TABLE_MAX candidates per table, those first that came first, without repetition."""
    counts: dict[str, int] = {}
    kept = []
    for candidate in dict.fromkeys(candidates):
        counts[candidate.table] = counts.get(candidate.table, 0) + 1
        if counts[candidate.table] <= PER_TABLE_MAX:
            kept.append(candidate)
    return kept


def _orders(
    uses: Sequence[Use], sorts: Sequence[str], tenant: Sequence[str], keys: Collection[str]
) -> list[tuple[str, ...]]:
    def of(*parts: str) -> list[str]:
        return [use.column for use in uses if use.part in parts]

    equal = list(dict.fromkeys([*tenant, *of("equal")]))
    lists, joins, ranges, groups = of("in"), of("join"), of("range"), of("group")
    bare = [column.removesuffix(" desc") for column in sorts]
    wanted: list[list[str]] = []
    if sorts:
        wanted += [[*equal, *sorts], [*equal, *joins[:1], *sorts]]
    wanted += (
        [[*equal, *lists[:1], *ranges[:1]], [*equal, *ranges[:1]], [*equal, *groups]]
        if equal or ranges or groups
        else []
    )
    wanted += [[*equal, join] for join in joins] + [[join] for join in joins]
    wanted += [[*equal, *lists[:1]], equal, [*equal, *ranges[:1], *bare[:1]]]
    # Under row level security the tenant's column is compared anyway: alone, only what may cover a foreign key.
    wanted += [[column] for column in of("equal") if not tenant or column in keys]
    if sorts and not equal:
        wanted.append([*ranges[:1], *sorts])
    return [tuple(dict.fromkeys(columns))[:COLUMNS_MAX] for columns in wanted if columns]


def _found_by_key(table: str, uses: Sequence[Use], evidence: Evidence) -> bool:
    """Whether the statement names one row by a unique index: nothing finds it faster."""
    equal = {use.column for use in uses if use.part == "equal"}
    return any(
        index.unique and index.plain and set(index.columns) <= equal for index in evidence.indexes_of.get(table, ())
    )


def _sort_keys(source: int, uses: Sequence[Use]) -> list[str]:
    """Return the sort as index keys: plain where all go one way (an index is read backwards as well), else each its own."""
    sorts = [use for use in uses if use.part == "sort" and use.source == source]
    mixed = len({use.descending for use in sorts}) > 1
    return [f"{use.column} desc" if mixed and use.descending else use.column for use in sorts]


def _indexable(candidate: Candidate, evidence: Evidence) -> bool:
    """Whether a B-tree over these columns makes sense: numbers, text, times, booleans, enums, addresses and UUIDs."""
    columns = evidence.columns[candidate.table]
    wanted = [columns[column.removesuffix(" desc")] for column in candidate.columns]
    return all(column.category in "NSDTBEI" or column.type == "uuid" for column in wanted)


def _covered(candidate: Candidate, evidence: Evidence) -> bool:
    """Whether an index that is there already begins with the same columns."""
    width = len(candidate.columns)
    if any(column.endswith(" desc") for column in candidate.columns):
        return False
    return any(
        index.plain and index.columns[:width] == candidate.columns
        for index in evidence.indexes_of.get(candidate.table, ())
    )
