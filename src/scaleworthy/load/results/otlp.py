"""OpenTelemetry: what was measured as OTLP metrics, histograms as exponential histograms.

Our buckets are log-linear, theirs exponential: a value goes to the bucket of its bucket's middle. At scale 7 a bucket is 0.54 % wide, so a
quantile read from it is within 0.3 % of ours, beside our own 0.1 %.
Source: OpenTelemetry metrics data model, "ExponentialHistogram"; OTLP 1.x, metrics.proto.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from scaleworthy.errors import MissingExtra
from scaleworthy.load.results.table import series_of
from scaleworthy.load.summary import run_window
from scaleworthy.series import Histogram, Store
from scaleworthy.series.model import SeriesKey

if TYPE_CHECKING:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

SCALE = 7
_DELTA = 1


def otlp_request(store: Store) -> bytes:
    """Return the last load run in *store*, one data point a second and series, as an ExportMetricsServiceRequest.

    Raises:
        MissingExtra: opentelemetry-proto is not installed.
    """
    first, end = run_window(store)
    points = []
    for key in series_of(store):
        seconds, values = store.per_second(key, window=(first, end))
        for second, value in zip(seconds.tolist(), values.tolist(), strict=True):
            histogram = key.kind == "histogram"
            points.append((second, key, store.histogram(key, window=(second, second + 1)) if histogram else value))
    return bytes(encode(points, target=str(store.fact("load", "target") or "")).SerializeToString())


def encode(points: Iterable[tuple[int, SeriesKey, Histogram | float]], *, target: str) -> ExportMetricsServiceRequest:
    """Return the message for (second, series, value); deltas, because each second stands for itself."""
    try:
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    except ModuleNotFoundError as error:
        raise MissingExtra("export", needed_for="OTLP") from error
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    for name, text in (("service.name", "scaleworthy"), ("server.address", target)):
        _attribute(resource.resource.attributes.add(), name, text)
    scope = resource.scope_metrics.add()
    scope.scope.name = "scaleworthy.load"
    metrics: dict[tuple[str, str], Any] = {}
    for second, key, value in points:
        metric = metrics.get((key.name, key.kind))
        if metric is None:
            metric = metrics[(key.name, key.kind)] = scope.metrics.add(
                name=f"scaleworthy.{key.name}", unit=_unit(key.unit)
            )
        _add_point(metric, second, key, value)
    return request


def _add_point(metric: Any, second: int, key: SeriesKey, value: Histogram | float) -> None:
    if isinstance(value, Histogram):
        metric.exponential_histogram.aggregation_temporality = _DELTA
        point = metric.exponential_histogram.data_points.add(scale=SCALE, count=value.count, sum=value.sum_ns / 1e9)
        _fill(point, value)
    elif key.kind == "counter":
        metric.sum.aggregation_temporality = _DELTA
        metric.sum.is_monotonic = True
        point = metric.sum.data_points.add(as_double=float(value))
    else:
        point = metric.gauge.data_points.add(as_double=float(value))
    point.start_time_unix_nano = second * 10**9
    point.time_unix_nano = (second + 1) * 10**9
    for name, text in key.labels:
        _attribute(point.attributes.add(), name, text)


def _fill(point: Any, histogram: Histogram) -> None:
    if histogram.count:
        point.min, point.max = (histogram.min_ns or 0) / 1e9, (histogram.max_ns or 0) / 1e9
    counts: Counter[int] = Counter()
    lows, highs, numbers = histogram.buckets()
    for low, high, number in zip(lows, highs, numbers, strict=True):
        middle_s = (float(low) + float(high)) / 2e9
        if middle_s <= 0:
            point.zero_count += int(number)
        else:
            # Bucket i holds values in (base^i, base^(i+1)], base = 2^(2^-scale).
            counts[math.ceil(math.log2(middle_s) * 2**SCALE) - 1] += int(number)
    if counts:
        first = min(counts)
        point.positive.offset = first
        point.positive.bucket_counts.extend(counts[first + at] for at in range(max(counts) - first + 1))


def _attribute(attribute: Any, name: str, text: str) -> None:
    attribute.key = name
    attribute.value.string_value = text


def _unit(unit: str) -> str:
    """Return the unit in UCUM; times are given in seconds."""
    return {"ns": "s", "s": "s", "bytes": "By", "ratio": "1"}.get(unit, f"{{{unit}}}")
