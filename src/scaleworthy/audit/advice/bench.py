"""Run statements on a database that we own, inside one transaction that is never committed.

Each run stands in a savepoint that is rolled back: the role, the tenant's settings and whatever a statement writes are gone
afterwards. Times are the executor's own (EXPLAIN ANALYZE, without per-node timing), in milliseconds.
"""

from __future__ import annotations

import contextlib
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import RawCursor
from psycopg.rows import tuple_row

from scaleworthy.audit.advice.candidates import Candidate
from scaleworthy.audit.advice.uses import Uses
from scaleworthy.audit.advice.values import SETS, ColumnStatistics, ParameterType, value_for
from scaleworthy.audit.evidence import Evidence, Statement
from scaleworthy.audit.evidence.queries import TAG
from scaleworthy.audit.names import key, quoted
from scaleworthy.audit.statement import restored

SLOW_MS = 1_000.0
STATEMENT_LIMIT_S = 20
BUILD_LIMIT_S = 120
_EXECUTION = re.compile(r"^Execution Time: ([\d.]+) ms", re.MULTILINE)


# One tuple per set, one text per parameter; None is NULL.
Parameters = tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One statement, ready to be tried: the role and settings that it runs under, and its parameter sets."""

    statement: Statement
    uses: Uses
    role: str | None
    settings: tuple[tuple[tuple[str, str], ...], ...]
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Planned:
    """What the planner would do: its cost over all parameter sets, and the indexes that it would use."""

    cost: float
    indexes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a statement took: the mean over its parameter sets of each one's median, *samples* runs in all, and the slowest's plan.

    A mean, because a statement's total time is one: a set that is slow, be it one of three, is a third of the calls.
    """

    ms: float
    samples: int
    plan: str


@dataclass(frozen=True, slots=True)
class Built:
    """A candidate that now is an index of this transaction."""

    candidate: Candidate
    name: str
    seconds: float
    bytes: int


