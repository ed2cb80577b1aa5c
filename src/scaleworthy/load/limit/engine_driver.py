"""Steer the engine's live run for a search: seconds as they come, and word when the target is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from scaleworthy.errors import GeneratorError, TargetError
from scaleworthy.load.engine import Engine
from scaleworthy.load.limit.driver import SearchStopped
from scaleworthy.load.result import Unit
from scaleworthy.load.run import TICK_TIMEOUT_S
from scaleworthy.load.second import Keys
from scaleworthy.series import Histogram, Slice, Store

STALLED_S = 10.0
GONE_AFTER_S = 5


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


def end_at_once(run: Engine, store: Store | None = None) -> None:
    """Cut what is under way, and take what the run still has to say: into *store*, so that its counts are the server's."""
    run.abort()
    keys = Keys()
    given_up_at = time.monotonic() + STALLED_S
    while not run.finished and time.monotonic() < given_up_at:
        tick = run.next_tick(timeout_s=TICK_TIMEOUT_S)
        if tick is not None and store is not None:
            store.append(tick.second, keys.slices(tick.slices))
