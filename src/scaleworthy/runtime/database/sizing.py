"""How many connections a pool needs: from how often and how long one was held, within bounds.

Question: with so many requests a second that hold a connection so long, how many connections keep waiting rare?
Model:    M/M/c. Little's law: per_s · held_s = a connections are at work on average. Erlang's C gives the share of requests that find
          c > a connections at work and wait, and their mean wait is held_s / (c - a).
Units:    requests per second; seconds; connections.
Source:   A. K. Erlang, 1917; any text on queues.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from scaleworthy.errors import InvalidInput
from scaleworthy.units import parse_duration_ns

# Statements at work beyond so many per core of the database's machine only wait for each other.
_AT_WORK_PER_CORE = 4
# From fewer uses nothing is concluded.
_USES_LEAST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSizes:
    """Bounds of both pools, and their times.

    Args:
        write, read: Least and most connections to the writer, and to each replica.
        acquire: How long a request waits for a connection.
        idle: After so long unused a connection beyond the least is closed.
        waiting: How many requests may wait for a connection of one server; more are refused at once.
    """

    write: tuple[int, int] = (10, 30)
    read: tuple[int, int] = (5, 20)
    acquire: str = "60s"
    idle: str = "600s"
    waiting: int = 1_000

    def __post_init__(self) -> None:
        """Check all at once.

        Raises:
            InvalidInput: With every value that cannot be.
        """
        problems = [
            f"{name}: 0 < least <= most is wanted, got {least} and {most}"
            for name, (least, most) in (("write", self.write), ("read", self.read))
            if not 0 < least <= most
        ]
        if self.waiting < 1:
            problems.append(f"waiting: at least 1 is wanted, got {self.waiting}")
        if problems:
            raise InvalidInput("these pool sizes cannot be", problems)

    @property
    def acquire_s(self) -> float:
        """How long a request waits, s."""
        return parse_duration_ns(self.acquire) / 1e9

    @property
    def idle_s(self) -> float:
        """How long a connection may be idle, s."""
        return parse_duration_ns(self.idle) / 1e9


class Usage:
    """How often a pool's connections were held, and how long: measured, since it was last asked for a size."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since = now()
        self._uses = 0
        self._held_s = 0.0

    def add(self, held_s: float) -> None:
        """Note one use."""
        self._uses += 1
        self._held_s += held_s

    def size(self, before: tuple[int, int], *, processes: int, cores: int, bounds: tuple[int, int]) -> tuple[int, int]:
        """Return least and most connections for what was measured, and begin to measure anew; *before* where that was too little."""
        now = self._now()
        uses, held_s, took_s = self._uses, self._held_s, now - self._since
        if uses < _USES_LEAST or took_s <= 0:
            return before
        self._since, self._uses, self._held_s = now, 0, 0.0
        return sizes_for(processes * uses / took_s, held_s / uses, processes=processes, cores=cores, bounds=bounds)


def waiting_share(connections: int, at_work: float) -> float:
    """Return the share of requests that wait where *at_work* of *connections* are held on average (Erlang's C); 1: they all do."""
    if at_work >= connections:
        return 1.0
    blocked = 1.0
    for number in range(1, connections + 1):
        blocked = at_work * blocked / (number + at_work * blocked)
    return connections * blocked / (connections - at_work * (1 - blocked))


def mean_wait_s(connections: int, per_s: float, held_s: float) -> float:
    """Return how long a request waits for one of *connections* on average, those that do not wait among them; infinite: ever longer."""
    at_work = per_s * held_s
    if at_work >= connections:
        return math.inf
    return waiting_share(connections, at_work) * held_s / (connections - at_work)


def connections_needed(per_s: float, held_s: float, *, waiting: float = 0.05) -> int:
    """Return the fewest connections with which at most the share *waiting* of *per_s* uses a second of *held_s* each wait."""
    at_work = per_s * held_s
    connections = max(1, math.floor(at_work) + 1)
    while waiting_share(connections, at_work) > waiting:
        connections += 1
    return connections


def sizes_for(per_s: float, held_s: float, *, processes: int, cores: int, bounds: tuple[int, int]) -> tuple[int, int]:
    """Return least and most connections of one process's pool.

    Args:
        per_s: Uses a second of all processes together.
        held_s: Mean time a connection is held, s.
        processes: How many share the load.
        cores: Of the database's machine: more than some four statements at work per core only wait for each other.
        bounds: Never fewer than the first, never more than the second.
    """
    least, most = bounds
    bearable = max(1, _AT_WORK_PER_CORE * cores // processes)
    wanted = min(connections_needed(per_s / processes, held_s), bearable)
    return least, max(least, min(most, wanted))
