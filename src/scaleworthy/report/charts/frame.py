"""Turn an Altair chart into SVG that belongs to the page: its fonts, its colours, its own ids, one text alternative."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

AXIS_PX = 54  # the room for y labels, the same in every chart, so that stacked charts share their x axis to the pixel
VALIDATE = False
MS_LABEL = "datum.value >= 1000 ? datum.value / 1000 + ' s' : datum.value + ' ms'"  # a Vega expression
SERIES = 6  # colours in report.css: --s1 to --s6 for stages, --l1 to --l6 for lines

_OUTER = re.compile(r'<svg [^>]*?width="([\d.]+)" height="([\d.]+)"[^>]*>')
_NOISE = re.compile(
    r' (?:aria-[a-z]+|role|pointer-events|font-family)="[^"<>]*"'
    r'|<path class="(?:background|foreground)"[^>]*d="(?:M0,0h0v0h0Z)?"[^>]*/>'
)
_ID = re.compile(r'(id="|url\(#)([\w-]+)')


@dataclass(frozen=True, slots=True)
class Canvas:
    """How wide a chart is drawn, in CSS pixels, and whether for a phone."""

    width: int
    narrow: bool

    @property
    def plot_px(self) -> int:
        """Width of the area inside the axes."""
        return self.width - AXIS_PX - 12


WIDE = Canvas(960, narrow=False)
NARROW = Canvas(340, narrow=True)

Draw = Callable[[Canvas], alt.TopLevelMixin]


def inline(name: str, alternative: str, draw: Draw) -> Markup:
    """Return the chart for both widths as SVG elements; *name* is unique on the page, *alternative* is read aloud."""
    both = ((canvas, "narrow" if canvas.narrow else "wide") for canvas in (WIDE, NARROW))
    return Markup("").join(_svg(draw(canvas), f"{name}-{suffix}", suffix, alternative) for canvas, suffix in both)


def _svg(chart: alt.TopLevelMixin, name: str, css: str, alternative: str) -> Markup:
    # Validation walks every row of data, and takes longer than the drawing; the tests draw each chart with it.
    drawn: str = vl_convert.vegalite_to_svg(_styled(chart).to_dict(validate=VALIDATE))
    outer = _OUTER.match(drawn)
    if outer is None:
        raise ValueError(f"the drawing of chart {name} does not start with an svg element of known size")
    body = _ID.sub(rf"\g<1>{name}-\g<2>", _NOISE.sub("", drawn[outer.end() :]))
    head = Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        css, outer[1], outer[2], alternative
    )
    return head + Markup(body)  # noqa: S704 - vl-convert escapes the text it draws; a test feeds it markup


def _styled(chart: Any) -> Any:
    return (
        chart.configure(
            background="transparent",
            font="sans-serif",
            padding=2,
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        )
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="var(--muted)",
            titleColor="var(--muted)",
            gridColor="var(--grid)",
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            labelFontWeight="normal",
            domain=False,
            ticks=False,
            labelPadding=6,
        )
        .configure_axisY(minExtent=AXIS_PX - 6, maxExtent=AXIS_PX - 6, titlePadding=4)
    )


def chart_of(rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """Return a chart over *rows*, carried inside it as text: Altair copies and checks a list at every step, row by row."""
    return alt.Chart(alt.InlineData(values=json.dumps(rows), format=alt.JsonDataFormat(type="json")))


def colour(kind: str, index: int) -> str:
    """Return the page's variable for the *index*-th stage (`s`) or line (`l`)."""
    return f"var(--{kind}{index % SERIES + 1})"


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values within [low, high] for a logarithmic axis, at most about *most* of them."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(ticks) <= most:
            break
    return ticks


def padded_log(values: list[float], factor: float = 1.2) -> tuple[float, float]:
    """Return a logarithmic domain that holds *values* (all above 0) with a little room on both sides."""
    return min(values) / factor, max(values) * factor


def rows_without_overlap(at_px: list[float], widths_px: list[float]) -> list[int]:
    """Return for each label, sorted by position, the lowest row in which it does not touch one placed before it."""
    ends: list[float] = []
    rows = []
    for at, width in zip(at_px, widths_px, strict=True):
        row = next((i for i, end in enumerate(ends) if at - width / 2 >= end), len(ends))
        ends[row : row + 1] = [at + width / 2 + 6]
        rows.append(row)
    return rows
