"""How long one call takes: whole runs of it, ours and the peers' in turns, the medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping


def calls_us(of: Mapping[str, Callable[[], object]], *, calls: int, repeats: int) -> dict[str, float]:
    """Return the median time of a call of each, in µs, without that of the loop around it."""
    times: dict[str, list[float]] = {name: [] for name in of}
    for _ in range(repeats):
        empty = _loop_ns(calls)
        for name, call in of.items():
            start = time.perf_counter_ns()
            for _ in range(calls):
                call()
            times[name].append((time.perf_counter_ns() - start - empty) / calls / 1e3)
    return {name: statistics.median(taken) for name, taken in times.items()}


async def awaits_us(of: Mapping[str, Callable[[], Awaitable[object]]], *, calls: int, repeats: int) -> dict[str, float]:
    """Return the median time of an awaited call of each, in µs, without that of the loop around it."""
    times: dict[str, list[float]] = {name: [] for name in of}
    for _ in range(repeats):
        empty = _loop_ns(calls)
        for name, call in of.items():
            start = time.perf_counter_ns()
            for _ in range(calls):
                await call()
            times[name].append((time.perf_counter_ns() - start - empty) / calls / 1e3)
    return {name: statistics.median(taken) for name, taken in times.items()}


def _loop_ns(calls: int) -> int:
    start = time.perf_counter_ns()
    for _ in range(calls):
        pass
    return time.perf_counter_ns() - start
