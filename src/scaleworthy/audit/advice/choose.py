"""Choose the fewest indexes that keep what all candidates together would gain.

All candidates are built, then each is taken away in a fixed order (widest first): if the statements then cost hardly more, by the
planner and weighted by the time that they really took, it stays away. Costs, not times, decide here, so that the same
database gives the same choice; times decide afterwards whether a choice is kept at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from scaleworthy.audit.advice.bench import Bench, Built, Case, Planned
from scaleworthy.audit.advice.candidates import Candidate
from scaleworthy.audit.names import index_name

# An index has to keep this part of the time that the statements of its table take, or it goes.
LOSS_MIN = 0.03


def choose(bench: Bench, cases: Sequence[Case], candidates: Sequence[Candidate]) -> tuple[list[Built], list[str]]:
    """Build the candidates, leave only those worth their place; return them, and the reasons of those not built."""
    before = [bench.plan(case) for case in cases]
    kept, refused = _build(bench, candidates)
    planned = [bench.plan(case) for case in cases]
    for item in sorted(kept, key=lambda item: (-len(item.candidate.columns), item.candidate.key)):
        touched = [at for at, plan in enumerate(planned) if item.name in plan.indexes]
        with bench.without(item):
            replanned = {at: bench.plan(cases[at]) for at in touched}
        lost_ms = sum(_lost_ms(cases[at], before[at], planned[at], replanned[at]) for at in touched)
        at_stake_ms = sum(case.statement.total_ms for case in cases if item.candidate.table in case.uses.tables)
        if lost_ms < LOSS_MIN * at_stake_ms:
            bench.drop(item)
            kept.remove(item)
            for at, plan in replanned.items():
                planned[at] = plan
    return kept, refused


def parts_in_gain(bench: Bench, case: Case, built: Sequence[Built]) -> dict[str, float]:
    """Return each new index's part in a statement's gain, from 0 to 1: what its absence would cost, by the planner."""
    present = bench.plan(case)
    used = [item for item in built if item.name in present.indexes]
    lost = {}
    for item in used:
        with bench.without(item):
            lost[item.name] = max(0.0, bench.plan(case).cost - present.cost)
    total = sum(lost.values())
    return {name: cost / total for name, cost in lost.items()} if total > 0 else {}


def _build(bench: Bench, candidates: Sequence[Candidate]) -> tuple[list[Built], list[str]]:
    built: list[Built] = []
    refused: list[str] = []
    names: set[str] = set()
    for candidate in candidates:
        name = index_name(bench.evidence.tables[candidate.table], candidate.columns, bench.evidence, also=names)
        names.add(name)
        try:
            with bench.undone_if_it_fails():
                built.append(bench.build(candidate, name))
        except psycopg.Error as error:
            refused.append(f"{candidate.key}: {str(error).strip().splitlines()[0]}")
    return built, refused


def _lost_ms(case: Case, before: Planned, present: Planned, without: Planned) -> float:
    """Return how much of the statement's measured time the index is worth, by the planner's costs."""
    if before.cost <= 0:
        return 0.0
    return case.statement.total_ms * (without.cost - present.cost) / before.cost
