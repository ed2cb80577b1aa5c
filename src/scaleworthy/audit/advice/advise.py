"""Find the indexes that the statements which really ran would gain from, and try each one.

Value = the statements' measured time × the part of it that the index took off, minus what writing the index costs:
1.25 µs per row (0.7 to 1.8 µs measured on PostgreSQL 18, docs/audit.md).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psycopg

from scaleworthy.audit.advice.bench import Bench, Built, Case, Measured, bench
from scaleworthy.audit.advice.candidates import Candidate, candidates_for, limited
from scaleworthy.audit.advice.choose import choose, parts_in_gain
from scaleworthy.audit.advice.tenancy import tenancies
from scaleworthy.audit.advice.uses import Uses, uses_of
from scaleworthy.audit.advice.values import SETS, ColumnStatistics
from scaleworthy.audit.evidence import Evidence, Statement
from scaleworthy.audit.statement import kind
from scaleworthy.errors import ScaleworthyError

STATEMENTS_MAX = 20
TRIAL_LIMIT_S = 120
SHARE_MIN = 0.002
# Kept is what takes at least this part off a statement's time, and this part of all statement time together.
GAIN_MIN = 0.30
WORTH_MIN = 0.005
# An index with a smaller part than this in a statement's gain is not named for it.
CREDIT_MIN = 0.1
WRITE_US_PER_ROW = 1.25


@dataclass(frozen=True, slots=True)
class Helped:
    """A statement that an index makes faster: measured before and after.

    *credit* is the index's part in it, from 0 to 1: below 1 where another new index has the rest.
    """

    statement: Statement
    before: Measured
    after: Measured
    credit: float

    @property
    def saved_ms(self) -> float:
        """What it would have saved of the time that the statement took."""
        part = max(0.0, 1 - self.after.ms / self.before.ms) if self.before.ms > 0 else 0.0
        return self.statement.total_ms * part * self.credit


@dataclass(frozen=True, slots=True)
class Advice:
    """An index that held when it was tried, with the statements that it helps, the most saved first."""

    candidate: Candidate
    built: Built
    helped: tuple[Helped, ...]
    written_rows: int
    where: str

    @property
    def net_ms(self) -> float:
        """Time that it saves, less the time that writing it takes, over the time that the statements were counted."""
        return sum(item.saved_ms for item in self.helped) - self.written_rows * WRITE_US_PER_ROW / 1e3


@dataclass(slots=True)
class Advised:
    """What came of it: advice, candidates that were not tried, and statements that could not be, with the reasons."""

    advice: list[Advice] = field(default_factory=list)
    untried: list[tuple[Candidate, Statement]] = field(default_factory=list)
    refused: list[tuple[Statement, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Wanted:
    statement: Statement
    uses: Uses
    tenants: dict[str, tuple[str, ...]]
    candidates: tuple[Candidate, ...]


def advise(evidence: Evidence) -> Advised:
    """Return the advice for the statements with the most total time."""
    result = Advised()
    wanted = list(_wanted(evidence, result))
    if not wanted:
        return result
    if evidence.prove is None:
        result.untried = [(item.candidates[0], item.statement) for item in wanted]
        return result
    try:
        with _place(evidence, wanted, result) as (place, where):
            _try(place, where, wanted, result)
    except (ScaleworthyError, psycopg.Error) as error:
        cure = getattr(error, "hint", None)
        reason = str(getattr(error, "message", error)).strip().splitlines()[0]
        result.refused += [(item.statement, f"{reason}. Cure: {cure}" if cure else reason) for item in wanted]
    return result


def _wanted(evidence: Evidence, result: Advised) -> Iterator[_Wanted]:
    """Yield the statements worth an index, with their candidates, those with the most total time first."""
    taken = 0
    for statement in evidence.statements:
        if taken >= STATEMENTS_MAX or evidence.share([statement]) < SHARE_MIN:
            return
        uses = uses_of(statement.text, evidence)
        if uses is None and statement.text.lstrip()[:6].lower() in ("select", "insert", "update", "delete"):
            result.refused.append((statement, "its normalised text does not parse"))
        if uses is None or not uses.tables or kind(statement.text) == "other":
            continue
        tenants = {
            table: tuple(found.column for found in tenancies(evidence, table))
            for table in uses.tables
            if evidence.row_security_applies(table, statement.role)
        }
        if candidates := candidates_for(uses, tenants, evidence):
            taken += 1
            yield _Wanted(statement, uses, tenants, tuple(candidates))


@contextlib.contextmanager
def _place(evidence: Evidence, wanted: Sequence[_Wanted], result: Advised) -> Iterator[tuple[Bench, str]]:
    """Open the place where advice is tried: this database, or a copy of the tables concerned."""
    if evidence.prove == "here":
        with bench(evidence.dsn, evidence) as place:
            yield place, f"in database {evidence.server.database}, rolled back"
        return
    from scaleworthy.audit.advice.copy import copied

    tables = sorted({table for item in wanted for table in (*item.uses.tables, item.uses.written) if table})
    with copied(evidence, tables) as copy:
        result.notes += [f"not in the copy: {text}" for text in copy.left_out]
        parts = sorted({part for part in copy.part.values() if part < 1})
        how_much = f"{parts[0]:.0%} of the large tables' pages" if parts else "all rows"
        with bench(copy.dsn, evidence) as place:
            yield place, f"on a copy in an embedded PostgreSQL {copy.version}, {how_much}"


def _try(place: Bench, where: str, wanted: Sequence[_Wanted], result: Advised) -> None:
    """Measure, choose, measure again; keep what measurably helps."""
    tables = sorted({table for item in wanted for table in (*item.uses.tables, item.uses.written) if table})
    known = place.column_statistics(tables)
    cases: list[Case] = []
    before: list[Measured] = []
    start = place.clock()
    for item in wanted:
        if place.clock() - start > TRIAL_LIMIT_S:
            result.refused.append(
                (item.statement, f"the {TRIAL_LIMIT_S} s for trials were used up by statements before it")
            )
            continue
        try:
            with place.undone_if_it_fails():
                case = _case(place, item, known, result)
                before.append(place.measure(case))
                cases.append(case)
        except psycopg.Error as error:
            result.refused.append((item.statement, str(error).strip().splitlines()[0]))
    kept_statements = {id(case.statement) for case in cases}
    candidates = limited(c for item in wanted if id(item.statement) in kept_statements for c in item.candidates)
    built, refused = choose(place, cases, candidates)
    result.notes += refused
    parts = [parts_in_gain(place, case, built) for case in cases]
    after = [place.measure(case) if part else None for case, part in zip(cases, parts, strict=True)]
    for index in built:
        helped = [
            Helped(case.statement, was, now, part[index.name])
            for case, was, now, part in zip(cases, before, after, parts, strict=True)
            if now is not None and part.get(index.name, 0) >= CREDIT_MIN and now.ms <= (1 - GAIN_MIN) * was.ms
        ]
        written = _written(place.evidence, index.candidate.table)
        advice = Advice(index.candidate, index, tuple(sorted(helped, key=_most_saved)), written, where)
        if helped and advice.net_ms > WORTH_MIN * place.evidence.statement_ms:
            result.advice.append(advice)
    result.advice.sort(key=lambda advice: (-advice.net_ms, advice.candidate.key))


def _case(place: Bench, item: _Wanted, known: dict[tuple[str, str], ColumnStatistics], result: Advised) -> Case:
    """Return the statement as the application would run it: its role, a real tenant, real values."""
    evidence, role = place.evidence, item.statement.role
    settings: tuple[tuple[tuple[str, str], ...], ...] = ()
    become = bool(item.tenants) and place.may_become(role)
    if item.tenants and not become:
        result.notes.append(f"statements of {role} were tried without its policies: this role may not become {role}")
    if become:
        found = [tenancy for table in item.tenants for tenancy in tenancies(evidence, table)]
        chosen = [
            {t.setting: known.get((t.table, t.column), ColumnStatistics()).equal(at) for t in found}
            for at in range(SETS)
        ]
        settings = tuple(tuple((name, value) for name, value in one.items() if value is not None) for one in chosen)
    # Where the statement itself names the tenant, it has to be the one whose policies it runs under.
    tenant = {
        (t.table, t.column): [dict(one).get(t.setting) for one in settings]
        for table in (*item.uses.tables, item.uses.written or "")
        for t in tenancies(evidence, table)
        if settings
    }
    parameters = place.parameters(item.statement, item.uses, known, tenant)
    # Each tenant is tried, also where the statement has no parameters of its own.
    repeated = tuple(parameters[at % len(parameters)] for at in range(max(len(parameters), len(set(settings)))))
    return Case(item.statement, item.uses, role if become else None, settings, repeated)


def _written(evidence: Evidence, table: str) -> int:
    """Return the rows that statements wrote to *table*, over the time that statements were counted."""
    total = 0
    for statement in evidence.statements:
        if kind(statement.text) in ("insert", "update"):
            uses = uses_of(statement.text, evidence)
            total += statement.rows if uses is not None and uses.written == table else 0
    return total


def _most_saved(item: Helped) -> tuple[float, str]:
    return -item.saved_ms, item.statement.queryid
