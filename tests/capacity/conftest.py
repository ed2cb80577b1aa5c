"""A service whose costs are known exactly, measured into a store: what capacity must find again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import pytest

from scaleworthy.load.result import Limit, Probe, Quantiles
from scaleworthy.series import MemoryStore, SeriesKey

EMPTY = Quantiles(0, None, None, None, None, None, None, None)


@dataclass(frozen=True)
class Service:
    """Costs in core-seconds per request, bases in cores; `noise` is the relative scatter of single seconds."""

    http_s: float = 0.004
    http_base: float = 0.05
    postgres_s: float = 0.002
    postgres_base: float = 0.02
    generator_s: float = 0.0001
    held_s: float = 0.010
    other_s: float = 0.0002
    cpus: float = 2.0
    noise: float = 0.0
    seed: int = 1
    facts: dict = field(default_factory=dict)

    def measure(self, rates: Sequence[float], *, seconds: int = 10) -> tuple[MemoryStore, Limit]:
        """Return a store with each rate held for *seconds*, and a search whose last rate failed."""
        store, random, at = MemoryStore(), Random(self.seed), 1_000
        probes = []
        for number, rate in enumerate(rates):
            for second in range(at, at + seconds):
                self._second(store, second, rate, random)
            probes.append(probe(rate, at, at + seconds, passed=number < len(rates) - 1))
            at += seconds + 3
        return store, limit(probes)

    def _second(self, store: MemoryStore, second: int, rate: float, random: Random) -> None:
        def noisy(value: float) -> float:
            return value * (1 + self.noise * random.gauss(0, 1))

        http = noisy(self.http_base + self.http_s * rate)
        postgres = noisy(self.postgres_base + self.postgres_s * rate)
        generator = noisy(self.generator_s * rate)
        busy = http + postgres + generator + self.other_s * rate
        store.append(
            second,
            [
                (SeriesKey.of("load.answered", "counter", "requests", {"step": "list"}), rate),
                (SeriesKey.of("load.bytes_received", "counter", "bytes", {"step": "list"}), 2_000 * rate),
                (SeriesKey.of("generator.cpu_seconds", "counter", "s"), generator),
                (SeriesKey.of("process.cpu_seconds", "counter", "s", {"role": "http"}), http),
                (SeriesKey.of("process.cpu_seconds", "counter", "s", {"role": "postgres"}), postgres),
                (SeriesKey.of("process.count", "gauge", "processes", {"role": "http"}), 1.0),
                (SeriesKey.of("host.cpu", "gauge", "ratio"), busy / self.cpus),
                (SeriesKey.of("host.cpus", "gauge", "cores"), self.cpus),
                (SeriesKey.of("host.disk_busy", "gauge", "ratio"), 0.01),
                (SeriesKey.of("postgres.connections", "gauge", "connections", {"state": "active"}), self.held_s * rate),
                (SeriesKey.of("postgres.connections", "gauge", "connections", {"state": "idle"}), 8.0),
                (SeriesKey.of("postgres.connections_used", "gauge", "connections"), 8.0 + self.held_s * rate),
                (SeriesKey.of("postgres.connections_max", "gauge", "connections"), 100.0),
            ],
        )


def probe(rate: float, start: int, end: int, *, passed: bool | None, level: float | None = None) -> Probe:
    """Return a probe that answered *rate* per second for its whole length."""
    count = round(rate * (end - start))
    return Probe(
        level=level or rate,
        start_s=start,
        end_s=end,
        planned=count,
        answered=count,
        failed=0,
        not_started=0,
        requests_per_s=rate,
        response=EMPTY,
        service=EMPTY,
        lag_p99_ns=None,
        in_flight_mean=rate * 0.01,
        passed=passed,
        binding="p95 < 200ms",
        margin=0.1 if passed else -0.1,
        ended_early=None,
        recovery_s=None,
        phase="bracket",
    )


def limit(probes: Sequence[Probe], **changed: object) -> Limit:
    """Return a search over *probes*: the highest that passed, the lowest that failed."""
    held = [p.level for p in probes if p.passed]
    broke = [p.level for p in probes if p.passed is False]
    fields: dict = {
        "unit": "rate",
        "objectives": ("p95 < 200ms",),
        "passing": max(held, default=None),
        "failing": min(broke, default=None),
        "estimate": max(held, default=None),
        "interval": (0.95 * max(held), 1.05 * max(held)) if held else None,
        "binding": "p95 < 200ms",
        "shape": "smooth",
        "generator_max": None,
        "headroom": None,
        "monotonic": True,
        "stopped_by": "found" if held else "never-held",
        "confirmed": True,
        "seconds": 60.0,
        "probes": tuple(probes),
    }
    return Limit(**{**fields, **changed})


@pytest.fixture
def service() -> Service:
    return Service()
