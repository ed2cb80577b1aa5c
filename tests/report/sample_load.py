"""The measured part of the sample: probes of a search, a timeline of three minutes, one load run."""

from __future__ import annotations

import math
import random

from scaleworthy.load.result import Limit, Probe, Quantiles
from scaleworthy.report.model import Line, LoadRun, LoadStep, Measured, ObjectiveResult, Panel, Stage

MS = 1e6
OBJECTIVES = ("p95 < 250ms", "failed < 1%")


def stage(name: str, what_changed: str, limit: float, base_ms: float, *, seed: int) -> Stage:
    """Return a search that brackets by doubling, refines, and confirms *limit*."""
    rng = random.Random(seed)
    steps = [("bracket", f) for f in (0.12, 0.24, 0.48, 0.96, 1.9)]
    steps += [("refine", f) for f in (1.2, 1.08, 0.9, 1.03)] + [("confirm", 0.98)]
    probes = tuple(_probe(f * limit, f, base_ms, 10 + 6 * i, phase, rng) for i, (phase, f) in enumerate(steps))
    result = Limit(
        unit="rate",
        objectives=OBJECTIVES,
        passing=0.98 * limit,
        failing=1.03 * limit,
        estimate=limit,
        interval=(0.961 * limit, 1.041 * limit),
        binding=OBJECTIVES[0],
        shape="smooth",
        generator_max=7_700.0,
        headroom=7_700.0 / (1.03 * limit),
        monotonic=True,
        stopped_by="found",
        confirmed=True,
        seconds=54.0,
        probes=probes,
    )
    return Stage(name, what_changed, result, probes)


def _probe(level: float, load: float, base_ms: float, start: int, phase: str, rng: random.Random) -> Probe:
    wait = load**3 / max(1.06 - load, 0.02) if load < 1.05 else 40 * (load - 0.9)
    p50 = base_ms * (1 + 0.5 * wait) * rng.uniform(0.97, 1.03)
    p95 = 250 * (load / 1.005) ** 6 if load > 0.85 else p50 * (2.4 + load)
    p95 = max(p95 * rng.uniform(0.97, 1.03), p50 * 1.4)
    answered = round(min(level, level / load * 1.06) * 5)
    few = answered < 100
    response = Quantiles(
        count=answered,
        p50_ns=p50 * MS,
        p90_ns=p95 * 0.8 * MS,
        p95_ns=p95 * MS,
        p99_ns=None if few else p95 * 1.7 * MS,
        p999_ns=None,
        max_ns=p95 * 2.2 * MS,
        mean_ns=p50 * 1.2 * MS,
        p95_interval_ns=(p95 * 0.86 * MS, p95 * 1.19 * MS),
        p99_interval_ns=None if few else (p95 * 1.4 * MS, p95 * 2.1 * MS),
    )
    service = Quantiles(answered, p50 * MS * 0.98, None, p95 * MS * 0.97, None, None, p95 * 2 * MS, None)
    over = load > 1.02
    return Probe(
        level=level,
        start_s=1_795_000_000 + start,
        end_s=1_795_000_005 + start,
        planned=round(level * 5),
        answered=answered,
        failed=round(level * 5 * 0.02) if load > 1.5 else 0,
        not_started=max(0, round(level * 5) - answered) if over else 0,
        requests_per_s=answered / 5,
        response=response,
        service=service,
        lag_p99_ns=61_000.0,
        in_flight_mean=answered / 5 * p50 / 1000,
        passed=None if phase == "refine" and 1.0 < load < 1.05 else not over,
        binding=OBJECTIVES[0],
        margin=(250 - p95) / 250,
        ended_early="p95 passed 4 times its limit for 2 s" if load > 1.5 else None,
        recovery_s=None if load > 1.5 and level > 500 else round(0.2 + 2.1 * max(0, load - 1), 2),
        phase=phase,  # type: ignore[arg-type]
    )


