"""Which entries a changed row makes wrong: rules by table and operation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from string import Formatter

from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.invalidation.pgoutput import Change, Operation, Values

ALL: tuple[Operation, ...] = ("insert", "update", "delete", "truncate")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a change of *table* drops.

    Args:
        table: Name, with its schema where that is not `public`.
        keys: Keys with columns in braces: `tenant:{tenant_id}:lead:{id}`. A row that was updated drops those of its old and new values.
        tags: Tags, in the same form: `tenant:{tenant_id}:leads`, or one for the whole table.
        on: Operations. A truncate names no rows: it drops the tags that have no columns, and everything where there is none.

    A rule without keys and tags says that changes of the table make nothing wrong.
    """

    table: str
    keys: Sequence[str] = ()
    tags: Sequence[str] = ()
    on: Collection[Operation] = ALL

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
    """What the changes of a transaction make wrong."""

    keys: set[str]
    tags: set[str]
    everything: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether that is nothing."""
        return not (self.keys or self.tags or self.everything)


def columns_of(text: str) -> list[str]:
    """Return the columns that *text* has in braces."""
    return [name for _, name, _, _ in Formatter().parse(text) if name]


class Rules:
    """All rules, by table. Tables without a rule are not followed.

    Raises:
        InvalidInput: With every rule that cannot be read.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._by_table: dict[str, list[Rule]] = {}
        problems = []
        for rule in rules:
            self._by_table.setdefault(rule.qualified, []).append(rule)
            for text in (*rule.keys, *rule.tags):
                try:
                    columns_of(text)
                except ValueError as error:
                    problems.append(f"{rule.table}: {text!r}: {error}")
            problems += [
                f"{rule.table}: no operation {name!r}; there are {', '.join(ALL)}"
                for name in rule.on
                if name not in ALL
            ]
        if problems:
            raise InvalidInput("these rules cannot be", problems)

    @property
    def tables(self) -> list[str]:
        """The tables that are followed, with their schemas."""
        return sorted(self._by_table)

    def check(self, known: dict[str, tuple[frozenset[str], frozenset[str]]]) -> None:
        """Compare with what the database has.

        Args:
            known: Of each table its columns, and those of its replica identity.

        Raises:
            InvalidInput: With every table and column that is not there, and every one a delete would not show.
        """
        problems = []
        for table, rules in self._by_table.items():
            if table not in known:
                problems.append(f"{table}: there is no such table")
                continue
            columns, identity = known[table]
            for rule in rules:
                problems += [f"{table}: there is no column {name!r}" for name in sorted(rule.columns - columns)]
                unseen = sorted((rule.columns & columns) - identity)
                if unseen and {"delete", "update"} & set(rule.on):
                    problems.append(
                        f"{table}: a deleted or changed row does not show its old {', '.join(unseen)};"
                        f" ALTER TABLE {table} REPLICA IDENTITY FULL makes it, or an index over these columns"
                    )
        if problems:
            raise InvalidInput("these rules do not fit the database", problems)

    def drop(self, changes: Iterable[Change]) -> Dropped:
        """Return what *changes* make wrong."""
        dropped = Dropped(set(), set())
        for change in changes:
            relation = change.relation
            for rule in self._by_table.get(f"{relation.schema}.{relation.table}", ()):
                if change.operation in rule.on:
                    _drop(rule, change, dropped)
        return dropped


def _drop(rule: Rule, change: Change, dropped: Dropped) -> None:
    if change.operation == "truncate":
        whole = [tag for tag in rule.tags if not columns_of(tag)]
        dropped.tags.update(whole)
        dropped.everything |= not whole and bool(rule.keys or rule.tags)
        return
    new = change.new or {}
    # Where an update sends no old values, its identity has not changed, and where a value did not come, it has not either.
    old = {**new, **(change.old or {})} if change.operation == "update" else (change.old or new)
    for values in (old, {**old, **new}):
        dropped.keys.update(_filled(text, values) for text in rule.keys)
        dropped.tags.update(_filled(text, values) for text in rule.tags)


def _filled(text: str, values: Values) -> str:
    return text.format_map({name: "" if value is None else value for name, value in values.items()})
