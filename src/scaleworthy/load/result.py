"""What a load run and a search for the limit found: plain data that reports, capacity and JSON share.

Units are in the names; `_ns` values come from merged histograms, never from averaged percentiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scaleworthy.series import Histogram

Unit = Literal["rate", "users", "connections"]
"""What a search counts: scenario starts per second, concurrent users, or users who each keep a connection of their own."""
P99_LEAST = 100
P999_LEAST = 1_000


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A latency distribution in nanoseconds, with its sample count; None where there are too few samples."""

    count: int
    p50_ns: float | None
    p90_ns: float | None
    p95_ns: float | None
    p99_ns: float | None
    p999_ns: float | None
    max_ns: float | None
    mean_ns: float | None
    p95_interval_ns: tuple[float, float] | None = None
    p99_interval_ns: tuple[float, float] | None = None


def quantiles_of(histogram: Histogram) -> Quantiles:
    """Return a histogram's quantiles; p99 takes 100 samples, p99.9 takes 1,000."""
    count = histogram.count

    def quantile(q: float, least: int = 1) -> float | None:
        return histogram.quantile(q) if count >= least else None

    return Quantiles(
        count=count,
        p50_ns=quantile(0.5),
        p90_ns=quantile(0.9),
        p95_ns=quantile(0.95),
        p99_ns=quantile(0.99, P99_LEAST),
        p999_ns=quantile(0.999, P999_LEAST),
        max_ns=histogram.max_ns if count else None,
        mean_ns=histogram.mean_ns if count else None,
        p95_interval_ns=histogram.quantile_interval(0.95),
        p99_interval_ns=histogram.quantile_interval(0.99),
    )


@dataclass(frozen=True, slots=True)
class Probe:
    """One level that the search tried.

    Attributes:
        level: Starts per second, users or connections that were asked for.
        start_s: Unix second of the first judged second (warm-up left out).
        end_s: Unix second after the last judged one.
        requests_per_s: Answered per second, as reached.
        connections_mean: Connections open, on average.
        in_flight_mean: Requests being served, on average (Little: rate × service time).
        passed: True, False, or None when the interval still holds the limit.
        binding: The objective that failed, or came nearest to failing, as text.
        margin: How far the binding objective was from its limit, as a ratio of the limit: above 0 passes.
        ended_early: Why the probe was cut short, if it was.
        recovery_s: Seconds until in-flight was back at its baseline after the probe; None if it never was.
        phase: Which part of the search asked for it.
    """

    level: float
    start_s: int
    end_s: int
    planned: int
    answered: int
    failed: int
    not_started: int
    requests_per_s: float
    response: Quantiles
    service: Quantiles
    lag_p99_ns: float | None
    in_flight_mean: float
    passed: bool | None
    binding: str
    margin: float
    ended_early: str | None
    recovery_s: float | None
    phase: Literal["bracket", "refine", "confirm", "sudden"]
    connections_mean: float = 0.0


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that the target takes within its objectives.

    Attributes:
        passing: Highest level that held; None when none did.
        failing: Lowest level that did not; None when nothing failed (see `stopped_by`).
        estimate: Where the fitted margin crosses zero.
        interval: 95 % interval of the limit.
        binding: The objective that decides, as text.
        shape: Does latency rise smoothly into the limit, or fall off a cliff?
        generator_max: Highest level at which the generator itself kept its lag under 1 ms.
        headroom: generator_max / failing (or passing): under 1.25 the search refuses to go on.
        monotonic: False when a higher level passed where a lower one failed.
        stopped_by: `found`, `generator`, `max-level`, `time`, `never-held`, or `interrupted`.
        reasons: What a reader must know before using the limit, in sentences.
        sudden_passing: Highest level that held when the load came at once, from a tenth of it; None where none did or none was tried.
        sudden_failing: Lowest such level that broke; None where none did.
        sudden: Every sudden step, judged from its first second.
    """

    unit: Unit
    objectives: tuple[str, ...]
    passing: float | None
    failing: float | None
    estimate: float | None
    interval: tuple[float, float] | None
    binding: str
    shape: Literal["smooth", "cliff", "unknown"]
    generator_max: float | None
    headroom: float | None
    monotonic: bool
    stopped_by: Literal["found", "generator", "max-level", "time", "never-held", "interrupted"]
    confirmed: bool
    seconds: float
    probes: tuple[Probe, ...]
    reasons: tuple[str, ...] = ()
    sudden_passing: float | None = None
    sudden_failing: float | None = None
    sudden: tuple[Probe, ...] = ()
