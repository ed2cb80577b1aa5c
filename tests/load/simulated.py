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
        return FIRST_SECOND + int(start), self._slices(count, answered, failed, response)

    def _slices(self, count: int, answered: int, failed: int, response: Histogram) -> list[Slice]:
        lag = Histogram()
        if count:
            lag.record(self.lag_ns(self.level), count)
        counts = {"planned": count, "started": count, "answered": answered, "failed": failed, "not_started": 0}
        slices: list[Slice] = [(COUNTERS[name], float(value)) for name, value in counts.items()]
        slices += [(TIMES["response_time"], response), (TIMES["service_time"], response), (TIMES["lag"], lag)]
        slices += [
            (PLAIN["load.in_flight"], float(len(self._under_way))),
            (PLAIN["load.waiting"], 0.0),
            (PLAIN["load.target"], float(self.level)),
        ]
        return slices


def users_exceed(at_s: float, *, users: int, think_s: float, servers: int, mu: float) -> float:
    """P(response time > at_s) with *users* who think (Exp, mean *think_s*), ask, and wait for one of *servers*.

    An arriving user sees the queue that all others make in equilibrium (the arrival theorem, Sevcik & Mitrani, J. ACM 28 (1981) 358),
    a birth-death process; it waits for as many departures as make a server free, then is served.
    """
    others = users - 1
    weights = [1.0]
    for here in range(1, others + 1):
        weights.append(weights[-1] * (others - here + 1) / think_s / (min(here, servers) * mu))
    whole = sum(weights)
    exceeded = 0.0
    for here, weight in enumerate(weights):
        exceeded += weight / whole * _exceeds(max(here - servers + 1, 0), at_s, servers * mu, mu)
    return exceeded


def _exceeds(departures: int, at_s: float, rate: float, mu: float) -> float:
    """P(Erlang(departures, rate) + Exp(mu) > at_s), by the Poisson sums of both."""
    if departures == 0:
        return math.exp(-mu * at_s)
    below = rate * at_s
    term = tail = math.exp(-below)  # P(Erlang > at_s): fewer departures than that by then
    for count in range(1, departures):
        term *= below / count
        tail += term
    if math.isclose(rate, mu):
        return tail + math.exp(-below + departures * math.log(below) - math.lgamma(departures + 1))
    # P(Erlang <= at_s, and the service is longer than what is left) by tilting the Erlang density by exp(mu t).
    tilted = (rate - mu) * at_s
    if tilted > 0:
        term = inner = math.exp(-tilted)
        for count in range(1, departures):
            term *= tilted / count
            inner += term
        return tail + (rate / (rate - mu)) ** departures * math.exp(-mu * at_s) * (1 - inner)
    raise ValueError("servers together are slower than one of them")


def true_users(*, think_s: float, servers: int, mu: float, quantile: float, limit_s: float) -> float:
    """The number of users at which the quantile of the response time reaches *limit_s*, between two whole numbers by a line."""
    last, users = 0.0, 1
    while True:
        exceeded = users_exceed(limit_s, users=users, think_s=think_s, servers=servers, mu=mu)
        if exceeded >= 1 - quantile:
            return users - 1 + (1 - quantile - last) / (exceeded - last)
        last, users = exceeded, users + 1


@dataclass
class SimulatedUsers(SimulatedQueue):
    """The same queue, asked by users who think, ask, and wait for the answer; a level is how many there are.

    Attributes:
        think_s: Mean of the exponential time that a user thinks.
    """

    think_s: float = 1.0
    _asks: list[float] = field(default_factory=list)

    def set_level(self, level: float) -> None:
        """New users ask within their first think time; what is too many leaves after its answer."""
        self.level = level
        while len(self._asks) < level:
            self._asks.append(self.now + float(self.random.exponential(self.think_s)))
        self._asks = sorted(self._asks)[: round(level)]  # sorted is a heap too

    def next_second(self) -> tuple[int, list[Slice]]:
        """Let one second pass and return it."""
        start = self.now
        self.now = end = start + 1.0
        asks, free, under_way = self._asks, self._free, self._under_way
        count = 0
        while asks and asks[0] < end:
            at = asks[0]
            done = max(at, free[0]) + float(self.random.exponential(1 / self.mu))
            heapq.heapreplace(free, done)
            heapq.heappush(under_way, (done, at, False))
            heapq.heapreplace(asks, done + float(self.random.exponential(self.think_s)))
            count += 1
        self.sent += count
        response, answered = Histogram(), 0
        while under_way and under_way[0][0] < end:
            done, at, _ = heapq.heappop(under_way)
            response.record(round((done - at) * 1e9))
            answered += 1
        return FIRST_SECOND + int(start), self._slices(count, answered, 0, response)
