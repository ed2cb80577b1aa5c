"""Response time against load, one colour a stage: where each stage leaves its objective, and what it still answers there.

The line is the quantile that the latency objective names (p95 without one), each point with its 95 % interval; the band
runs from p50 to p99. A filled point held its objectives, a hollow one did not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import altair as alt
from markupsafe import Markup

from scaleworthy.load.result import Limit, Quantiles
from scaleworthy.report import numbers
from scaleworthy.report.charts.frame import (
    MS_LABEL,
    Canvas,
    chart_of,
    colour,
    inline,
    log_ticks,
    padded_log,
    rows_without_overlap,
)
from scaleworthy.report.model import Stage
from scaleworthy.units import parse_duration_ns, three_digits

MS = 1e6
_OBJECTIVE = re.compile(r"\s*(p50|p90|p95|p99|p999)\b[^<{]*<\s*([\d.]+\s*(?:ns|us|µs|ms|s|m))\b")
_LEVEL_LABEL = "format(datum.value, ',.3~r')"


def latency_objective(objectives: Sequence[str]) -> tuple[str, float] | None:
    """Return (quantile, nanoseconds) of the first objective on a response-time quantile."""
    for text in objectives:
        if found := _OBJECTIVE.match(text):
            return found[1], float(parse_duration_ns(found[2]))
    return None


def drawable(stages: Sequence[Stage]) -> bool:
    """Is there a probe to draw?"""
    return any(probe.answered and probe.level > 0 and probe.response.p50_ns for s in stages for probe in s.probes)


def response_chart(stages: Sequence[Stage], objectives: Sequence[str]) -> Markup:
    """Draw response time against the load asked for."""
    objective = latency_objective(objectives)
    quantile = objective[0] if objective else "p95"
    rows = [row for index, stage in enumerate(stages) for row in _rows(index, stage, quantile)]
    alternative = f"Response time {quantile} against load. " + " ".join(_told(stage) for stage in stages)
    return inline("response", alternative, lambda canvas: _response(canvas, stages, rows, objective))


def answered_chart(stages: Sequence[Stage]) -> Markup:
    """Draw what was answered against what was asked for: the line leaves the diagonal where the service is full."""
    rows = [
        {"stage": str(i), "level": p.level, "answered": p.requests_per_s, "held": p.passed is True}
        for i, stage in enumerate(stages)
        for p in sorted(stage.probes, key=lambda p: p.level)
        if p.level > 0 and p.requests_per_s > 0
    ]
    alternative = "Requests answered per second against requests asked for; the diagonal is every request answered."
    return inline("answered", alternative, lambda canvas: _answered(canvas, stages, rows))


def _rows(index: int, stage: Stage, quantile: str) -> list[dict[str, Any]]:
    rows = []
    for probe in sorted(stage.probes, key=lambda p: p.level):
        value = _value(probe.response, quantile)
        if value is None or probe.level <= 0:
            continue
        bounds = getattr(probe.response, f"{quantile}_interval_ns", None) or (value, value)
        middle, top = probe.response.p50_ns or value, probe.response.p99_ns or value
        rows.append(
            {
                "stage": str(index),
                "level": probe.level,
                "value": value / MS,
                "low": max(bounds[0], 1.0) / MS,
                "high": bounds[1] / MS,
                "bottom": min(middle, value) / MS,
                "top": max(top, value) / MS,
                "held": probe.passed is True,
            }
        )
    return rows


def _value(quantiles: Quantiles, quantile: str) -> float | None:
    value: float | None = getattr(quantiles, f"{quantile}_ns")
    return value or None


def _response(
    canvas: Canvas, stages: Sequence[Stage], rows: list[dict[str, Any]], objective: tuple[str, float] | None
) -> Any:
    y_values = [row[end] for row in rows for end in ("bottom", "top", "low", "high")]
    y_domain = padded_log([*y_values, objective[1] / MS] if objective else y_values)
    y_scale = alt.Scale(type="log", domain=y_domain, nice=False)
    y_axis = alt.Axis(values=log_ticks(*y_domain, 9), labelExpr=MS_LABEL)
    y = alt.Y("value:Q", title=None, scale=y_scale, axis=y_axis)
    base = chart_of(rows).encode(x=_x(canvas, stages), color=_tint(len(stages)))
    layers = [
        base.mark_area(opacity=0.14).encode(y=alt.Y("bottom:Q", scale=y_scale), y2="top:Q"),
        *_objective_line(objective, y_scale),
        base.mark_rule(strokeWidth=1.25).encode(y=alt.Y("low:Q", scale=y_scale), y2="high:Q"),
        base.mark_line(strokeWidth=1.75).encode(y=y),
        *_points(canvas, stages, rows, y),
        *_limits(canvas, stages),
    ]
    return alt.layer(*layers).properties(width=canvas.width, height=260 if canvas.narrow else 330)


def _answered(canvas: Canvas, stages: Sequence[Stage], rows: list[dict[str, Any]]) -> Any:
    domain = _domain(stages)
    y_domain = padded_log([*(row["answered"] for row in rows), domain[1]], 1.05)
    y_scale = alt.Scale(type="log", domain=y_domain, nice=False)
    y = alt.Y("answered:Q", title=None, scale=y_scale)
    y = y.axis(values=log_ticks(*y_domain, 6), labelExpr=_LEVEL_LABEL)
    base = chart_of(rows).encode(x=_x(canvas, stages), color=_tint(len(stages)), y=y)
    low, high = max(domain[0], y_domain[0]), min(domain[1], y_domain[1])
    ends = [{"level": low, "answered": low}, {"level": high, "answered": high}]
    diagonal = chart_of(ends).mark_line(color="var(--muted)", strokeWidth=1, strokeDash=[2, 3])
    return alt.layer(
        diagonal.encode(x=_x(canvas, stages), y=y), base.mark_line(strokeWidth=1.75), *_points(canvas, stages, rows, y)
    ).properties(width=canvas.width, height=170)


def _domain(stages: Sequence[Stage]) -> tuple[float, float]:
    return padded_log([probe.level for stage in stages for probe in stage.probes if probe.level > 0], 1.12)


def _x(canvas: Canvas, stages: Sequence[Stage]) -> alt.X:
    domain = _domain(stages)
    unit = stages[0].limit.unit
    title = "requests per second asked for" if unit == "rate" else unit
    x = alt.X("level:Q", title=title).scale(type="log", domain=domain, nice=False)
    return x.axis(values=log_ticks(*domain, 6 if canvas.narrow else 12), labelExpr=_LEVEL_LABEL)


def _tint(count: int) -> alt.Color:
    names = [str(index) for index in range(count)]
    tints = [colour("s", index) for index in range(count)]
    return alt.Color("stage:N", legend=None).scale(domain=names, range=tints)


def _points(canvas: Canvas, stages: Sequence[Stage], rows: list[dict[str, Any]], y: alt.Y) -> list[alt.Chart]:
    """A filled point held; a hollow one, filled with the page's colour so that no line shows through it, did not."""
    x, tint = _x(canvas, stages), _tint(len(stages))
    held, broken = ([row for row in rows if row["held"] is wanted] for wanted in (True, False))
    charts = []
    if held:
        charts.append(chart_of(held).mark_point(filled=True, size=46, opacity=1).encode(x=x, y=y, color=tint))
    if broken:
        hollow = chart_of(broken).mark_point(fill="var(--paper)", strokeWidth=1.5, size=40, opacity=1)
        charts.append(hollow.encode(x=x, y=y, color=tint))
    return charts


