"""A summary as a small HTML table, for notebooks: whatever a target or a plan says is text there, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from scaleworthy.load.summary import Counts, Summary
from scaleworthy.units import three_digits

STEPS_SHOWN = 20
_VERDICTS = {"pass": "held", "fail": "did not hold", "generator-limited": "generator-limited, do not quote"}
_HEAD = ("", "answered", "failed", "not started", "requests/s", "p50 ms", "p95 ms", "p99 ms")


def summary_html(summary: Summary, *, going_on: bool = False) -> str:
    """Return verdict, counts and percentiles of the run and of each step, objectives and errors.

    Args:
        going_on: The run has not ended; what is shown is what there is of it, and there is no verdict yet.
    """
    said = "going on" if going_on else _VERDICTS[summary.verdict]
    rows = [_row("all", summary)]
    if len(summary.steps) > 1:
        rows += [_row(name, step) for name, step in list(summary.steps.items())[:STEPS_SHOWN]]
    parts = [f"<p><b>{escape(said)}</b>, {three_digits(summary.seconds)} s</p>", _table(_HEAD, rows)]
    if len(summary.steps) > STEPS_SHOWN:
        parts.append(f"<p>and {len(summary.steps) - STEPS_SHOWN} more steps</p>")
    if summary.objectives:
        words = {True: "held", False: "broken", None: "not judged"}
        judged = [(item.text, words[item.held], _digits(item.value)) for item in summary.objectives]
        parts.append(_table(("objective", "", "got"), judged))
    if summary.errors:
        parts.append(_table(("error", "requests"), [(kind, f"{count:,}") for kind, count in summary.errors.items()]))
    return f"<div>{''.join(parts)}</div>"


def _row(name: str, counts: Counts) -> Sequence[str]:
    times = counts.response_ms
    numbers = (f"{value:,}" for value in (counts.answered, counts.failed, counts.not_started))
    return name, *numbers, _digits(counts.requests_per_s), _digits(times.p50), _digits(times.p95), _digits(times.p99)


def _digits(value: float | None) -> str:
    return "–" if value is None else three_digits(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["".join(f"<th>{escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
