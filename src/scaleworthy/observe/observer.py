"""Look at sources once a second and put what they say into a store.

Each source has a thread of its own, so that a slow one delays no other. It is looked at on each boundary of a Unix second;
what is read there belongs to the second that ends. The first look is the base that counters are counted from, the last one
(at `stop`) covers the second that has begun: a counter's total is all that happened between start and stop.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from scaleworthy.observe.source import Sample, Source
from scaleworthy.series import SeriesKey, Store

EVENT = "observe"
CPU_BUDGET = 0.01
RETRY_MOST_S = 30.0
JOIN_S = 30.0


class Watch:
    """One source: its samples, its failures, what it costs. Knows no thread and no waiting."""

    def __init__(self, store: Store, source: Source, interval_s: float, cpu: Callable[[], float]) -> None:
        self.source = source
        self._store = store
        self._interval_s = interval_s
        self._cpu = cpu
        self._cpu_key = SeriesKey.of("observe.cpu_seconds", "counter", "s", {"source": source.name})
        self._mean_cost_s: float | None = None
        self._failing = False
        self._retry_s = 0.0
        self._said_slow = False

    def begin(self, at_s: float) -> None:
        """Take the base that counters are counted from; keep its facts."""
        sample, _ = self._look(at_s)
        self._keep(sample)

    def step(self, second: int, at_s: float) -> None:
        """Look once; what is seen belongs to *second*."""
        sample, cost_s = self._look(at_s)
        self._store.append(second, [*sample.slices, (self._cpu_key, cost_s)])
        self._keep(sample)
        # Connecting and the first look cost more than the rest: the mean forgets them within a few samples.
        self._mean_cost_s = cost_s if self._mean_cost_s is None else 0.7 * self._mean_cost_s + 0.3 * cost_s

    def pause_s(self, at_s: float) -> float:
        """Return how long to wait for the next look: an interval, more after failures or where a look is dear."""
        if self._failing:
            return max(self._interval_s, self._retry_s)
        times = math.ceil((self._mean_cost_s or 0.0) / (CPU_BUDGET * self._interval_s))
        if times > 1 and not self._said_slow:
            self._said_slow = True
            self._note(
                at_s,
                f"{self.source.name} is looked at every {times * self._interval_s:g} s: more often would cost over 1 % of a core",
            )
        return max(1, times) * self._interval_s

    def _look(self, at_s: float) -> tuple[Sample, float]:
        before = self._cpu()
        try:
            sample = self.source.sample()
        except Exception as error:  # noqa: BLE001 - whatever a source does, the run it observes goes on
            self._failed(at_s, error)
            return Sample(), self._cpu() - before
        if self._failing:
            self._failing, self._retry_s = False, 0.0
            self._note(at_s, f"{self.source.name} answers again")
        return sample, self._cpu() - before

    def _failed(self, at_s: float, error: Exception) -> None:
        self._retry_s = min(RETRY_MOST_S, self._retry_s * 2 or self._interval_s)
        if not self._failing:
            self._failing = True
            reason = str(error).strip().splitlines()
            self._note(at_s, f"{self.source.name} cannot be observed: {reason[0] if reason else type(error).__name__}")

    def _note(self, at_s: float, text: str) -> None:
        self._store.add_event(at_s, EVENT, text, {"source": self.source.name})

    def _keep(self, sample: Sample) -> None:
        for kind, key, value in sample.facts:
            self._store.put_fact(kind, key, value)


class Observer:
    """Looks at every source each interval, from `start` to `stop`, in threads of its own."""

    def __init__(
        self,
        store: Store,
        sources: Sequence[Source],
        interval_s: float = 1.0,
        *,
        clock: Callable[[], float] = time.time,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._watches = [Watch(store, source, interval_s, cpu) for source in sources]
        self._interval_s = interval_s
        self._clock = clock
        self._stopping = threading.Event()
        self._ready = threading.Barrier(len(self._watches) + 1)
        self._threads: list[threading.Thread] = []
        self.failure: Exception | None = None
        """Why a thread ended before `stop`: the store refused what was observed."""

    def start(self) -> None:
        """Start looking; returns when each source has its base (or has failed once)."""
        for watch in self._watches:
            thread = threading.Thread(target=self._run, args=(watch,), name=f"observe {watch.source.name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Look once more, then stop; does nothing a second time."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(JOIN_S)
        self._threads.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def _run(self, watch: Watch) -> None:
        try:
            try:
                watch.begin(self._clock())
            finally:
                self._ready.wait()
            due = self._after(self._clock(), self._interval_s)
            while not self._stopping.wait(max(0.0, due - self._clock())):
                watch.step(math.ceil(due) - 1, self._clock())
                # Boundaries that went by during a slow look are left out, not made up for.
                now = self._clock()
                due = self._after(now, watch.pause_s(now))
            now = self._clock()
            watch.step(math.floor(now), now)
        except Exception as error:  # noqa: BLE001 - the store's refusal; the run itself reports it with its own writes
            self.failure = error
        finally:
            watch.source.close()

    def _after(self, now: float, pause_s: float) -> float:
        """Return the last boundary within *pause_s* from now, at least the next one."""
        return (math.floor(now / self._interval_s) + max(1, round(pause_s / self._interval_s))) * self._interval_s
