"""How a run goes on, on standard error: a block that renews itself on a terminal, else a plain line every few seconds."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live

from scaleworthy.cli.live_view import LiveView
from scaleworthy.load.second import Second
from scaleworthy.units import format_ns, three_digits

PLAIN_EVERY = 5


class Progress:
    """Shows each second of a run."""

    def __init__(self, *, unit: str, stream: TextIO | None = None) -> None:
        self._unit = unit
        self._console = Console(file=stream or sys.stderr)
        self._live: Live | None = None
        self._view = LiveView(unit=unit)
        self._count = 0
        self._totals = {"planned": 0, "failed": 0, "not_started": 0}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, second: Second) -> None:
        """Show one more second."""
        self._count += 1
        for name in self._totals:
            self._totals[name] += getattr(second, name)
        if self._live is not None:
            self._view.add(second)
            self._live.update(self._view.render(), refresh=True)
        elif self._count % PLAIN_EVERY == 0:
            self._console.print(self._line(second), soft_wrap=True, highlight=False, markup=False)

    def _line(self, second: Second) -> str:
        p95 = second.response.quantile(0.95)
        parts = [
            f"{self._count} s",
            f"asked {three_digits(second.target)} {self._unit}",
            f"answered {second.answered:,}/s",
            f"p95 {format_ns(p95) if p95 is not None else '–'}",
            f"under way {second.in_flight:,.0f}",
        ]
        if second.waiting:
            parts.append(f"waiting {second.waiting:,.0f}")
        if self._totals["failed"]:
            parts.append(f"failed {self._totals['failed']:,}")
        if self._totals["not_started"]:
            parts.append(f"not started {self._totals['not_started']:,}")
        return "  ".join(parts)
