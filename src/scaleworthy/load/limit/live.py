"""The search on a real target: one live run of the engine, steered, after the generator itself has been measured."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Any

from scaleworthy._native import NullServer, Run
from scaleworthy.errors import GeneratorError, TargetError, UsageError
from scaleworthy.load.engine import Engine, InProcess
from scaleworthy.load.front_url import plan_for_url
from scaleworthy.load.generator import judge_generator
from scaleworthy.load.limit.driver import Driver, SearchStopped
from scaleworthy.load.limit.search import Search
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.plan import Plan
from scaleworthy.load.result import Limit, Probe, Unit
from scaleworthy.load.run import TICK_TIMEOUT_S, prepare, record_facts, record_processes
from scaleworthy.load.second import Keys
from scaleworthy.series import Histogram, MemoryStore, Slice, Store

STALLED_S = 10.0
GONE_AFTER_S = 5
_CALIBRATE_FROM_PER_S = 16_000.0
_CALIBRATE_STEPS = 4
_DELIVERED = 0.95


class EngineDriver:
    """Steers the engine's live run (see `driver.Driver`)."""

    def __init__(self, run: Engine, stop: threading.Event | None = None) -> None:
        self._run = run
        self._stop = stop
        self._refused_s = 0
        self._keys = Keys()

    def set_level(self, level: float) -> None:
        """See `Driver.set_level`."""
        self._run.set_level(per_s_or_users=float(level))

    def next_second(self) -> tuple[int, Sequence[Slice]]:
        """See `Driver.next_second`."""
        given_up_at = time.monotonic() + STALLED_S
        while time.monotonic() < given_up_at:
            if self._stop is not None and self._stop.is_set():
                raise SearchStopped
            tick = self._run.next_tick(timeout_s=TICK_TIMEOUT_S)
            if tick is not None:
                slices = self._keys.slices(tick.slices)
                self._see_that_it_is_there(slices)
                return tick.second, slices
            if self._run.finished:
                if any(worker.lost for worker in self._run.report()):
                    raise GeneratorError(
                        "; ".join(self._run.notes()), hint="search again; does the machine run out of memory?"
                    )
                raise TargetError("the live run ended before the search did", hint="was it stopped from elsewhere?")
        raise TargetError(
            f"the engine has reported nothing for {STALLED_S:g} s", hint="is the machine suspended or out of CPU?"
        )

    def _see_that_it_is_there(self, slices: Sequence[Slice]) -> None:
        """Give up on a target that is gone: no level says anything about it any more."""
        counts = {"load.answered": 0.0, "load.errors": 0.0}
        for key, value in slices:
            counted = key.name == "load.answered" or (key.name == "load.errors" and ("kind", "connect") in key.labels)
            if counted and not isinstance(value, Histogram):
                counts[key.name] += value
        if counts["load.answered"]:
            self._refused_s = 0
        elif counts["load.errors"]:
            self._refused_s += 1
        if self._refused_s >= GONE_AFTER_S:
            raise TargetError(
                f"the target is gone: for {GONE_AFTER_S} seconds of requests every connection failed",
                hint="did it end under this load? Its log says why; restart it, and keep below that level with --max",
            )


def live_load(unit: Unit) -> dict[str, Any]:
    """Return the engine's load of a run that starts at nothing and is steered."""
    load: dict[str, Any] = {
        "kind": "open" if unit == "rate" else "closed",
        "stages": [{"duration_ns": 10**9, "from": 0.0, "to": 0.0}],
        "count": None,
    }
    if unit == "rate":
        load["arrivals"] = "poisson"
    return load


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
        stop: Set from elsewhere, it ends the search within a second; what is known by then is returned.

    Raises:
        UsageError: No objective, or the target is not loopback and not owned.
        TargetError: It cannot be resolved or reached.
    """
    wanted = tuple(objectives) or tuple(plan.objectives)
    if not wanted:
        raise UsageError("a limit needs an objective", hint="add one, such as --objective 'p95 < 200ms'")
    plan = plan.seeded()
    run = prepare(plan, owned=owned, live=live_load(unit))
    if generator_max_per_s is None:
        generator_max_per_s = generator_capacity(plan.threads)
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


@lru_cache(maxsize=4)
def generator_capacity(threads: int | None = None) -> float:
    """Return the most requests per second that this machine's generator sends while its own lag p99 stays below 1 ms.

    Measured against a server that answers at once, within this process, doubling each second; the result is kept. On a machine too
    busy for any lag below 1 ms it is half of what the CPU time of a request allows.
    """
    server = NullServer()
    try:
        plan = plan_for_url(f"http://127.0.0.1:{server.port}/", seed=1).model_copy(update={"threads": threads})
        native = plan.to_native(addresses=["127.0.0.1"], live=live_load("rate"))
        run = InProcess(Run(plan_json=json.dumps(native)))
        run.start()
        try:
            return _fastest(EngineDriver(run), threads=run.threads)
        finally:
            run.abort()
    finally:
        server.stop()


def _fastest(driver: Driver, *, threads: int) -> float:
    level, fastest = _CALIBRATE_FROM_PER_S, 0.0
    driver.set_level(level)
    driver.next_second()  # connections are opened
    for _ in range(_CALIBRATE_STEPS):
        store = MemoryStore()
        second, slices = driver.next_second()
        store.append(second, slices)
        window = (second, second + 1)
        sent = store.total("load.started", window=window)
        generator = judge_generator(store, window, connections_max=None, threads=threads)
        if generator.limited or sent < _DELIVERED * level:
            if fastest == 0.0 and generator.cpu_us_per_request:
                return threads * 1e6 / generator.cpu_us_per_request / 2
            return fastest or sent
        fastest, level = sent, level * 2
        driver.set_level(level)
    return fastest
