"""A realistic report, built in code: what the demo finds, with long names, unknown values and hostile text in it.

The latencies follow a queue's curve with seeded noise, so that the charts look as measured ones do.
"""

from __future__ import annotations

from dataclasses import replace

from tests.report.sample_findings import HOSTILE, findings
from tests.report.sample_load import OBJECTIVES, load_run, panels, stage

from scaleworthy.report.model import (
    Bottleneck,
    CapacityRow,
    Change,
    GrowthRow,
    Mark,
    Measured,
    Recommendation,
    Report,
    RoadmapPhase,
    Score,
)


def sample_report() -> Report:
    """Return a full assessment: three stages, every section filled."""
    found = findings()
    stages = (
        stage("as found", "the day-one shape, nothing changed", 41.2, 22.0, seed=1),
        stage(
            "after the proved fixes",
            "2 indexes created: leads(tenant_id, created_at), activities(lead_id)",
            181.0,
            9.1,
            seed=2,
        ),
        stage(
            "tuned shape",
            "the same service with cursor pagination, one statement per list, cache, larger pool",
            604.0,
            3.4,
            seed=3,
        ),
    )
    return Report(
        title="Switchboard, day-one shape",
        target="http://127.0.0.1:8123",
        made_at="2026-11-21T04:10:00Z",
        machine="2 × AMD EPYC 9B14, 8.20 GB, Linux 6.12.41",
        versions=(("scaleworthy", "0.1.0"), ("Python", "3.11.2"), ("PostgreSQL", "18.1"), ("Valkey", "9.1.2")),
        question="Will it take 100×?",
        answer="with changes",
        verdict=(
            "Switchboard as found takes 41.2 requests/s (95 % interval 39.6 to 42.9) within p95 < 250ms and failed < 1%. What "
            "limits it is PostgreSQL CPU: one core is busy 97 % of the time, 61 % of it in one statement that reads 200,000 rows "
            "to return 20. With 2 indexes created, it was measured again: 181 requests/s, 4.39 times as much. The tuned shape "
            "takes 604 requests/s. 100×, 10,000 users (122 requests/s at their peak), needs 1 application server, 1 database "
            "instance, 1 cache node, at about $214 a month."
        ),
        grade="C+",
        scores=(
            Score(
                "Scalability",
                5.4,
                "10 × (0.5 × headroom + 0.3 × findings + 0.2 × shape)",
                (("headroom at 100×", "0.34"), ("findings", "0.62"), ("shape", "0.92")),
            ),
            Score(
                "Load test",
                7.8,
                "10 × (0.6 × objectives held at normal load + 0.4 × recovery)",
                (("objectives held", "3 of 4"), ("recovery", "0.82")),
            ),
            Score(
                "Growth readiness",
                6.1,
                "10 × mean of the three sizes' reachability",
                (("10×", "1.00"), ("100×", "0.62"), ("enterprise", "0.21")),
            ),
        ),
        objectives=OBJECTIVES,
        stages=stages,
        changes=_changes(),
        capacity=_capacity(),
        bottleneck=Bottleneck(
            "PostgreSQL CPU",
            "one core is busy 97 % of the time while the service's processes use 41 %. 61 % of PostgreSQL's time goes into the "
            "lead list, which reads all rows of `leads` to return 20.",
            (
                "PostgreSQL used 0.971 cores (0.958 to 0.983, n = 44 s) at the limit, of 1 that its busiest back ends could get",
                "service demand 23.6 ms of PostgreSQL CPU per request gives a ceiling of 42.4 requests/s; 41.2 were measured",
                "p95 rises as the queue does: 22 ms at 5 requests/s, 96 ms at 32, 262 ms at 43",
            ),
            "the service's CPU, at 187 requests/s",
        ),
        growth=_growth(),
        prices="price book of 2026-11-01 (prices.toml), list prices in USD, us-east, no discounts",
        roadmap=(
            RoadmapPhase(
                "Immediately",
                "10×: 1,000 users, 12.2 requests/s at their peak",
                ("Create the index that the lead list needs", "Index the foreign key `activities.lead_id`"),
            ),
            RoadmapPhase(
                "This quarter",
                "100×: 10,000 users, 122 requests/s at their peak",
                (
                    "Fetch the activities of a page with one statement",
                    "Cache the dashboard for five seconds per tenant",
                    "Give the buffer cache a quarter of memory",
                ),
            ),
            RoadmapPhase(
                "This year",
                "enterprise: 100,000 users, 1,220 requests/s at their peak",
                (
                    "Split reads to two replicas",
                    "Partition `activities` by month",
                    "Run 4 application, 3 database and 2 cache servers ($2,940 a month)",
                ),
            ),
        ),
        recommendations=tuple(
            Recommendation(
                f.fix.summary,
                f.impact or f.title,
                f.impact_level,
                f.effort,
                f.priority,
                f.fix.statements,
                "4.39 times the limit, measured" if i == 0 else "",
                f.id,
            )
            for i, f in enumerate(found)
            if f.fix is not None
        ),
        findings=found,
        gaps=(
            "One PostgreSQL instance and no replica: its loss stops the service, and reads cannot be spread.",
            "No cache in front of the dashboard: every view computes its aggregates anew.",
            "No queue before the webhooks: a flood of 1,200 a minute competes with people's requests.",
            f"A gap with {HOSTILE}",
        ),
        panels=panels(),
        marks=(
            Mark("as found: baseline", 2, 12),
            Mark("as found: find the limit", 12, 66),
            Mark("CREATE INDEX leads_tenant_id_created_at_idx", 68),
            Mark("CREATE INDEX activities_lead_id_idx", 70),
            Mark("after the proved fixes: find the limit", 74, 122),
            Mark(f"restart {HOSTILE}", 123),
            Mark("tuned shape: find the limit", 128, 182),
        ),
        notes=(
            "Response time runs from the planned start, service time from the send.",
            "Load generator and service shared two cores; the generator used 0.021 cores at the limit.",
            "The demo's data: 100 tenants, 200,000 leads, 1,000,000 activities, 100,000 calls.",
        ),
        seconds=191.4,
        seed=20261121,
    )


