"""Run a plan again and again at planned times, keep each run, and say which fell out of the history."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator

from scaleworthy.errors import TargetError
from scaleworthy.load.plan import Plan
from scaleworthy.load.run import LoadRun, start
from scaleworthy.load.watch.detect import FALSE_ALARMS, FLOOR, regressions
from scaleworthy.load.watch.history import Figures, History, Run
from scaleworthy.series import MemoryStore


class Watch:
    """The runs of *plan*, one each *every_s* seconds from the first on, *count* in all; iterate over them.

    A run that takes longer than that lets the times that pass meanwhile go by. `stop` ends the run under way and the watch.
    """

    def __init__(
        self,
        plan: Plan,
        history: History,
        *,
        every_s: float,
        count: int | None = None,
        false_alarms: float = FALSE_ALARMS,
        floor: float = FLOOR,
        owned: Collection[str] = (),
        on_unreachable: Callable[[TargetError], None] | None = None,
        clock: Callable[[], float] = time.time,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._plan = plan
        self._history = history
        self._every_s = every_s
        self._count = count
        self._false_alarms = false_alarms
        self._floor = floor
        self._owned = owned
        self._on_unreachable = on_unreachable
        self._clock = clock
        self._wait = wait
        self._stopped = threading.Event()
        self._run: LoadRun | None = None

    def __iter__(self) -> Iterator[Run]:
        """Yield each run once it is in the history; a target that cannot be reached is told of and tried again next time."""
        planned_s, tried = self._clock(), 0
        while True:
            tried += 1
            try:
                run = self._once()
            except TargetError as error:
                if self._on_unreachable is None:
                    raise
                self._on_unreachable(error)
            else:
                yield run
            if self._stopped.is_set() or tried == self._count:
                return
            now = self._clock()
            planned_s += self._every_s * max(1, -(-(now - planned_s) // self._every_s))
            if self._wait(self._stopped, max(0.0, planned_s - now)):
                return

    def stop(self) -> None:
        """End the run under way, keep it, and begin no other."""
        self._stopped.set()
        if self._run is not None:
            self._run.stop()

    def abort(self) -> None:
        """End at once: requests under way are cut."""
        self._stopped.set()
        if self._run is not None:
            self._run.abort()

    def _once(self) -> Run:
        at_s = self._clock()
        with MemoryStore(run={"command": "watch"}) as store:
            self._run = start(self._plan.seeded(), store, owned=self._owned)
            summary = self._run.wait()
            interrupted = self._run.interrupted is not None
            self._run = None
        figures = Figures.of(summary.to_dict())
        # A run that was cut short, or that the generator limited, says nothing about the service.
        judged = not interrupted and not summary.generator.limited
        found = (
            regressions(figures, self._history.reference(), false_alarms=self._false_alarms, floor=self._floor)
            if judged
            else []
        )
        return self._history.add(at_s, summary, tuple(map(str, found)), complete=not interrupted)
