"""The search on a real target: one live run, steered, after the generator itself has been measured.

Whatever carries the plan out (the engine in this process, worker processes, Python scenarios) is steered in the same way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from scaleworthy.errors import UsageError
from scaleworthy.load.limit.calibrate import Sender, generator_capacity
from scaleworthy.load.limit.conclusion import untried
from scaleworthy.load.limit.driver import SearchStopped
from scaleworthy.load.limit.engine_driver import EngineDriver, end_at_once, live_load
from scaleworthy.load.limit.search import Search
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.once import begin, finish
from scaleworthy.load.plan import Plan
from scaleworthy.load.prepare import prepare, record_facts, record_processes
from scaleworthy.load.result import Limit, Probe, Unit
from scaleworthy.load.ways import find_ways
from scaleworthy.load.workers import Limits, workers_for
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
        unit: Search over scenario starts per second, over concurrent users, or over users who each keep a connection of their own.
        on_probe: Called after each probe.
        owned: Hosts beyond loopback that the caller may load.
        generator_max_per_s: What the generator can send; measured (some seconds, once a process) where it is None.
        stop: Set from elsewhere, it ends the search within a second, also while the generator is measured; what is known by then is
            returned.

    Raises:
        UsageError: No objective, the target is not loopback and not owned, or the system cannot open what the plan asks for.
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
    plan = _holding_connections(plan) if unit == "connections" else plan
    plan, settings = plan.seeded(), settings or SearchSettings()
    pairs = find_ways(plan, owned=owned).pairs(plan)  # before seconds are spent on the generator
    workers = workers_for(plan, addresses=pairs, limits=Limits.of_this_machine(), live=True)
    if unit == "connections":
        settings = within_this_machine(settings, workers=workers, addresses=pairs)
    if generator_max_per_s is None:
        sender = Sender("declarative" if plan.python is None else "python", workers, plan.threads)
        try:
            generator_max_per_s = generator_capacity(sender, stop=stop)
        except SearchStopped:
            return untried(unit, wanted)
    given = begin(plan, owned=owned)
    try:
        return _search(
            plan.with_variables(given),
            store,
            wanted=wanted,
            unit=unit,
            settings=settings,
            on_probe=on_probe,
            owned=owned,
            generator_max_per_s=generator_max_per_s,
            stop=stop,
        )
    finally:
        finish(plan, store, given=given, owned=owned)


def _search(
    plan: Plan,
    store: Store,
    *,
    wanted: tuple[str, ...],
    unit: Unit,
    settings: SearchSettings,
    on_probe: Callable[[Probe], None] | None,
    owned: Collection[str],
    generator_max_per_s: float,
    stop: threading.Event | None,
) -> Limit:
    run = prepare(plan, owned=owned, live=live_load(unit))
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
            counts_arrivals=unit == "rate" and plan.requests_per_start == 1 and plan.python is None,
            connections_max=plan.http.connections_max,
            threads=run.threads,
            on_probe=on_probe,
        ).run()
        store.put_fact("load", "interrupted", "stopped" if limit.stopped_by == "interrupted" else None)
        return limit
    finally:
        end_at_once(run, store)
        store.put_fact("load", "ended_at", time.time())
        store.put_fact("load", "error_examples", dict(run.error_examples()))
        record_processes(run, store)


def _holding_connections(plan: Plan) -> Plan:
    """Return the plan with a connection of its own for each user, and no other bound than the search's level.

    Raises:
        UsageError: It speaks HTTP/2, where many users share a connection.
    """
    if plan.http.version != "1.1":
        raise UsageError(
            f"--unit connections needs HTTP/1.1 or WebSockets: with version {plan.http.version} users share connections",
            hint="leave http.version out, or search over users",
        )
    own = plan.http.model_dump(by_alias=True, exclude_defaults=True)
    return plan.changed(http={**own, "connection_per_user": True, "connections_max": None})


def within_this_machine(settings: SearchSettings, *, workers: int, addresses: int) -> SearchSettings:
    """Return the settings, their highest level within what *workers* processes and the ports to *addresses* can keep open.

    Raises:
        UsageError: The first level is above that.
    """
    limits = Limits.of_this_machine()
    most = min(limits.connections_per_process * workers, limits.ports_per_address * addresses)
    if settings.start_level is not None and settings.start_level > most:
        many = f"{workers} process may" if workers == 1 else f"{workers} processes may"
        raise UsageError(
            f"{settings.start_level:,.0f} connections cannot be open at once here: {many} open {most:,}",
            hint="start lower, or see docs/guide/many-connections.md: more worker processes, files, ports",
        )
    return replace(settings, level_max=float(min(most, settings.level_max or most)))