class Bench:
    """A connection in a transaction that is rolled back at the end; see `bench`."""

    def __init__(self, connection: psycopg.Connection[Any], evidence: Evidence, clock: Callable[[], float]) -> None:
        self.connection = connection
        self.evidence = evidence
        self.clock = clock

    def column_statistics(self, tables: Sequence[str]) -> dict[tuple[str, str], ColumnStatistics]:
        """Return what ANALYZE knows of the columns of *tables*."""
        rows = self._rows(
            f"SELECT {TAG} format('%I.%I', schemaname, tablename), attname::text, "  # noqa: S608 - our own words only
            "most_common_vals::text::text[], histogram_bounds::text::text[] "
            "FROM pg_stats WHERE format('%I.%I', schemaname, tablename) = ANY($1) ORDER BY 1, 2, inherited",
            [list(tables)],
        )
        return {
            (table, column): ColumnStatistics(tuple(common or ()), tuple(bounds or ()))
            for table, column, common, bounds in rows
        }

    def parameter_types(self, statement: Statement) -> list[ParameterType]:
        """Return the types that PostgreSQL infers for the statement's parameters.

        Raises:
            psycopg.Error: The text cannot be planned as it stands.
        """
        with self._savepoint():
            pg = self.connection.pgconn
            done = pg.prepare(b"", restored(statement.text).encode())
            if done.error_message:
                raise psycopg.ProgrammingError(done.error_message.decode(errors="replace").splitlines()[0])
            described = pg.describe_prepared(b"")
            oids = [described.param_type(at) for at in range(described.nparams)]
        rows = self._rows(
            f"SELECT {TAG} t.oid::int8, t.typname::text, t.typcategory::text, "  # noqa: S608 - our own words only
            "(SELECT enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY enumsortorder LIMIT 1) "
            "FROM pg_type t WHERE t.oid = ANY($1::oid[])",
            [[int(oid) for oid in oids]],
        )
        known = {oid: ParameterType(name, category, label) for oid, name, category, label in rows}
        return [known.get(oid, ParameterType("text", "S")) for oid in oids]

    def parameters(
        self,
        statement: Statement,
        uses: Uses,
        known: dict[tuple[str, str], ColumnStatistics],
        tenant: Mapping[tuple[str, str], Sequence[str | None]],
    ) -> Parameters:
        """Return the sets of values that the statement is tried with; columns of *tenant* take its value of the same set."""
        kinds = self.parameter_types(statement)
        sets = []
        for which in range(SETS):
            values: list[str | None] = []
            for number, kind in enumerate(kinds, start=1):
                binding = uses.bindings.get(number)
                fixed = (
                    tenant.get((binding.table or "", binding.column or ""))
                    if binding and binding.meaning == "="
                    else None
                )
                if which == SETS - 1 and number in uses.nullable:
                    values.append(None)
                elif fixed:
                    values.append(fixed[which % len(fixed)])
                else:
                    values.append(value_for(binding, kind, known, statement, which))
            sets.append(tuple(values))
        return tuple(sets) if kinds else tuple(sets[:1])

    def may_become(self, role: str) -> bool:
        """Whether this session may run statements as *role*."""
        try:
            with self._savepoint():
                self._rows(f"SET LOCAL ROLE {quoted(role)}")
        except psycopg.Error:
            return False
        return True

    def plan(self, case: Case) -> Planned:
        """Ask the planner, for every parameter set."""
        cost, names = 0.0, set()
        for which in range(len(case.parameters)):
            found = self._explain(case, which, "FORMAT JSON")[0][0]
            plan = (found if isinstance(found, list) else json.loads(found))[0]["Plan"]
            cost += float(plan["Total Cost"])
            names |= set(_index_names(plan))
        return Planned(cost, frozenset(names))

    def measure(self, case: Case) -> Measured:
        """Run the statement with every parameter set: once to warm up, then more often the quicker it is."""
        medians: list[float] = []
        samples, plan = 0, ""
        slowest = -1.0
        for which in range(len(case.parameters)):
            first, text = self._run(case, which)
            times = [first] if first >= SLOW_MS else []
            for _ in range(_rounds(first)):
                took, text = self._run(case, which)
                times.append(took)
            medians.append(statistics.median(times))
            samples += len(times)
            if medians[-1] > slowest:
                slowest, plan = medians[-1], text
        return Measured(statistics.fmean(medians), samples, plan)

    def build(self, candidate: Candidate, name: str) -> Built:
        """Create the index; its time is the clock's, its size the disk's."""
        keys = ", ".join(key(column) for column in candidate.columns)
        schema = self.evidence.tables[candidate.table].schema
        self._rows(f"SET LOCAL statement_timeout = '{BUILD_LIMIT_S}s'")
        start = self.clock()
        self._rows(f"CREATE INDEX {quoted(name)} ON {candidate.table} ({keys})")
        seconds = self.clock() - start
        self._rows(f"SET LOCAL statement_timeout = '{STATEMENT_LIMIT_S}s'")
        size = self._rows(f"SELECT {TAG} pg_relation_size($1::regclass)", [f"{quoted(schema)}.{quoted(name)}"])
        return Built(candidate, name, seconds, int(size[0][0]))

    def drop(self, built: Built) -> None:
        """Take an index away again."""
        schema = self.evidence.tables[built.candidate.table].schema
        self._rows(f"DROP INDEX {quoted(schema)}.{quoted(built.name)}")

    @contextlib.contextmanager
    def without(self, built: Built) -> Iterator[None]:
        """Within the block the index is gone; afterwards it is back."""
        with self._savepoint():
            self.drop(built)
            yield

    def _run(self, case: Case, which: int) -> tuple[float, str]:
        """Return a run's time and plan; one that is cut off counts with the limit, which is less than it takes."""
        try:
            lines = self._explain(case, which, "ANALYZE, BUFFERS, TIMING OFF")
        except psycopg.errors.QueryCanceled:
            lines = [*self._explain(case, which, "COSTS"), (f"(cut off after {STATEMENT_LIMIT_S} s)",)]
        text = "\n".join(str(line[0]) for line in lines)
        found = _EXECUTION.search(text)
        return (float(found[1]) if found else STATEMENT_LIMIT_S * 1e3), text

    def _explain(self, case: Case, which: int, options: str) -> list[tuple[Any, ...]]:
        with self._savepoint():
            if case.settings:
                for name, value in case.settings[which % len(case.settings)]:
                    self._rows("SELECT set_config($1, $2, true)", [name, value])
            if case.role is not None:
                self._rows(f"SET LOCAL ROLE {quoted(case.role)}")
            return self._rows(
                f"EXPLAIN {TAG} ({options}) {restored(case.statement.text)}", list(case.parameters[which])
            )

    def _rows(self, text: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        with RawCursor(self.connection, row_factory=tuple_row) as cursor:
            cursor.execute(text, parameters, prepare=False)
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def undone_if_it_fails(self) -> Iterator[None]:
        """What happens within the block stays, unless it fails: then it is undone, and the transaction goes on."""
        with self.connection.transaction():
            yield

    @contextlib.contextmanager
    def _savepoint(self) -> Iterator[None]:
        """What happens within the block is undone, also when it fails."""
        with self.connection.transaction(force_rollback=True):
            yield


@contextlib.contextmanager
def bench(dsn: str, evidence: Evidence, *, clock: Callable[[], float] = time.perf_counter) -> Iterator[Bench]:
    """Open a bench on a database that the caller owns; nothing that happens on it remains."""
    with contextlib.closing(
        psycopg.connect(dsn, application_name="scaleworthy-audit", connect_timeout=5)
    ) as connection:
        try:
            connection.execute(f"SET LOCAL statement_timeout = '{STATEMENT_LIMIT_S}s'")
            connection.execute("SET LOCAL lock_timeout = '5s'")
            path = ", ".join(quoted(schema) for schema in evidence.search_path)
            connection.execute("SELECT set_config('search_path', %s, true)", [path])
            with contextlib.suppress(psycopg.Error), connection.transaction():
                # Our trials must not count as the application's; only a superuser may say so.
                connection.execute("SET LOCAL pg_stat_statements.track = 'none'")
            yield Bench(connection, evidence, clock)
        finally:
            connection.rollback()


def _rounds(first_ms: float) -> int:
    """How often to run what took *first_ms*: half a second's worth at most, a statement of a second not again."""
    return 0 if first_ms >= SLOW_MS else 1 if first_ms >= 100 else 3 if first_ms >= 10 else 5


def _index_names(plan: dict[str, Any]) -> Iterator[str]:
    if "Index Name" in plan:
        yield str(plan["Index Name"])
    for part in plan.get("Plans", ()):
        yield from _index_names(part)
