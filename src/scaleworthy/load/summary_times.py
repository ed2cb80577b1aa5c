"""Latencies as a summary tells them: milliseconds, and nothing that too few samples would have to guess."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from scaleworthy.load.result import P99_LEAST, P999_LEAST
from scaleworthy.series import Histogram


class Times(BaseModel):
    """A latency distribution in milliseconds; null where there are too few samples for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None
    mean: float | None = None


def times_of(histogram: Histogram) -> Times:
    """Return a histogram's quantiles in ms; p99 takes 100 samples, p99.9 takes 1,000."""
    if not histogram.count:
        return Times()

    def ms(value_ns: float | None) -> float | None:
        return None if value_ns is None else round(value_ns / 1e6, 6)

    return Times(
        p50=ms(histogram.quantile(0.5)),
        p90=ms(histogram.quantile(0.9)),
        p95=ms(histogram.quantile(0.95)),
        p99=ms(histogram.quantile(0.99)) if histogram.count >= P99_LEAST else None,
        p999=ms(histogram.quantile(0.999)) if histogram.count >= P999_LEAST else None,
        max=ms(histogram.max_ns),
        mean=ms(histogram.mean_ns),
    )
