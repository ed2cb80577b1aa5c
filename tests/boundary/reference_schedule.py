"""The schedule in plain Python, to hold the Rust one to: SplitMix64, areas under straight lines, sums of gaps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
Stages = list[tuple[int, float, float]]


def mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def units(seed: int) -> Iterator[float]:
    """Uniform numbers in [0, 1) of the run's stream of gaps."""
    state = mix(seed ^ mix(GOLDEN))
    while True:
        state = (state + GOLDEN) & MASK
        yield (mix(state) >> 11) * 2.0**-53


def gamma(drawn: Iterator[float], shape: float) -> float:
    """Marsaglia and Tsang's gamma variable of scale 1."""
    if shape < 1.0:
        thinned = (1.0 - next(drawn)) ** (1.0 / shape)
        return gamma(drawn, shape + 1.0) * thinned
    d = shape - 1.0 / 3.0
    while True:
        radius = math.sqrt(-2.0 * math.log(1.0 - next(drawn)))
        x = radius * math.cos(math.tau * next(drawn))
        v = (1.0 + x / math.sqrt(9.0 * d)) ** 3
        u = 1.0 - next(drawn)
        if v > 0.0 and math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
            return d * v


def gaps(arrivals: str, seed: int, shape: float) -> Iterator[float]:
    """Gaps between one start and the next, in mean gaps."""
    drawn = units(seed)
    while True:
        yield -math.log(1.0 - next(drawn)) if arrivals == "poisson" else gamma(drawn, shape) / shape


def wanted_areas(arrivals: str, seed: int, thread: int, threads: int, shape: float) -> Iterator[float]:
    """Where each of the thread's starts stands: every threads-th of the one sequence."""
    positions = itertools.count() if arrivals == "constant" else itertools.accumulate(gaps(arrivals, seed, shape))
    return (float(at) for at in itertools.islice(positions, thread, None, threads))


def planned(
    stages: Stages, arrivals: str, seed: int = 0, thread: int = 0, threads: int = 1, shape: float = 1.0
) -> Iterator[float]:
    """Nanoseconds at which the area under the rate reaches what is wanted; the area is walked stage by stage."""
    for area in wanted_areas(arrivals, seed, thread, threads, shape):
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
