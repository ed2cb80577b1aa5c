"""The demo: assess Switchboard as such backends start, apply what was proved, and measure again.

Two remedies, each followed by a measurement: first the indexes that the audit advised and proved, alone; then the
service's other shape, in which the code findings (N+1, offset pagination, pool, cache, encoder) are mended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scaleworthy.assess.loop import Settings, assess
from scaleworthy.assess.measure import Say
from scaleworthy.assess.subject import Applied, Remedy, Subject
from scaleworthy.audit import apply_fix
from scaleworthy.finding import Finding
from scaleworthy.load import Plan, SearchSettings
from scaleworthy.report.model import Report
from scaleworthy.series import Store
from scaleworthy.switchboard.scenario import OBJECTIVES, mixed_plan
from scaleworthy.switchboard.service import Switchboard
from scaleworthy.switchboard.shape import shape_named

BASELINE_S = 8
CURED_BY_TUNED_SHAPE = ("database/0007_n_plus_one", "database/0008_offset_pagination", "database/0009_connections")


def run_demo(*, store: Store, size: str, seed: int, say: Say) -> Report:
    """Start Switchboard as such backends start, assess it with both remedies, and return the report.

    Args:
        store: Where every series, event and finding goes.
        size: Of the seeded database: `small` or `full`.
    """
    say("starting Switchboard, shape day-one, on embedded PostgreSQL and Valkey")
    with Switchboard.start(shape="day-one", size=size, seed=seed, on_progress=say) as board:
        return assess(
            subject_of(board, seed=seed),
            store=store,
            settings=Settings(
                search=_slow_service(seed), search_again=SearchSettings.quick(seed=seed), baseline_s=BASELINE_S
            ),
            say=say,
            remedies=remedies(board, seed=seed),
        )


def subject_of(board: Switchboard, *, seed: int) -> Subject:
    """Return Switchboard as the subject of an assessment."""
    plan = Plan.model_validate({**mixed_plan(board.url, board.tenants), "seed": seed})
    return Subject(
        name="Switchboard",
        plan=plan,
        objectives=tuple(OBJECTIVES),
        database=board.database,
        cache=board.cache,
        owned=True,
        processes=board.processes,
        pool_connections=_pool(board),
    )


def _slow_service(seed: int) -> SearchSettings:
    """Return a quick search with longer probes: at 20 requests/s a quick one sees too few answers to judge a p95."""
    quick = SearchSettings.quick(seed=seed)
    return replace(quick, bracket_s=5, refine_s=7, refine_longest_s=10, longest_s=56)


def _pool(board: Switchboard) -> int:
    return shape_named(board.shape).pool_connections * len(board.processes["http"])


def remedies(board: Switchboard, *, seed: int) -> tuple[Remedy, ...]:
    """Return the demo's two remedies, in the order in which they are tried."""

    def add_proved_indexes(subject: Subject, findings: Sequence[Finding]) -> Applied | None:
        proved = [
            f for f in findings if f.fix and f.fix.kind == "sql" and f.fix.proof and f.verdict in ("fail", "warn")
        ]
        if subject.database is None or not proved:
            return None
        for finding in proved:
            if finding.fix is not None:
                apply_fix(subject.database, finding.fix)
        count = len(proved)
        what = f"{count} index{'es' if count != 1 else ''} that the audit advised and proved, and nothing else"
        return Applied(subject, what, tuple(finding.id for finding in proved))

    def switch_shape(_subject: Subject, findings: Sequence[Finding]) -> Applied | None:
        board.restart(shape="tuned")
        cured = tuple(f.id for f in findings if f.check in CURED_BY_TUNED_SHAPE and f.verdict in ("fail", "warn"))
        what = (
            "the tuned shape: one statement instead of N+1, keyset pagination, indexed search, a larger pool, "
            "a cache that follows changes, a faster encoder"
        )
        return Applied(subject_of(board, seed=seed), what, cured)

    return (Remedy("proved indexes", add_proved_indexes), Remedy("tuned shape", switch_shape))
