"""An M/M/c queue in virtual time that answers like the engine: exact arrivals, starts and ends, one second of slices at a time.

Its limit is known in closed form, so a search over it can be judged. Source of the distribution: the response time of M/M/c is
the wait (0 with probability 1 - C, else Exp(cμ - λ), C Erlang's delay formula) plus an independent service Exp(μ);
L. Kleinrock, Queueing Systems 1 (1975), 3.5.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from scaleworthy.series import Histogram, SeriesKey, Slice

FIRST_SECOND = 1_000_000


def erlang_c(servers: int, load: float) -> float:
    """Probability that an arrival waits; *load* is λ/μ, below *servers*."""
    blocked = 1.0  # Erlang's B, by its recursion over the number of servers
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def response_exceeds(at_s: float, *, rate: float, servers: int, mu: float) -> float:
    """P(response time > at_s) of M/M/c in equilibrium."""
    waits = erlang_c(servers, rate / mu)
    theta = servers * mu - rate
    if math.isclose(theta, mu):
        both = (1 + mu * at_s) * math.exp(-mu * at_s)
    else:
        both = (theta * math.exp(-mu * at_s) - mu * math.exp(-theta * at_s)) / (theta - mu)
    return (1 - waits) * math.exp(-mu * at_s) + waits * both


def true_limit(*, servers: int, mu: float, quantile: float, limit_s: float) -> float:
    """The rate at which the quantile of the response time reaches *limit_s*; 0 where it never holds."""
    low, high = 0.0, servers * mu * (1 - 1e-9)
    if math.exp(-mu * limit_s) >= 1 - quantile:
        return 0.0
    for _ in range(200):
        middle = (low + high) / 2
        if response_exceeds(limit_s, rate=middle, servers=servers, mu=mu) < 1 - quantile:
            low = middle
        else:
            high = middle
    return low


def key(name: str, kind: str, unit: str) -> SeriesKey:
    return SeriesKey(name, (("step", "get"),), unit, kind)  # type: ignore[arg-type]


PLAIN = {
    name: SeriesKey(name, (), unit, "gauge")
    for name, unit in (("load.in_flight", "requests"), ("load.waiting", "requests"), ("load.target", ""))
}
COUNTERS = {
    name: key(f"load.{name}", "counter", "requests")
    for name in ("planned", "started", "answered", "failed", "not_started")
}
TIMES = {name: key(f"load.{name}", "histogram", "ns") for name in ("response_time", "service_time", "lag")}


@dataclass
class SimulatedQueue:
    """A driver (see scaleworthy.load.limit.driver) over an M/M/c queue.

    Attributes:
        service_s: Service times of so many requests at a level; Exp(μ) unless replaced.
        fails: Probability that a request fails at a level.
        users_think_s: Where given, levels are users: each thinks for this long (mean), sends, waits.
    """

    servers: int
    mu: float
    seed: int
    lag_ns: Callable[[float], int] = lambda level: 20_000
    fails: Callable[[float], float] = lambda level: 0.0
    slower: Callable[[float], float] = lambda level: 1.0
    level: float = 0.0
    now: float = 0.0
    sent: int = 0
    _free: list[float] = field(default_factory=list)
    _under_way: list[tuple[float, float, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self._free = [0.0] * self.servers

    def set_level(self, level: float) -> None:
        self.level = level

    def next_second(self) -> tuple[int, list[Slice]]:
        """Let one second pass and return it."""
        start = self.now
        self.now = end = start + 1.0
        count = int(self.random.poisson(min(self.level, 1e6)))
        self.sent += count
        arrivals = np.sort(self.random.random(count)) + start
        services = self.random.exponential(self.slower(self.level) / self.mu, count)
        failing = self.random.random(count) < self.fails(self.level)
        free, under_way = self._free, self._under_way
        for arrival, service, fails in zip(arrivals.tolist(), services.tolist(), failing.tolist(), strict=True):
            done = max(arrival, free[0]) + service
            heapq.heapreplace(free, done)
            heapq.heappush(under_way, (done, arrival, fails))
        response, failed = Histogram(), 0
        answered = 0
        while under_way and under_way[0][0] < end:
            done, arrival, fails = heapq.heappop(under_way)
            response.record(round((done - arrival) * 1e9))
            answered += 1
            failed += fails
        lag = Histogram()
        if count:
            lag.record(self.lag_ns(self.level), count)
        counts = {"planned": count, "started": count, "answered": answered, "failed": failed, "not_started": 0}
        slices: list[Slice] = [(COUNTERS[name], float(value)) for name, value in counts.items()]
        slices += [(TIMES["response_time"], response), (TIMES["service_time"], response), (TIMES["lag"], lag)]
        slices += [
            (PLAIN["load.in_flight"], float(len(under_way))),
            (PLAIN["load.waiting"], 0.0),
            (PLAIN["load.target"], float(self.level)),
        ]
        return FIRST_SECOND + int(start), slices