def load_report() -> Report:
    """Return what one load run's recording says: no stages, no findings, one run."""
    return replace(
        empty_report(),
        title="run.sw",
        question="Did it hold its objectives?",
        answer="no",
        verdict="The run of 500/s for 30 s broke 1 of its 3 objectives: p99 < 20ms, 21.4 ms measured.",
        objectives=OBJECTIVES,
        panels=panels()[:2],
        load_runs=(load_run(),),
        seconds=30.2,
        seed=7,
    )


def empty_report() -> Report:
    """Return a report that knows nothing yet: every section empty."""
    return Report(
        title="Nothing measured",
        target="http://127.0.0.1:1",
        made_at="2026-11-21T04:10:00Z",
        machine="a machine",
        versions=(),
        question="Will it take 100×?",
        answer="unknown",
        verdict="Nothing was measured.",
        grade="",
        scores=(),
        objectives=(),
        stages=(),
        changes=(),
        capacity=(),
        bottleneck=None,
        growth=(),
        prices="",
        roadmap=(),
        recommendations=(),
        findings=(),
        gaps=(),
        panels=(),
        marks=(),
    )


def hostile_report() -> Report:
    """Return the sample with hostile text in every text field that a target or a user can reach."""
    full = sample_report()
    run = load_run()
    return replace(
        full,
        title=HOSTILE,
        target=HOSTILE,
        made_at=HOSTILE,
        machine=HOSTILE,
        versions=((HOSTILE, HOSTILE),),
        question=HOSTILE,
        verdict=HOSTILE,
        grade=HOSTILE,
        objectives=(HOSTILE,),
        prices=HOSTILE,
        notes=(HOSTILE,),
        gaps=(HOSTILE,),
        scores=(Score(HOSTILE, 1.0, HOSTILE, ((HOSTILE, HOSTILE),)),),
        stages=tuple(
            replace(
                s,
                name=f"{i}{HOSTILE}",
                what_changed=HOSTILE,
                limit=replace(s.limit, binding=HOSTILE, objectives=(HOSTILE,)),
                probes=tuple(replace(p, binding=HOSTILE, ended_early=HOSTILE) for p in s.probes),
            )
            for i, s in enumerate(full.stages)
        ),
        changes=tuple(replace(c, what=HOSTILE) for c in full.changes),
        capacity=tuple(replace(c, resource=HOSTILE, evidence=HOSTILE) for c in full.capacity),
        bottleneck=Bottleneck(HOSTILE, HOSTILE, (HOSTILE,), HOSTILE),
        growth=tuple(replace(g, size=HOSTILE, why=HOSTILE) for g in full.growth),
        roadmap=(RoadmapPhase(HOSTILE, HOSTILE, (HOSTILE,)),),
        recommendations=(Recommendation(HOSTILE, HOSTILE, "high", "low", "now", (HOSTILE,), HOSTILE, HOSTILE),),
        panels=tuple(
            replace(p, title=HOSTILE, lines=tuple(replace(x, name=HOSTILE, unit=HOSTILE) for x in p.lines))
            for p in full.panels
        ),
        marks=tuple(replace(m, name=HOSTILE) for m in full.marks),
        load_runs=(
            replace(
                run,
                name=HOSTILE,
                shape=HOSTILE,
                speed=HOSTILE,
                statuses=((HOSTILE, 1),),
                errors=((HOSTILE, 1, HOSTILE),),
                steps=tuple(replace(s, name=HOSTILE) for s in run.steps),
                objectives=tuple(replace(o, text=HOSTILE) for o in run.objectives),
            ),
        ),
    )


