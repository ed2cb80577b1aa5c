"""Prometheus text exposition of series: names, samples and lines.

Names follow the conventions of Prometheus: base units, `_seconds`, `_total`; the labels are the series' own. Histograms become
cumulative buckets at fixed bounds from 1 ms to 60 s. A bound is exact to the histogram's own 0.1 %.
Source: Prometheus, "Exposition formats" (text version 0.0.4), "Metric and label naming".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scaleworthy._native import Histogram
from scaleworthy.series.model import SeriesKey, Slice

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


def metric_name(key: SeriesKey) -> str:
    """Return the series' name as Prometheus writes it: `load.response_time` is `scaleworthy_load_response_time_seconds`."""
    name = "scaleworthy_" + "".join(char if char.isalnum() else "_" for char in key.name)
    if key.unit in ("ns", "s") and not name.endswith("_seconds"):
        name += "_seconds"
    elif key.unit == "bytes" and not name.endswith("_bytes"):
        name += "_bytes"
    return name + ("_total" if key.kind == "counter" else "")


def samples(key: SeriesKey, value: Histogram | float) -> Iterator[tuple[str, Labels, float]]:
    """Yield (name, labels, value) of a counter's running total, a gauge, or all that was recorded in a histogram."""
    name = metric_name(key)
    if not isinstance(value, Histogram):
        yield name, key.labels, float(value)
        return
    for bound in BOUNDS_S:
        below = value.count - value.count_above(round(bound * 1e9))
        yield f"{name}_bucket", (*key.labels, ("le", f"{bound:g}")), float(below)
    yield f"{name}_bucket", (*key.labels, ("le", "+Inf")), float(value.count)
    yield f"{name}_sum", key.labels, value.sum_ns / 1e9
    yield f"{name}_count", key.labels, float(value.count)


def line(name: str, labels: Labels, value: float) -> str:
    """Return one line of text exposition."""
    pairs = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in labels)
    return f"{name}{{{pairs}}} {value:.12g}" if pairs else f"{name} {value:.12g}"


_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


Families = dict[str, tuple[str, list[str]]]
"""What was said of each metric: the lines that introduce it, and those of its samples."""


def families(slices: Iterable[Slice]) -> Families:
    """Return *slices* (counters' and histograms' totals, gauges' values) as lines by metric."""
    told: Families = {}
    for key, value in slices:
        name = metric_name(key)
        head = f"# HELP {name} {key.name} ({key.unit})\n# TYPE {name} {key.kind}"
        told.setdefault(name, (head, []))[1].extend(line(*sample) for sample in samples(key, value))
    return told


def merged(several: Iterable[Families]) -> str:
    """Return what several processes said as one text, a metric's lines together."""
    told: Families = {}
    for one in several:
        for name, (head, lines) in one.items():
            told.setdefault(name, (head, []))[1].extend(lines)
    return "".join("\n".join((head, *lines)) + "\n" for head, lines in told.values())


def exposition(slices: Iterable[Slice]) -> str:
    """Return *slices* (counters' and histograms' totals, gauges' values) as text exposition, a series' lines together."""
    return merged([families(slices)])
