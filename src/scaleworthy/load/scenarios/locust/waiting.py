"""Wait times: each returns a function of a user (or task set), seconds to wait after a task."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

WaitTime = Callable[[Any], float]


def between(min_wait: float, max_wait: float) -> WaitTime:
    """Wait for a time drawn evenly from *min_wait* to *max_wait*."""
    return lambda _: random.uniform(min_wait, max_wait)


def constant(wait_time: float) -> WaitTime:
    """Wait for the same time always."""
    return lambda _: wait_time


def constant_pacing(wait_time: float) -> WaitTime:
    """Wait so long that a task begins every *wait_time* seconds; not at all where the task took longer."""

    def rest_of_the_pace(user: Any) -> float:
        now_s = time.perf_counter()
        ran_s: float = now_s - user._paced_from_s  # noqa: SLF001 - kept on whatever waits: user or task set
        rest_s = max(wait_time - ran_s, 0.0)
        user._paced_from_s = now_s + rest_s  # noqa: SLF001
        return rest_s

    return rest_of_the_pace


def constant_throughput(task_runs_per_second: float) -> WaitTime:
    """Wait so long that a user runs so many tasks a second."""
    if task_runs_per_second <= 0:
        raise ValueError(f"constant_throughput() takes a rate above 0, got {task_runs_per_second}")
    return constant_pacing(1 / task_runs_per_second)


def poisson(rate: float) -> WaitTime:
    """Wait for an exponential time of mean 1/*rate* seconds."""
    if rate <= 0:
        raise ValueError(f"poisson() takes a rate above 0, got {rate}")
    return lambda _: random.expovariate(rate)
