"""Latency by percentile of one load run: response time (from the plan) beside service time (from the send).

The axis is stretched towards the tail, each step ten times rarer; where the two lines part, requests waited before
they could be sent.
"""

from __future__ import annotations

from typing import Any

import altair as alt
from markupsafe import Markup

from scaleworthy.report import numbers
from scaleworthy.report.charts.frame import MS_LABEL, Canvas, chart_of, colour, inline, log_ticks, padded_log
from scaleworthy.report.model import LoadRun

MS = 1e6
KINDS = ("response time", "service time")
_RARE = "datum.value >= 2 ? format((1 - 1 / datum.value) * 100, '~r') + ' %' : '0'"


def drawable(run: LoadRun) -> bool:
    """Are there enough points for a curve?"""
    return len(_rows(run)) > 3


def percentile_chart(name: str, run: LoadRun) -> Markup:
    """Draw both curves of *run*."""
    rows = _rows(run)
    told = f"p50 {numbers.nanoseconds(run.response.p50_ns)}, p99 {numbers.nanoseconds(run.response.p99_ns)}"
    return inline(name, f"Latency by percentile. Response time {told}.", lambda canvas: _draw(canvas, rows))


def _rows(run: LoadRun) -> list[dict[str, Any]]:
    curves = zip(KINDS, (run.response_curve, run.service_curve), strict=True)
    return [
        {"kind": kind, "rare": 1 / (1 - q), "ms": value / MS}
        for kind, curve in curves
        for q, value in curve
        if q < 1 and value > 0
    ]


def _draw(canvas: Canvas, rows: list[dict[str, Any]]) -> Any:
    top = max(row["rare"] for row in rows)
    ticks = [rare for rare in (1.0, 2.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6) if rare <= top * 1.01]
    domain = padded_log([row["ms"] for row in rows])
    x = alt.X("rare:Q", title="share of requests answered within").scale(type="log", domain=[1, top], nice=False)
    y = alt.Y("ms:Q", title=None).scale(type="log", domain=domain, nice=False)
    tint = alt.Color("kind:N", legend=None).scale(domain=list(KINDS), range=[colour("l", 0), colour("l", 1)])
    return (
        chart_of(rows)
        .mark_line(strokeWidth=1.75)
        .encode(
            x=x.axis(values=ticks, labelExpr=_RARE),
            y=y.axis(values=log_ticks(*domain, 7), labelExpr=MS_LABEL),
            color=tint,
        )
        .properties(width=canvas.width, height=200)
    )
