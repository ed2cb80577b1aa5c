"""Run a plan: the engine sends, each second goes into a store, and the caller may steer meanwhile.

    store = Recording.create(path)
    run = start(plan, store)
    for second in run: ...            # or run.wait()
    run.set_rate(200); run.pause(); run.resume(); run.stop()

What the store holds after each second is complete for that second: a killed run keeps all but its last one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from scaleworthy._native import Run
from scaleworthy.errors import ScaleworthyError, UsageError
from scaleworthy.load.engine import Engine, InProcess
from scaleworthy.load.fleet.coordinator import Fleet
from scaleworthy.load.host import host_facts, version_facts
from scaleworthy.load.judging import Watch
from scaleworthy.load.lookup import NameWatch
from scaleworthy.load.once import begin, finish
from scaleworthy.load.plan import Plan
from scaleworthy.load.second import Keys, Second, summed
from scaleworthy.load.summary import Summary, summarize
from scaleworthy.load.target import Resolve, system_resolve
from scaleworthy.load.ways import find_ways
from scaleworthy.load.workers import Limits, workers_for
from scaleworthy.series import Store

TICK_TIMEOUT_S = 0.25
"""How long one wait for the engine may take: a signal is handled between two waits."""


class LoadRun:
    """A run that goes on: iterate over its seconds, steer it, or wait for its end."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        given: Mapping[str, Any] | None = None,
        owned: Collection[str] = (),
    ) -> None:
        self.plan = plan
        self.store = store
        self.interrupted: str | None = None
        self._engine = engine
        self._clock = clock
        self._given = dict(given or {})
        self._owned = owned
        self._keys = Keys()
        self._ended = False
        self._log_told = 0
        self._window: tuple[int, int] | None = None
        self._watch = Watch(plan.objective_facts, store)

    def __iter__(self) -> Iterator[Second]:
        """Yield each second once it is in the store, until the run has ended."""
        while True:
            tick = self._engine.next_tick(timeout_s=TICK_TIMEOUT_S)
            if tick is not None:
                slices = self._keys.slices(tick.slices)
                self.store.append(tick.second, slices)
                self._window = (self._window[0] if self._window else tick.second, tick.second + 1)
                self._pass_on_log()
                self._end_on_breach(self._window)
                yield summed(tick.second, slices)
                if tick.last:
                    break
            elif self._engine.finished:
                break
        self._end()

    def _end_on_breach(self, window: tuple[int, int]) -> None:
        if self.interrupted is not None:
            return
        breach = self._watch.breach(window)
        if breach is not None:
            self.interrupted = f"ended by a broken objective, {breach.text},"
            self.store.put_fact("load", "breach", asdict(breach))
            self._engine.stop()

    def wait(self, *, on_second: Callable[[Second], None] | None = None) -> Summary:
        """Follow the run to its end and return its summary (docs/reference/summary.md)."""
        for second in self:
            if on_second is not None:
                on_second(second)
        return summarize(self.store)

    def set_rate(self, per_s_or_users: float) -> None:
        """Change the level at once: scenario starts per second, or users, whichever the plan counts."""
        self._engine.set_level(per_s_or_users=float(per_s_or_users))
        self.store.add_event(self._clock(), "level", f"level {per_s_or_users:g}", {"level": per_s_or_users})

    def pause(self) -> None:
        """Start nothing new until `resume`; what is under way ends."""
        self._engine.pause()
        self.store.add_event(self._clock(), "pause", "paused")

    def resume(self) -> None:
        """Start again after `pause`."""
        self._engine.resume()
        self.store.add_event(self._clock(), "resume", "resumed")

    def stop(self) -> None:
        """Start nothing new; requests under way may end within the plan's grace."""
        self.interrupted = self.interrupted or "stopped"
        self._engine.stop()

    def abort(self) -> None:
        """End at once: requests under way are cut, and counted as cut."""
        self.interrupted = "aborted"
        self._engine.abort()

    @property
    def in_flight(self) -> int:
        """Requests sent and not done, now."""
        return int(self._engine.in_flight())

    def _pass_on_log(self) -> None:
        """Write what scenarios logged to standard error: the first lines; at the end, how many more there were."""
        lines, _ = self._engine.log()
        for line in lines[self._log_told :]:
            sys.stderr.write(f"log: {line}\n")
        self._log_told = len(lines)

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        lines, count = self._engine.log()
        if count > len(lines):
            sys.stderr.write(f"log: and {count - len(lines):,} more lines\n")
        if self.plan.after is not None:
            finish(self.plan, self.store, given=self._given, owned=self._owned, clock=self._clock)
        self.store.put_fact("load", "ended_at", self._clock())
        self.store.put_fact("load", "window", self._window)
        self.store.put_fact("load", "error_examples", dict(self._engine.error_examples()))
        record_processes(self._engine, self.store)
        if any(worker.lost for worker in self._engine.report()):
            self.interrupted = self.interrupted or "ended by the loss of a worker process"
        if self.interrupted is not None:
            self.store.put_fact("load", "interrupted", self.interrupted)
            self.store.add_event(self._clock(), "stop", self.interrupted)


