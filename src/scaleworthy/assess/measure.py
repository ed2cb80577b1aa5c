"""Measure one state of a service: a steady run at a low load, then the search for its limit, observed throughout."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from scaleworthy.assess.subject import Subject
from scaleworthy.load import SearchSettings, find_limit, run_load
from scaleworthy.load.result import Limit, Probe
from scaleworthy.series import Store
from scaleworthy.units import three_digits

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one state of the service took.

    Attributes:
        baseline: Summary of the steady run (the JSON of `scaleworthy load`).
        baseline_window: Its seconds, [first, last), warm-up left out.
        window: All seconds of this measurement.
    """

    name: str
    what_changed: str
    baseline_per_s: float
    baseline: dict[str, Any]
    baseline_window: tuple[int, int]
    limit: Limit
    window: tuple[int, int]


def measure(
    subject: Subject,
    *,
    store: Store,
    name: str,
    what_changed: str,
    baseline_s: int,
    search: SearchSettings,
    say: Say,
    clock: Callable[[], float] = time.time,
) -> Measurement:
    """Load *subject* at its baseline for *baseline_s* seconds, then search for its limit; write all of it into *store*."""
    started = int(clock())
    unit = "requests/s" if subject.plan.requests_per_start == 1 else "scenario starts/s"
    store.add_event(clock(), "stage", name, {"what_changed": what_changed})
    say(f"{name}: {subject.baseline_per_s:g} {unit} for {baseline_s} s, to compare latency")
    plan = subject.plan.with_rate(subject.baseline_per_s, seconds=baseline_s)
    first = int(clock()) + 1
    baseline = run_load(plan, store, owned=subject.hosts_owned)
    baseline_window = (first, max(int(clock()), first + 1))

    def on_probe(probe: Probe) -> None:
        held = {True: "held", False: "failed", None: "unsure"}[probe.passed]
        p95 = (
            f"p95 {three_digits(probe.response.p95_ns / 1e6)} ms" if probe.response.p95_ns is not None else "no answers"
        )
        early = f", cut short: {probe.ended_early}" if probe.ended_early else ""
        say(f"{name}: {three_digits(probe.level)} {unit} {held} ({p95}{early})")

    say(f"{name}: searching for the limit within {', '.join(subject.objectives)}")
    limit = find_limit(
        subject.plan,
        store,
        objectives=subject.objectives,
        unit="rate",
        settings=search,
        on_probe=on_probe,
        owned=subject.hosts_owned,
    )
    store.put_fact("limit", name, asdict(limit))
    return Measurement(
        name, what_changed, subject.baseline_per_s, baseline, baseline_window, limit, (started, int(clock()) + 1)
    )
