"""Does find-limit find the limit, how precisely, how soon, and is its interval honest?

The search's own code runs on simulated M/M/c queues in virtual time, whose limit is known in closed form, many seeds each: exact arrivals
and services, the same slices a second as the engine's. Two of the queues are easy (hundreds of requests per second and more), one has
rare long bursts (p99 at 94 % use), one is slow (one server, 170/s), where chance alone moves the p95 of two minutes by a tenth. Not
here: real targets, whose limit nobody knows. No peer: no tool at hand searches by itself.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "load"))

from simulated import SimulatedQueue, true_limit

from rows import Row, arguments, row, show
from scaleworthy.load.limit.search import Search
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.result import Limit
from scaleworthy.series import MemoryStore


@dataclass(frozen=True, slots=True)
class Queue:
    """So many servers at so many requests per second each, and what must hold."""

    servers: int
    mu: float
    percent: int
    limit_ms: float

    @property
    def name(self) -> str:
        """As the rows show it."""
        return f"M/M/{self.servers}, {self.mu:g}/s a server, p{self.percent} < {self.limit_ms:g} ms"

    @property
    def truth(self) -> float:
        """The limit in closed form."""
        return true_limit(servers=self.servers, mu=self.mu, quantile=self.percent / 100, limit_s=self.limit_ms / 1e3)


QUEUES = (Queue(1, 1000, 95, 20), Queue(4, 200, 95, 40), Queue(8, 100, 99, 100), Queue(1, 200, 95, 100))


def search(queue: Queue, seed: int, settings: SearchSettings) -> Limit:
    """Return what one search found."""
    driver = SimulatedQueue(queue.servers, queue.mu, seed)
    objectives = [f"p{queue.percent} < {queue.limit_ms:g}ms", "failed < 1%"]
    return Search(driver, MemoryStore(), objectives=objectives, settings=settings).run()


def rows_of(queue: Queue, found: list[Limit]) -> list[Row]:
    """Return the rows of one queue."""
    truth, count = queue.truth, len(found)
    inside = sum(limit.interval is not None and limit.interval[0] <= truth <= limit.interval[1] for limit in found)
    near = sum(limit.estimate is not None and abs(limit.estimate / truth - 1) <= 0.05 for limit in found)
    below = sum((limit.passing or 0.0) <= truth for limit in found)
    errors = [abs(limit.estimate / truth - 1) for limit in found if limit.estimate is not None]
    widths = [(limit.interval[1] - limit.interval[0]) / 2 / truth for limit in found if limit.interval is not None]
    note = f"n={count}; truth {truth:.4g}/s; median error {statistics.median(errors):.1%}; interval ±{statistics.median(widths):.1%}"
    return [
        row(f"{queue.name}: interval holds the truth", "of searches", inside / count, least=0.95, note=note),
        row(f"{queue.name}: lower bound at or below it", "of searches", below / count, least=0.95),
        row(f"{queue.name}: estimate within 5 %", "of searches", near / count, least=0.95),
        row(f"{queue.name}: longest search", "s, simulated", max(limit.seconds for limit in found), most=300),
    ]


def main() -> int:
    """Search and print."""
    options = arguments(__doc__).parse_args()
    rows: list[Row] = []
    for queue in QUEUES:
        seeds = range(10 if options.quick else 100)
        rows += rows_of(queue, [search(queue, seed, SearchSettings()) for seed in seeds])
        print(f"  {queue.name}: done", file=sys.stderr)
    return show("find_limit", rows, options)


if __name__ == "__main__":
    sys.exit(main())
