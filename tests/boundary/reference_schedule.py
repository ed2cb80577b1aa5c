"""The schedule in plain Python, to hold the Rust one to: SplitMix64, areas under straight lines, sums of gaps."""

from __future__ import annotations

import math
from collections.abc import Iterator

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
Stages = list[tuple[int, float, float]]


def mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def units(seed: int, thread: int) -> Iterator[float]:
    """Uniform numbers in [0, 1) of one thread's stream."""
    state = mix(seed ^ mix((thread + GOLDEN) & MASK))
    while True:
        state = (state + GOLDEN) & MASK
        yield (mix(state) >> 11) * 2.0**-53


def wanted_areas(arrivals: str, seed: int, thread: int, threads: int) -> Iterator[float]:
    if arrivals == "constant":
        index = thread
        while True:
            yield float(index)
            index += threads
    area = 0.0
    for unit in units(seed, thread):
        area += -math.log(1.0 - unit) * threads
        yield area


def planned(stages: Stages, arrivals: str, seed: int = 0, thread: int = 0, threads: int = 1) -> Iterator[float]:
    """Nanoseconds at which the area under the rate reaches what is wanted; the area is walked stage by stage."""
    for area in wanted_areas(arrivals, seed, thread, threads):
        start_ns, left = 0, area
        for duration_ns, low, high in stages:
            seconds = duration_ns / 1e9
            inside = (low + high) / 2 * seconds
            if left < inside * (1 - 1e-12):
                slope = (high - low) / seconds
                root = math.sqrt(max(0.0, low * low + 2 * slope * left))
                yield start_ns + (left / low if low == high else 2 * left / (low + root) if low + root else 0.0) * 1e9
                break
            start_ns, left = start_ns + duration_ns, left - inside
        else:
            return


def users(stages: Stages, at_ns: int) -> int:
    start_ns = 0
    for duration_ns, low, high in stages:
        if at_ns < start_ns + duration_ns:
            return math.floor(low + (high - low) * (at_ns - start_ns) / duration_ns + 0.5)
        start_ns += duration_ns
    return math.floor(stages[-1][2] + 0.5)
