"""What a run looks like on a terminal while it goes on: rates, percentiles, what failed, and the last minute as sparklines."""

from __future__ import annotations

from collections import Counter, deque

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from scaleworthy.load.second import Second
from scaleworthy.series import Histogram
from scaleworthy.units import format_ns, three_digits

SECONDS_SHOWN = 60
_ERRORS_SHOWN = 4
_BARS = "▁▂▃▄▅▆▇█"


class LiveView:
    """Takes each second of a run; `render` gives the block of lines that stands for it."""

    def __init__(self, *, unit: str) -> None:
        self._unit = unit
        self._seconds = 0
        self._last: Second | None = None
        self._whole = Histogram()
        self._lag = Histogram()
        self._failed = 0
        self._not_started = 0
        self._errors: Counter[str] = Counter()
        self._answered: deque[float] = deque(maxlen=SECONDS_SHOWN)
        self._p95: deque[float] = deque(maxlen=SECONDS_SHOWN)

    def add(self, second: Second) -> None:
        """Take one more second."""
        self._seconds += 1
        self._last = second
        self._whole.merge(second.response)
        self._failed += second.failed
        self._not_started += second.not_started
        self._answered.append(second.answered)
        self._p95.append(second.response.quantile(0.95) or 0.0)
        for key, value in second.slices:
            if key.name == "load.lag" and isinstance(value, Histogram):
                self._lag.merge(value)
            elif key.name == "load.errors" and not isinstance(value, Histogram):
                self._errors[dict(key.labels).get("kind", "?")] += round(value)

    def render(self) -> RenderableType:
        """Return the lines of the run as it stands."""
        last = self._last or Second(0)
        head = Text(
            f"{self._seconds} s   asked {three_digits(last.target)} {self._unit}   in flight {last.in_flight:,.0f}"
            f"   waiting {last.waiting:,.0f}   connections {last.connections:,.0f}"
        )
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("", "answered", "p50", "p95", "p99", "max"):
            table.add_column(name, justify="left" if not name else "right", no_wrap=True)
        table.add_row("last second", f"{last.answered:,}/s", *_times(last.response))
        table.add_row("since the start", f"{self._whole.count:,}", *_times(self._whole))
        lag = self._lag.quantile(0.99) if self._lag.count else None
        lines: list[RenderableType] = [head, table]
        lines.append(
            Text(
                f"answered/s  {sparkline(self._answered)}  {three_digits(max(self._answered, default=0))}", no_wrap=True
            )
        )
        lines.append(Text(f"p95         {sparkline(self._p95)}  {format_ns(max(self._p95, default=0))}", no_wrap=True))
        lines.append(
            Text(
                f"failed {self._failed:,}   not started {self._not_started:,}   generator lag p99 "
                f"{format_ns(lag) if lag is not None else '–'}",
                style="bold" if self._failed or self._not_started else "",
            )
        )
        if self._errors:
            told = "   ".join(f"{kind} {count:,}" for kind, count in self._errors.most_common(_ERRORS_SHOWN))
            lines.append(Text(f"errors      {told}", style="bold", no_wrap=True, overflow="ellipsis"))
        return Group(*lines)


def _times(histogram: Histogram) -> list[str]:
    values = [histogram.quantile(q) if histogram.count else None for q in (0.5, 0.95, 0.99)]
    values.append(histogram.max_ns if histogram.count else None)
    return [format_ns(value) if value is not None else "–" for value in values]


def sparkline(values: deque[float]) -> str:
    """Return a bar for each value, from nothing to the highest of them."""
    top = max(values, default=0.0)
    if top <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(int(value / top * len(_BARS)), len(_BARS) - 1)] for value in values)
