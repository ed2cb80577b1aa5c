"""Run a plan: the engine sends, each second goes into a store, and the caller may steer meanwhile.

    with start("plan.yaml") as run:              # or start(plan, Recording.create(path))
        for second in run:                       # or async for; or run.wait(), await run
            run.set_rate(200); run.pause(); run.resume(); run.stop()
    run.summary(); run.to_arrow()

What the store holds after each second is complete for that second: a killed run keeps all but its last one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Generator, Iterator, Mapping
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from scaleworthy.load.ahead import Ahead
from scaleworthy.load.engine import Engine, EngineTick
from scaleworthy.load.given import GivenPlan, plan_given
from scaleworthy.load.judging import Watch
from scaleworthy.load.notebook import summary_html
from scaleworthy.load.once import begin, finish
from scaleworthy.load.plan import Plan
from scaleworthy.load.prepare import prepare, record_facts, record_processes
from scaleworthy.load.second import Keys, Second, summed
from scaleworthy.load.summary import Summary, summarize
from scaleworthy.load.target import Resolve, system_resolve
from scaleworthy.series import MemoryStore, Store

if TYPE_CHECKING:
    import pyarrow

TICK_TIMEOUT_S = 0.25
"""How long one wait for the engine may take: a signal is handled between two waits."""


class LoadRun:
    """A run that goes on: iterate over its seconds, steer it, or wait for its end.

    Seconds are taken out by iterating or waiting, and are then in the store; a caller that does neither leaves them in the engine.
    One caller at a time takes them; steering and reading the store are any thread's.

    Attributes:
        plan: What is carried out, with its seed.
        store: Every second taken so far, and the run's facts.
        interrupted: Why the run ended before its plan did; None where it did not.
    """

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
        self._ahead: Ahead[Second | None] = Ahead()
        self._log_told = 0
        self._window: tuple[int, int] | None = None
        self._watch = Watch(plan.objective_facts, store)

    def __iter__(self) -> Iterator[Second]:
        """Yield each second once it is in the store, until the run has ended."""
        while not self._ended:
            second = self._ahead.next(self._step)
            if second is not None:
                yield second

    async def __aiter__(self) -> AsyncIterator[Second]:
        """Yield the same on an event loop, which goes on meanwhile."""
        while not self._ended:
            second = await self._ahead.next_async(self._step)
            if second is not None:
                yield second

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
        return self.summary()

    async def finished(self) -> Summary:
        """Follow the run to its end on an event loop, which goes on meanwhile, and return its summary; `await run` does the same."""
        async for _ in self:
            pass
        return self.summary()

    def __await__(self) -> Generator[Any, None, Summary]:
        """See `finished`."""
        return self.finished().__await__()

    def __enter__(self) -> Self:
        """Return the run, which ends with the block at the latest."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what still goes on, and take what is left of it; after an exception, cut it."""
        if self._leave(error):
            self.wait()

    async def __aenter__(self) -> Self:
        """See `__enter__`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See `__exit__`."""
        if self._leave(error):
            await self.finished()

    def summary(self) -> Summary:
        """Return the summary of the seconds taken so far: while the run goes on, of what there is of it."""
        return summarize(self.store)

    def to_arrow(self) -> pyarrow.Table:
        """Return every series of the seconds taken so far as one long table (docs/guide/results.md).

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        from scaleworthy.load.results.table import to_arrow

        return to_arrow(self.store)

    def _repr_html_(self) -> str:
        """Return the summary so far as a small table, as notebooks show it."""
        return summary_html(self.summary(), going_on=not self._ended)

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

    @property
    def ended(self) -> bool:
        """Whether every second was taken, and the run's last facts are in the store."""
        return self._ended

    def _step(self) -> Second | None:
        """Wait a moment for the next second and put it into the store; the last one ends the run."""
        tick = self._engine.next_tick(timeout_s=TICK_TIMEOUT_S)
        second = self._taken(tick) if tick is not None else None
        if self._engine.finished if tick is None else tick.last:
            self._end()
        return second

    def _taken(self, tick: EngineTick) -> Second:
        slices = self._keys.slices(tick.slices)
        self.store.append(tick.second, slices)
        self._window = (self._window[0] if self._window else tick.second, tick.second + 1)
        self._pass_on_log()
        self._end_on_breach(self._window)
        return summed(tick.second, slices)

    def _leave(self, error: BaseException | None) -> bool:
        """Return whether there is something left to take, after asking the run to end."""
        if not self._ended:
            (self.stop if error is None else self.abort)()
        return not self._ended

    def _pass_on_log(self) -> None:
        """Write what scenarios logged to standard error: the first lines; at the end, how many more there were."""
        lines, _ = self._engine.log()
        for line in lines[self._log_told :]:
            sys.stderr.write(f"log: {line}\n")
        self._log_told = len(lines)

    def _end(self) -> None:
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
    plan: GivenPlan,
    store: Store | None = None,
    *,
    target: str | None = None,
    owned: Collection[str] = (),
    resolve: Resolve = system_resolve,
    clock: Callable[[], float] = time.time,
) -> LoadRun:
    """Start *plan* and return the run; its facts (plan, seed, host, versions) are in its store before the first request.

    Args:
        plan: A Plan, a mapping in the plan file's form, the path of a file, or a URL (ten users for 30 s).
        store: Where each second goes; memory where it is None.
        target: Where a file's requests go instead; a file of Python scenarios needs it.
        owned: Hosts beyond loopback that the caller may load.
        resolve: How names become addresses.
        clock: Unix time in seconds, for facts and events.

    Raises:
        UsageError: The plan cannot be read, or its target is not loopback and not owned.
        InvalidInput: Every problem with the plan.
        TargetError: The target cannot be resolved or reached, or what runs before the load failed.
    """
    made = plan_given(plan, target=target).seeded()
    store = store if store is not None else MemoryStore()
    given = begin(made, owned=owned, resolve=resolve)
    engine = prepare(made.with_variables(given), owned=owned, resolve=resolve)
    record_facts(made, store, at_s=clock(), threads=engine.threads)
    engine.start()
    return LoadRun(made, engine, store, clock=clock, given=given, owned=owned)


def run_load(
    plan: Plan,
    store: Store,
    *,
    on_second: Callable[[Second], None] | None = None,
    owned: Collection[str] = (),
) -> dict[str, Any]:
    """Run *plan* to its end, every second into *store*, and return the summary (docs/reference/summary.md)."""
    return start(plan, store, owned=owned).wait(on_second=on_second).to_dict()
