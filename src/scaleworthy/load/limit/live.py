"""The search on a real target: one live run of the engine, steered, after the generator itself has been measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence

from scaleworthy.errors import UsageError
from scaleworthy.load.limit.calibrate import generator_capacity
from scaleworthy.load.limit.conclusion import untried
from scaleworthy.load.limit.driver import SearchStopped
from scaleworthy.load.limit.engine_driver import EngineDriver, live_load
from scaleworthy.load.limit.search import Search
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.once import begin, finish
from scaleworthy.load.plan import Plan
from scaleworthy.load.prepare import prepare, record_facts, record_processes
from scaleworthy.load.result import Limit, Probe, Unit
from scaleworthy.series import Store


def find_limit(
    plan: Plan,
    store: Store,
    *,
    objectives: Sequence[str] = (),
    unit: Unit = "rate",
    settings: SearchSettings | None = None,
    on_probe: Callable[[Probe], None] | None = None,
    owned: Collection[str] = (),
    generator_max_per_s: float | None = None,
    stop: threading.Event | None = None,
) -> Limit:
    """Return the most that *plan*'s target takes within its objectives, every second of the search in *store*.

    Args:
        objectives: What must hold; the plan's own where none are given.
        unit: Search over scenario starts per second, or over concurrent users.
        on_probe: Called after each probe.
        owned: Hosts beyond loopback that the caller may load.
        generator_max_per_s: What the generator can send; measured (some seconds, once a process) where it is None.
        stop: Set from elsewhere, it ends the search within a second, also while the generator is measured; what is known by then is
            returned.

    Raises:
        UsageError: No objective, or the target is not loopback and not owned.
        TargetError: It cannot be resolved or reached.
    """
    wanted = tuple(objectives) or plan.search_objectives
    if not wanted and plan.objectives:
        raise UsageError(
            "a search has no stages, and every objective of the plan is about one",
            hint="add one for the search, such as --objective 'p95 < 200ms'",
        )
    if not wanted:
        raise UsageError("a limit needs an objective", hint="add one, such as --objective 'p95 < 200ms'")
    plan = plan.seeded()
    given = begin(plan, owned=owned)
    run = prepare(plan.with_variables(given), owned=owned, live=live_load(unit))
    if generator_max_per_s is None:
        try:
            generator_max_per_s = generator_capacity(plan.threads, stop=stop)
        except SearchStopped:
            return untried(unit, wanted)
    record_facts(plan, store, at_s=time.time(), threads=run.threads)
    run.start()
    try:
        limit = Search(
            EngineDriver(run, stop),
            store,
            objectives=wanted,
            unit=unit,
            settings=settings,
            generator_max=generator_max_per_s,
            requests_per_start=plan.requests_per_start,
            connections_max=plan.http.connections_max,
            threads=run.threads,
            on_probe=on_probe,
        ).run()
        store.put_fact("load", "interrupted", "stopped" if limit.stopped_by == "interrupted" else None)
        return limit
    finally:
        run.abort()
        store.put_fact("load", "ended_at", time.time())
        store.put_fact("load", "error_examples", dict(run.error_examples()))
        record_processes(run, store)
        finish(plan, store, given=given, owned=owned)
