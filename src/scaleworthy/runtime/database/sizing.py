"""How many connections a pool needs: by Little's law from what was measured, within bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scaleworthy.errors import InvalidInput
from scaleworthy.units import parse_duration_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSizes:
    """Bounds of both pools, and their times.

    Args:
        write, read: Least and most connections to the writer, and to each replica.
        acquire: How long a request waits for a connection.
        idle: After so long unused a connection beyond the least is closed.
    """

    write: tuple[int, int] = (10, 30)
    read: tuple[int, int] = (5, 20)
    acquire: str = "60s"
    idle: str = "600s"

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


def connections_needed(per_s: float, held_s: float, *, spare: float = 2.0) -> int:
    """Return how many connections *per_s* uses a second of *held_s* each keep at work.

    By Little's law per_s · held_s are at work on average; *spare* times its square root more cover what chance adds (the square-root
    staffing rule of M/M/c queues: with 2, less than one in twenty waits).
    """
    load = per_s * held_s
    return max(1, math.ceil(load + spare * math.sqrt(load)))


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
    wanted = connections_needed(per_s / processes, held_s)
    bearable = max(1, 4 * cores // processes)
    top = max(least, min(most, max(wanted, 1) if wanted <= bearable else bearable))
    return least, top