def _objective_line(objective: tuple[str, float] | None, scale: alt.Scale) -> list[alt.Chart]:
    if objective is None:
        return []
    quantile, limit_ns = objective
    data = [{"limit": limit_ns / MS, "text": f"{quantile} < {numbers.nanoseconds(limit_ns)}"}]
    base = chart_of(data).encode(y=alt.Y("limit:Q", scale=scale))
    return [
        base.mark_rule(color="var(--ink)", strokeDash=[5, 4], strokeWidth=1),
        base.mark_text(align="left", baseline="bottom", dx=4, dy=-3, color="var(--ink)", fontSize=12).encode(
            x=alt.value(0), text="text:N"
        ),
    ]


def _limits(canvas: Canvas, stages: Sequence[Stage]) -> list[alt.Chart]:
    """Mark each stage's limit: its interval as a stripe, the value above the plot, in rows where values would touch."""
    low, high = _domain(stages)
    span = math.log(high / low)
    known = sorted(
        (value, index)
        for index, stage in enumerate(stages)
        if (value := limit_of(stage.limit)) and low <= value <= high
    )
    at_px = [math.log(value / low) / span * canvas.plot_px for value, _ in known]
    texts = [three_digits(value) for value, _ in known]
    heights = rows_without_overlap(at_px, [7.5 * len(text) for text in texts])
    data = [
        {
            "level": value,
            "stage": str(index),
            "text": text,
            "low": max(low, (stages[index].limit.interval or (value, value))[0]),
            "high": min(high, (stages[index].limit.interval or (value, value))[1]),
            "row": -8 - 15 * height,
        }
        for (value, index), text, height in zip(known, texts, heights, strict=True)
    ]
    if not data:
        return []
    base = chart_of(data).encode(x=_x(canvas, stages), color=_tint(len(stages)))
    return [
        base.mark_rect(opacity=0.16, strokeWidth=0).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_rule(strokeWidth=1, strokeDash=[1, 3]),
        base.mark_text(fontSize=13, fontWeight=600, baseline="bottom").encode(
            text="text:N", y=alt.Y("row:Q", scale=None, axis=None)
        ),
    ]


def limit_of(limit: Limit) -> float | None:
    """Return the limit that a chart or a key figure names: the estimate, else the highest level that held."""
    return limit.estimate if limit.estimate is not None else limit.passing


def _told(stage: Stage) -> str:
    low, high = min(p.level for p in stage.probes), max(p.level for p in stage.probes)
    limit = stage.limit
    tried = f"{stage.name}: tried from {numbers.level(low, limit.unit)} to {numbers.level(high, limit.unit)}"
    value = limit_of(limit)
    interval = f", interval {numbers.span(limit.interval, 'requests/s')}" if limit.interval else ""
    return f"{tried}, limit {numbers.level(value, limit.unit)}{interval}." if value else f"{tried}, no limit found."