def _changes() -> tuple[Change, ...]:
    def pair(what: str, unit: str, before: float, after: float, spread: float, n: int, higher: bool) -> Change:
        b = Measured(before, unit, (before * (1 - spread), before * (1 + spread)), n)
        a = Measured(after, unit, (after * (1 - spread), after * (1 + spread)), n * 2)
        low, high = a.interval[0] / b.interval[1], a.interval[1] / b.interval[0]  # type: ignore[index]
        better = None if low <= 1 <= high else (low > 1) == higher
        return Change(what, b, a, after / before, (low, high), better)

    return (
        pair("limit within the objectives", "requests/s", 41.2, 181.0, 0.04, 11, True),
        pair("response time p50 at 10 requests/s", "ms", 21.9, 8.87, 0.05, 100, False),
        pair("response time p95 at 10 requests/s", "ms", 61.2, 19.4, 0.11, 100, False),
        pair("response time p99 at 10 requests/s", "ms", 88.0, 91.2, 0.31, 100, False),
        pair("CPU time of PostgreSQL per request, at the limit", "ms", 23.6, 3.12, 0.03, 6, False),
        Change(
            "CPU time of the service per request, at the limit",
            Measured(5.31, "ms"),
            Measured(5.02, "ms"),
            0.945,
            None,
            None,
        ),
    )


def _capacity() -> tuple[CapacityRow, ...]:
    def rate(value: float, low: float, high: float) -> Measured:
        return Measured(value, "requests/s", (low, high))

    return (
        CapacityRow(
            "PostgreSQL CPU",
            Measured(0.971, "cores", (0.958, 0.983), 44),
            Measured(1.0, "cores"),
            0.029,
            rate(42.4, 41.1, 43.8),
            "23.6 ms of CPU per request over six probes that held",
        ),
        CapacityRow(
            "service CPU",
            Measured(0.412, "cores", (0.401, 0.425), 44),
            Measured(1.0, "cores"),
            0.588,
            rate(187.0, 179.0, 196.0),
            "5.31 ms of CPU per request",
        ),
        CapacityRow(
            "database connections",
            Measured(5.0, "connections", None, 44),
            Measured(5.0, "connections"),
            0.0,
            rate(212.0, 190.0, 241.0),
            "pool of 5, each held 23.5 ms per request",
        ),
        CapacityRow(
            "disk",
            Measured(0.0412, "ratio", (0.01, 0.09), 44),
            Measured(1.0, "ratio"),
            0.9588,
            Measured(None, "requests/s"),
            "under 5 % busy: a ceiling cannot be told from so little use",
        ),
        CapacityRow(
            "memory",
            Measured(1_210_000_000.0, "bytes", None, 44),
            Measured(8_200_000_000.0, "bytes"),
            0.852,
            Measured(None, "requests/s"),
            "",
        ),
    )


def _growth() -> tuple[GrowthRow, ...]:
    def row(
        size: str,
        users: int,
        rate: float,
        data: int,
        app: int,
        db: int,
        cache: int,
        cost: float | None,
        reachable: bool,
        why: str,
    ) -> GrowthRow:
        def money(value: float | None, unit: str) -> Measured:
            return Measured(value, unit, None if value is None else (value * 0.9, value * 1.25))

        return GrowthRow(
            size,
            users,
            Measured(rate, "requests/s", (rate * 0.8, rate * 1.3)),
            data,
            app,
            db,
            cache,
            data * 2,
            money(cost, "USD"),
            money(cost and cost / users, "USD"),
            money(cost and cost / (rate * 0.08 * 86400 * 30 / 1000), "USD"),
            reachable,
            why,
        )

    return (
        row("baseline", 100, 1.22, 10**10, 1, 1, 0, 61.0, True, "within the limit as found"),
        row("10×", 1_000, 12.2, 10**11, 1, 1, 1, 96.0, True, "within the limit as found"),
        row("100×", 10_000, 122.0, 10**12, 1, 1, 1, 214.0, True, "after the two proved indexes: 181 requests/s"),
        row(
            "enterprise",
            100_000,
            1_220.0,
            10**13,
            4,
            3,
            2,
            None,
            False,
            "writes to `activities` pass what one PostgreSQL instance takes at 870 requests/s",
        ),
    )
