"""Was the generator itself the limit? A run that it limited must not be quoted.

Lag (*sent* − *planned*) has three causes: the generator came late, the start waited for a free connection because all of
`connections_max` were taken, or it waited for a new connection to open. Only the first is the generator's own. So lag is judged
over those seconds alone in which the others cannot have played a part: nothing was waiting at the second's end nor at the one
before, fewer connections were open than allowed, and at most 1 % of the starts opened one.

Limited is: own lag p99 above max(1 ms, 1 % of the response time's p99), or the engine's threads using over 90 % of their cores in
the median second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from scaleworthy.series import Histogram, Store

LAG_FLOOR_NS = 1e6
LAG_SHARE = 0.01
CPU_SATURATED = 0.9
OPENED_SHARE = 0.01
STARTS_LEAST = 100
Window = tuple[int, int]


class Generator(BaseModel):
    """What the generator cost, and whether it fell behind.

    Attributes:
        cpu_us_per_request: CPU time of the engine's threads by requests started.
        lag_p99_ms: p99 of its own lag; null where there was no second to judge it by.
        limited: It was the limit: do not quote the run.
        workers: Processes that it ran in.
        workers_lost: How many of them ended before the run did; their share of the load is missing.
        memory_max_bytes: The most memory of each process, summed; null where it was not recorded.
        notes: What a reader must know of how the numbers came about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_us_per_request: float | None
    lag_p99_ms: float | None
    limited: bool
    workers: int = 1
    workers_lost: int = 0
    memory_max_bytes: int | None = None
    notes: list[str] = Field(default_factory=list)

    def with_processes(self, workers: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> Generator:
        """Return the verdict with what is known of the processes; a run that lost one did not send what was asked of it."""
        lost = sum(worker["lost"] is not None for worker in workers)
        update = {
            "limited": self.limited or lost > 0,
            "workers": max(len(workers), 1),
            "workers_lost": lost,
            "memory_max_bytes": sum(worker["memory_max_bytes"] for worker in workers) or None,
            "notes": list(notes),
        }
        return self.model_copy(update=update)


def judge_generator(store: Store, window: Window, *, connections_max: int | None, threads: int) -> Generator:
    """Return the verdict on the generator over *window*."""
    lag = own_lag(store, window, connections_max=connections_max, threads=threads)
    lag_p99_ns = lag.quantile(0.99) if lag.count >= STARTS_LEAST else None
    response_p99_ns = store.histogram("load.response_time", window=window).quantile(0.99) or 0.0
    behind = lag_p99_ns is not None and lag_p99_ns > max(LAG_FLOOR_NS, LAG_SHARE * response_p99_ns)
    started = store.total("load.started", window=window)
    cpu_s = store.total("generator.cpu_seconds", window=window)
    return Generator(
        cpu_us_per_request=round(cpu_s * 1e6 / started, 3) if started else None,
        lag_p99_ms=None if lag_p99_ns is None else round(lag_p99_ns / 1e6, 6),
        limited=behind or _cpu_saturated(store, window, threads),
    )


def own_lag(store: Store, window: Window, *, connections_max: int | None, threads: int) -> Histogram:
    """Return the lag of the seconds in which no start waited for a connection."""
    waiting = _at(store, "load.waiting", window)
    open_now = _at(store, "load.connections", window)
    seconds, starts = store.per_second("load.started", window=window)
    merged = Histogram()
    for second, started in zip(seconds.tolist(), starts.tolist(), strict=True):
        if waiting.get(second) or waiting.get(second - 1):
            continue
        # Each thread has its share of the connections: one may be out of them while another has some left.
        if connections_max is not None and open_now.get(second, 0.0) > connections_max - threads:
            continue
        here = (second, second + 1)
        opened = store.histogram("load.phase", labels={"phase": "connect"}, window=here).count
        if opened <= OPENED_SHARE * started:
            merged.merge(store.histogram("load.lag", window=here))
    return merged


def _at(store: Store, name: str, window: Window) -> dict[int, float]:
    seconds, values = store.per_second(name, window=window)
    return dict(zip(seconds.tolist(), values.tolist(), strict=True))


def _cpu_saturated(store: Store, window: Window, threads: int) -> bool:
    _, cpu_s = store.per_second("generator.cpu_seconds", window=window)
    whole = cpu_s[1:-1] if len(cpu_s) > 2 else cpu_s  # the first and last second are parts of one
    return len(whole) > 0 and float(np.median(whole)) > CPU_SATURATED * threads