def start(
    plan: Plan,
    store: Store,
    *,
    owned: Collection[str] = (),
    resolve: Resolve = system_resolve,
    clock: Callable[[], float] = time.time,
) -> LoadRun:
    """Start *plan* and return the run; its facts (plan, seed, host, versions) are in *store* before the first request.

    Args:
        owned: Hosts beyond loopback that the caller may load.
        resolve: How names become addresses.
        clock: Unix time in seconds, for facts and events.

    Raises:
        UsageError: The target is not loopback and not owned.
        TargetError: It cannot be resolved or reached, or what runs before the load failed.
    """
    plan = plan.seeded()
    given = begin(plan, owned=owned, resolve=resolve)
    engine = prepare(plan.with_variables(given), owned=owned, resolve=resolve)
    record_facts(plan, store, at_s=clock(), threads=engine.threads)
    engine.start()
    return LoadRun(plan, engine, store, clock=clock, given=given, owned=owned)


def prepare(
    plan: Plan,
    *,
    owned: Collection[str] = (),
    live: dict[str, Any] | None = None,
    resolve: Resolve = system_resolve,
) -> Engine:
    """Return the engine of *plan*, its target resolved, permitted and seen to listen; nothing is sent yet.

    That is the engine in this process, or a fleet of worker processes that are ready: `workers.workers_for` says which.
    """
    ways = find_ways(plan, owned=owned, resolve=resolve)
    sources = max(len(plan.http.source_addresses), 1)
    pairs = len(ways.addresses) * sources
    workers = workers_for(plan, addresses=pairs, limits=Limits.of_this_machine(), live=live is not None)
    native = ways.native(plan, live=live)
    try:
        run = Run(plan_json=json.dumps(native))
        python = plan.to_python()
        engine: Engine = (
            InProcess(run)
            if workers == 1 and python is None
            else Fleet(native, workers=workers, threads=plan.threads, python=python)
        )
    except ScaleworthyError:
        raise
    except ValueError as error:
        raise UsageError(f"the engine refuses the plan: {error}") from error
    if plan.http.dns_ttl_ns is not None:
        NameWatch(engine, ways.names, ttl_s=plan.http.dns_ttl_ns / 1e9, owned=owned, resolve=resolve).begin()
    return engine


def record_facts(plan: Plan, store: Store, *, at_s: float, threads: int) -> None:
    """Put into *store* what a reader of its numbers needs: plan (without secrets), seed, host, versions."""
    facts: dict[str, Any] = {
        "plan": plan.public(),
        "target": plan.target.url,
        "shape": plan.load.describe(),
        "seed": plan.seed,
        "speed": "declarative" if plan.python is None else "python",
        "objectives": plan.objective_facts,
        "warm_up_s": (plan.load.warm_up_ns or 0) / 1e9,
        "breach": None,
        "connections_max": plan.http.connections_max,
        "threads": threads,
        "started_at": at_s,
        "ended_at": None,
        "window": None,
        "interrupted": None,
        "workers": [],
        "notes": [],
        "error_examples": {},
    }
    for name, value in facts.items():
        store.put_fact("load", name, value)
    store.put_fact("run", "host", host_facts())
    store.put_fact("run", "versions", version_facts())


def record_processes(engine: Engine, store: Store) -> None:
    """Put into *store* what each process of the generator cost, and what must be known of how the numbers came about."""
    store.put_fact("load", "workers", [asdict(worker) for worker in engine.report()])
    store.put_fact("load", "notes", engine.notes())


def run_load(
    plan: Plan,
    store: Store,
    *,
    on_second: Callable[[Second], None] | None = None,
    owned: Collection[str] = (),
) -> dict[str, Any]:
    """Run *plan* to its end, every second into *store*, and return the summary (docs/reference/summary.md)."""
    return start(plan, store, owned=owned).wait(on_second=on_second).to_dict()
