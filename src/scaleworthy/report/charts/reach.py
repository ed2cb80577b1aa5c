"""How far each stage goes against what each growth size asks for, on one axis: the answer to the report's question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
from markupsafe import Markup

from scaleworthy.report import numbers
from scaleworthy.report.charts.frame import (
    Canvas,
    chart_of,
    colour,
    inline,
    log_ticks,
    padded_log,
    rows_without_overlap,
)
from scaleworthy.report.charts.load_curve import limit_of
from scaleworthy.report.model import GrowthRow, Stage
from scaleworthy.units import three_digits

ROW_PX = 34


def drawable(stages: Sequence[Stage], growth: Sequence[GrowthRow]) -> bool:
    """Are there both a limit in requests per second and a demand to hold against it?"""
    return bool(_reached(stages)) and bool(_asked(growth))


def reach_chart(stages: Sequence[Stage], growth: Sequence[GrowthRow]) -> Markup:
    """Draw each stage's limit as a bar with its interval, each size's demand as a line across."""
    reached, asked = _reached(stages), _asked(growth)
    alternative = "; ".join(
        [f"{stages[index].name}: {three_digits(value)} requests/s" for index, value in reached]
        + [f"{name} asks for {three_digits(value)} requests/s" for name, value in asked]
    )
    return inline("reach", f"Limits and demands. {alternative}.", lambda canvas: _draw(canvas, stages, reached, asked))


def _reached(stages: Sequence[Stage]) -> list[tuple[int, float]]:
    limits = ((index, limit_of(stage.limit)) for index, stage in enumerate(stages) if stage.limit.unit == "rate")
    return [(index, value) for index, value in limits if value]


def _asked(growth: Sequence[GrowthRow]) -> list[tuple[str, float]]:
    return sorted(
        ((row.size, row.requests_per_s.value) for row in growth if row.requests_per_s.value), key=lambda item: item[1]
    )


def _draw(
    canvas: Canvas, stages: Sequence[Stage], reached: list[tuple[int, float]], asked: list[tuple[str, float]]
) -> Any:
    low, high = padded_log([value for _, value in (*reached, *asked)], 1.6)
    ticks = log_ticks(low, high, 5 if canvas.narrow else 10)
    x = alt.X("level:Q", title="requests per second").scale(type="log", domain=[low, high], nice=False)
    x = x.axis(values=ticks, labelExpr="format(datum.value, ',.3~r')", grid=False)
    height = ROW_PX * len(reached) + 6
    tints = [colour("s", index) for index, _ in reached]
    data = [_bar(stages[index], row, index, value, (low, high)) for row, (index, value) in enumerate(reached)]
    tint = alt.Color("stage:N", legend=None).scale(domain=[str(index) for index, _ in reached], range=tints)
    base = chart_of(data).encode(y=alt.Y("row:Q", scale=None, axis=None), color=tint)
    layers = [
        *_demands(canvas, asked, (low, high), x, height),
        base.mark_rule(strokeWidth=3).encode(x=alt.X("start:Q").scale(type="log", domain=[low, high]), x2="level:Q"),
        base.mark_rule(strokeWidth=11, opacity=0.3).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(filled=True, size=64, opacity=1).encode(x=x),
        base.mark_text(align="left", baseline="middle", fontSize=12, dy=-11).encode(
            x=alt.value(4), text="name:N", color=alt.value("var(--ink)")
        ),
    ]
    return alt.layer(*layers).properties(width=canvas.width, height=height)


def _bar(stage: Stage, row: int, index: int, value: float, domain: tuple[float, float]) -> dict[str, Any]:
    low, high = stage.limit.interval or (value, value)
    return {
        "stage": str(index),
        "row": ROW_PX * row + 24,
        "start": domain[0],
        "level": value,
        "low": max(low, domain[0]),
        "high": min(high, domain[1]),
        "name": f"{stage.name}  {numbers.level(value, 'rate')}",
    }


def _demands(
    canvas: Canvas, asked: list[tuple[str, float]], domain: tuple[float, float], x: alt.X, height: int
) -> list[alt.Chart]:
    width = math.log(domain[1] / domain[0])
    at_px = [math.log(value / domain[0]) / width * canvas.plot_px for _, value in asked]
    rows = rows_without_overlap(at_px, [6.6 * len(name) for name, _ in asked])
    data = [
        {"level": value, "text": name, "row": -6 - 15 * row, "bottom": height}
        for (name, value), row in zip(asked, rows, strict=True)
    ]
    base = chart_of(data).encode(x=x)
    return [
        base.mark_rule(color="var(--muted)", strokeWidth=1, strokeDash=[4, 3]).encode(
            y=alt.Y("row:Q", scale=None, axis=None), y2="bottom:Q"
        ),
        base.mark_text(baseline="bottom", fontSize=12, color="var(--ink)").encode(
            y=alt.Y("row:Q", scale=None, axis=None), text="text:N"
        ),
    ]
