"""Which entries a changed row makes wrong: rules by table and operation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter

from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.invalidation.pgoutput import Change, Operation, Values

ALL: tuple[Operation, ...] = ("insert", "update", "delete", "truncate")


@dataclass(frozen=True, slots=True)
class Table:
    """What the database knows of a table: its columns, those of its replica identity, and whether its changes are in the log."""

    columns: frozenset[str]
    identity: frozenset[str]
    is_logged: bool = True
    shows_whole_rows: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What a change of *table* drops.

    Args:
        table: Name, with its schema where that is not `public`.
        keys: Keys with columns in braces: `tenant:{tenant_id}:lead:{id}`. A row that was updated drops those of its old and new values.
        tags: Tags, in the same form: `tenant:{tenant_id}:leads`, or one for the whole table.
        fixed: Columns that an update never changes, such as the tenant of a row: they need not be in the replica identity for updates.
        on: Operations. A truncate names no rows: it drops the tags without columns, and everything if others or keys are named.

    A rule without keys and tags says that changes of the table make nothing wrong; it costs nothing.
    """

    table: str
    keys: Sequence[str] = ()
    tags: Sequence[str] = ()
    on: Collection[Operation] = ALL
    fixed: Collection[str] = ()

    @property
    def columns(self) -> frozenset[str]:
        """The columns its keys and tags name."""
        return frozenset(name for text in (*self.keys, *self.tags) for name in columns_of(text))

    @property
    def qualified(self) -> str:
        """The table with its schema."""
        return self.table if "." in self.table else f"public.{self.table}"


@dataclass(slots=True)
class Dropped:
    """What changes make wrong. *unknown* are columns that rules name and rows no longer have: then all there is goes."""

    keys: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    everything: bool = False
    unknown: set[str] = field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        """Whether that is nothing."""
        return not (self.keys or self.tags or self.everything)


def columns_of(text: str) -> list[str]:
    """Return the columns that *text* has in braces."""
    return [name for _, name, _, _ in Formatter().parse(text) if name is not None]


class Rules:
    """All rules, by table. Tables whose rules drop nothing are not followed.

    Raises:
        InvalidInput: With every rule that cannot be read.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._by_table: dict[str, list[Rule]] = {}
        problems = []
        for rule in rules:
            if rule.keys or rule.tags:
                self._by_table.setdefault(rule.qualified, []).append(rule)
            for text in (*rule.keys, *rule.tags):
                try:
                    if "" in columns_of(text):
                        problems.append(f"{rule.table}: {text!r}: braces without a column")
                except ValueError as error:
                    problems.append(f"{rule.table}: {text!r}: {error}")
            problems += [
                f"{rule.table}: no operation {name!r}; there are {', '.join(ALL)}"
                for name in rule.on
                if name not in ALL
            ]
        if problems:
            raise InvalidInput("these rules cannot be", problems)
        if not self._by_table:
            raise InvalidInput("these rules cannot be", ["none of them drops anything"])

    @property
    def tables(self) -> list[str]:
        """The tables that are followed, with their schemas."""
        return sorted(self._by_table)

    @property
    def operations(self) -> list[Operation]:
        """The operations that any rule wants to hear of."""
        wanted = {name for rules in self._by_table.values() for rule in rules for name in rule.on}
        return [name for name in ALL if name in wanted]

    def columns(self, table: str) -> frozenset[str]:
        """Return the columns that the rules of *table* name."""
        return frozenset(name for rule in self._by_table[table] for name in rule.columns)

    def on(self, table: str) -> list[Operation]:
        """Return the operations that the rules of *table* want to hear of."""
        wanted = {name for rule in self._by_table[table] for name in rule.on}
        return [name for name in ALL if name in wanted]

    def check(self, known: Mapping[str, Table], *, of_log: bool) -> None:
        """Compare with what the database has. *of_log*: changes come from the log, so tables must be in it, rows with an identity.

        Raises:
            InvalidInput: With every table and column that is not there, and everything the log would not show.
        """
        problems = []
        for name, rules in self._by_table.items():
            table = known.get(name)
            if table is None:
                problems.append(f"{name}: there is no such table")
                continue
            problems += [
                f"{name}: there is no column {column!r}"
                for rule in rules
                for column in sorted(rule.columns - table.columns)
            ]
            if of_log:
                problems += self._unseen(name, table)
        if problems:
            raise InvalidInput("these rules do not fit the database", problems)

    def _unseen(self, name: str, table: Table) -> list[str]:
        if not table.is_logged:
            return [f"{name}: the table is unlogged or temporary, so the log does not tell of its changes"]
        if {"update", "delete"}.isdisjoint(self.operations):
            return []
        if not table.identity:
            failing = "the table has no primary key: once it is published, its UPDATE and DELETE would fail"
            return [f"{name}: {failing}; add one, or ALTER TABLE {name} REPLICA IDENTITY FULL"]
        named: set[str] = set()
        for rule in self._by_table[name]:
            named |= rule.columns if "delete" in rule.on else set()
            named |= rule.columns - set(rule.fixed) if "update" in rule.on else set()
        unseen = sorted((named & table.columns) - table.identity)
        if not unseen:
            return []
        hidden = f"a deleted or changed row does not show its old {', '.join(unseen)}"
        return [f"{name}: {hidden}; ALTER TABLE {name} REPLICA IDENTITY FULL makes it, or an index over these columns"]

    def drop(self, changes: Iterable[Change]) -> Dropped:
        """Return what *changes* make wrong."""
        dropped = Dropped()
        for change in changes:
            for rule in self._by_table.get(change.relation.name, ()):
                if change.operation in rule.on:
                    _drop(rule, change, dropped)
        return dropped


def _drop(rule: Rule, change: Change, dropped: Dropped) -> None:
    new, old = change.new, change.old
    if new is None and old is None:
        # A truncate, or rows too many to be told.
        whole = [tag for tag in rule.tags if not columns_of(tag)]
        dropped.tags.update(whole)
        dropped.everything |= not whole or len(whole) < len(rule.tags) + len(rule.keys)
        return
    try:
        if old is None or new is None:
            _fill(rule, new or old or {}, dropped)
        else:
            # Where a value did not come, it has not changed.
            _fill(rule, {**new, **old}, dropped)
            _fill(rule, {**old, **new}, dropped)
    except KeyError as error:
        dropped.everything = True
        dropped.unknown.add(f"{change.relation.name}.{error.args[0]}")


def _fill(rule: Rule, values: Values, dropped: Dropped) -> None:
    shown = _Shown(values)
    dropped.keys.update([text.format_map(shown) for text in rule.keys])
    dropped.tags.update([text.format_map(shown) for text in rule.tags])


class _Shown(dict[str, str | None]):
    """Values as keys name them: NULL is nothing."""

    def __getitem__(self, name: str) -> str:
        value = super().__getitem__(name)
        return "" if value is None else value
