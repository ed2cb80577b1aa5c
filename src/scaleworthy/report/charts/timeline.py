"""Panels over one time axis: what the load, the service and its database did, second by second, and what was done when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
from markupsafe import Markup

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
from scaleworthy.report.model import Line, Mark, Panel

_TIME_LABEL = "floor(datum.value / 60) + ':' + format(floor(datum.value % 60), '02d')"
_LOG_FROM = 100.0  # a latency panel whose values span more than this is drawn on a logarithmic axis


def drawable(panels: Sequence[Panel]) -> list[Panel]:
    """Return the panels that have something to draw."""
    return [panel for panel in panels if any(line.values for line in panel.lines)]


def panel_chart(name: str, panel: Panel, marks: Sequence[Mark], span: tuple[float, float]) -> Markup:
    """Draw one panel; *span* is the first and last second of the whole timeline, so that panels line up."""
    told = "; ".join(_told(line) for line in panel.lines)
    return inline(name, f"{panel.title} over time. {told}.", lambda canvas: _draw(canvas, panel, marks, span))


def span_of(panels: Sequence[Panel]) -> tuple[float, float]:
    """Return the first and last second that any line has."""
    moments = [at for panel in panels for line in panel.lines for at in line.at_s]
    return (min(moments), max(moments)) if moments else (0.0, 1.0)


def unit_of(panel: Panel) -> str:
    """Return the unit of the panel's axis as its heading must say it: ns become ms or s; empty where the title says it."""
    unit = numbers.axis_scale([v for line in panel.lines for v in line.values], panel.lines[0].unit)[1]
    title = panel.title.casefold()
    said = unit.casefold() in title or (unit.endswith("/s") and "per second" in title)
    return "" if said else unit


def _told(line: Line) -> str:
    values = [value for value in line.values if math.isfinite(value)]
    if not values:
        return f"{line.name}: nothing measured"
    return f"{line.name}: {numbers.quantity(min(values), line.unit)} to {numbers.quantity(max(values), line.unit)}"


def _thinned(line: Line, most: int) -> list[tuple[float, float | None]]:
    """Return at most about *most* points: of each bin the lowest and the highest, so that no peak is lost."""
    points = [(at, v if math.isfinite(v) else None) for at, v in zip(line.at_s, line.values, strict=True)]
    if len(points) <= most:
        return points
    width = math.ceil(len(points) / (most / 2))
    kept: list[tuple[float, float | None]] = []
    for start in range(0, len(points), width):
        known = [point for point in points[start : start + width] if point[1] is not None]
        ends = {min(known, key=lambda p: p[1] or 0.0), max(known, key=lambda p: p[1] or 0.0)} if known else set()
        kept += sorted(ends) if ends else [(points[start][0], None)]
    return kept


def _draw(canvas: Canvas, panel: Panel, marks: Sequence[Mark], span: tuple[float, float]) -> Any:
    values = [value for line in panel.lines for value in line.values if math.isfinite(value)]
    divisor, unit = numbers.axis_scale(values, panel.lines[0].unit)
    rows = [
        {"line": str(index), "at": round(at, 2), "value": None if value is None else value / divisor}
        for index, line in enumerate(panel.lines)
        for at, value in _thinned(line, 170 if canvas.narrow else 320)
    ]
    x = alt.X("at:Q", title=None).scale(domain=list(span), nice=False)
    x = x.axis(labelExpr=_TIME_LABEL, values=time_ticks(*span, 5 if canvas.narrow else 11), grid=False)
    tint = alt.Color("line:N", legend=None).scale(
        domain=[str(index) for index in range(len(panel.lines))],
        range=[colour("l", index) for index in range(len(panel.lines))],
    )
    lines = (
        chart_of(rows)
        .mark_line(strokeWidth=1.4, strokeJoin="round", clip=True)
        .encode(x=x, y=_y(values, divisor, unit), color=tint)
    )
    layers = [*_marks(canvas, marks, span, x), lines]
    return alt.layer(*layers).properties(width=canvas.width, height=110 if canvas.narrow else 120)


def _y(values: list[float], divisor: float, unit: str) -> alt.Y:
    positive = [value / divisor for value in values if value > 0]
    y = alt.Y("value:Q", title=None)
    timed = unit in ("ns", "µs", "ms", "s")
    if timed and positive and len(positive) == len(values) and max(positive) > _LOG_FROM * min(positive):
        domain = padded_log(positive, 1.1)
        label = MS_LABEL if unit == "ms" else "format(datum.value, ',.3~r')"
        return y.scale(type="log", domain=domain, nice=False).axis(values=log_ticks(*domain, 5), labelExpr=label)
    top = max(positive, default=1.0)
    return y.scale(domainMin=0, domainMax=top * 1.05, nice=True).axis(tickCount=4, format=",.3~r")


def _marks(canvas: Canvas, marks: Sequence[Mark], span: tuple[float, float], x: alt.X) -> list[alt.Chart]:
    seen = [(i, mark) for i, mark in enumerate(marks, 1) if span[0] <= mark.start_s <= span[1]]
    stretches = [{"at": mark.start_s, "end": min(mark.end_s, span[1])} for _, mark in seen if mark.end_s is not None]
    moments = [{"at": mark.start_s} for _, mark in seen if mark.end_s is None]
    seconds_px = canvas.plot_px / max(span[1] - span[0], 1e-9)
    ordered = sorted(seen, key=lambda item: item[1].start_s)
    rows = rows_without_overlap(
        [(mark.start_s - span[0]) * seconds_px for _, mark in ordered], [7.0 * len(str(i)) for i, _ in ordered]
    )
    texts = [
        {"at": mark.start_s, "text": str(i), "row": -3 - 12 * row} for (i, mark), row in zip(ordered, rows, strict=True)
    ]
    charts = []
    if stretches:
        band = chart_of(stretches).mark_rect(color="var(--band)", strokeWidth=0)
        charts.append(band.encode(x=x, x2="end:Q"))
        charts.append(chart_of(stretches).mark_rule(color="var(--rule)", strokeWidth=1).encode(x=x))
    if moments:
        charts.append(chart_of(moments).mark_rule(color="var(--muted)", strokeWidth=1).encode(x=x))
    if texts:
        label = chart_of(texts).mark_text(fontSize=11, baseline="bottom", color="var(--muted)")
        charts.append(label.encode(x=x, text="text:N", y=alt.Y("row:Q", scale=None, axis=None)))
    return charts


def time_ticks(start: float, end: float, most: int) -> list[float]:
    """Return round moments (seconds, minutes, hours) within [start, end], at most *most* of them."""
    steps = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)
    step = next((step for step in steps if (end - start) / step <= most - 1), steps[-1])
    first = math.ceil(start / step) * step
    return [float(first + i * step) for i in range(most) if first + i * step <= end]