def panels() -> tuple[Panel, ...]:
    """Return three minutes of a demo, one value a second."""
    rng = random.Random(5)
    at = tuple(float(s) for s in range(191))
    limit = [41.2 if s < 68 else 181.0 if s < 124 else 604.0 for s in range(191)]
    load = [
        0.0 if s < 2 or 66 < s < 74 or 122 < s < 128 or s > 182 else abs(math.sin(s / 9.0)) * 1.1 for s in range(191)
    ]

    def line(name: str, unit: str, of) -> Line:
        values = tuple(round(of(s) * rng.uniform(0.9, 1.1), 4) for s in range(191))
        return Line(name, unit, at, values)

    def latency(s: int) -> float:
        return 400 / math.sqrt(limit[s]) * (1 + 12 * load[s] ** 8)

    return (
        Panel(
            "Response time, ms",
            tuple(line(n, "ms", lambda s, k=k: k * latency(s)) for n, k in (("p50", 0.3), ("p95", 1.0), ("p99", 1.8))),
        ),
        Panel(
            "Requests per second",
            (
                line("answered", "requests/s", lambda s: load[s] * limit[s] * 0.97),
                line("asked for", "requests/s", lambda s: load[s] * limit[s]),
                line("failed", "requests/s", lambda s: max(0.0, load[s] - 1.02) * limit[s]),
            ),
        ),
        Panel(
            "CPU, cores in use",
            (
                line("postgres", "cores", lambda s: min(0.99, load[s])),
                line("http", "cores", lambda s: 0.42 * load[s] + 0.02),
                line("valkey", "cores", lambda s: 0.01),
                line("load generator", "cores", lambda s: 0.02 + load[s] * limit[s] / 20_000),
            ),
        ),
        Panel(
            "PostgreSQL connections",
            (
                line("active", "connections", lambda s: 5 * load[s]),
                line("idle in transaction", "connections", lambda s: load[s]),
                line("idle", "connections", lambda s: 5 - 4 * load[s]),
            ),
        ),
    )


def load_run() -> LoadRun:
    """Return one run of 500/s for 30 s that stopped for 0.2 s once."""

    def quantiles(count: int, p50: float, tail: float) -> Quantiles:
        return Quantiles(
            count,
            p50 * MS,
            p50 * 2 * MS,
            p50 * 2.4 * MS,
            tail * MS,
            tail * 3 * MS,
            209 * MS,
            p50 * 1.3 * MS,
            (p50 * 2.3 * MS, p50 * 2.5 * MS),
            (tail * 0.9 * MS, tail * 1.2 * MS),
        )

    qs = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999)
    return LoadRun(
        name="run.sw",
        shape="500/s for 30 s, constant",
        speed="declarative",
        seconds=30.2,
        planned=15_000,
        started=14_997,
        answered=14_990,
        failed=12,
        not_started=3,
        requests_per_s=Measured(499.7, "requests/s", None, 14_990),
        response=quantiles(14_990, 3.1, 21.4),
        service=quantiles(14_990, 3.0, 7.9),
        lag=quantiles(14_997, 0.011, 0.12),
        response_curve=tuple((q, (2 + 1.1 / (1.0005 - q) ** 0.62) * MS) for q in qs),
        service_curve=tuple((q, (2 + 1.0 / (1.0005 - q) ** 0.32) * MS) for q in qs),
        steps=(
            LoadStep(
                "list leads", 10_000, 10_000, 9_996, 4, 0, quantiles(9_996, 3.4, 24.0), quantiles(9_996, 3.3, 8.1)
            ),
            LoadStep("create lead", 5_000, 4_997, 4_994, 8, 3, quantiles(4_994, 2.6, 17.0), quantiles(4_994, 2.5, 7.0)),
        ),
        statuses=(("200", 9_996), ("201", 4_986), ("503", 8)),
        errors=(
            ("timeout", 7, "GET /api/leads?limit=20: no answer within 10 s"),
            ("expect-status", 8, "201 wanted, got 503"),
        ),
        objectives=(
            ObjectiveResult(
                "p95 < 250ms",
                True,
                Measured(7.44 * MS, "ns", (7.1 * MS, 7.8 * MS), 14_990),
                Measured(250 * MS, "ns"),
                0.97,
            ),
            ObjectiveResult(
                "p99 < 20ms",
                False,
                Measured(21.4 * MS, "ns", (19.2 * MS, 25.7 * MS), 14_990),
                Measured(20 * MS, "ns"),
                -0.07,
            ),
            ObjectiveResult("p999 < 1s", None, Measured(None, "ns"), Measured(1e9, "ns"), None),
        ),
        generator_cpu_us_per_request=9.6,
        generator_limited=False,
    )
