"""A comparison for people: a table for the terminal, one for a pull request."""

from __future__ import annotations

from scaleworthy.load.base import SECOND_NS, duration_text
from scaleworthy.load.compare.comparison import Change, Comparison
from scaleworthy.units import format_ratio, three_digits

_WORDS = {
    "worse": "worse: it got slower, or failed more, by more than chance and more than the floor",
    "better": "better, by more than chance and more than the floor",
    "same": "the same, within the floor",
    "unsure": "unsure: the runs are too short, or vary too much, to tell",
}


def comparison_text(comparison: Comparison) -> str:
    """Return the lines that `scaleworthy compare` prints."""
    rows: list[tuple[str, ...]] = [("", "before", "after", "change", "interval", "verdict")]
    rows += [_cells(change) for change in comparison.changes]
    widths = [max(len(row[at]) for row in rows) for at in range(6)]
    lines = [
        "  ".join(
            cell.ljust(widths[at]) if at in (0, 5) else cell.rjust(widths[at]) for at, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, "", *_notes(comparison), f"verdict: {_WORDS[comparison.verdict]}"])


def comparison_markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown, for a pull request."""
    lines = [
        f"**Load comparison: {comparison.verdict}**",
        "",
        "| | before | after | change | interval | verdict |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for change in comparison.changes:
        cells = [cell.replace("|", "\\|") for cell in _cells(change)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in _notes(comparison))]) + "\n"


def _cells(change: Change) -> tuple[str, ...]:
    name = f"{change.quantity}{f' {change.step}' if change.step is not None else ''}"
    low, high = change.interval
    if change.unit == "ratio":
        values = (format_ratio(change.before), format_ratio(change.after))
        changes = (f"{change.change * 100:+.2f} points", f"{low * 100:+.2f} to {high * 100:+.2f}")
    else:
        unit = " ms" if change.unit == "ms" else "/s"
        values = (f"{three_digits(change.before)}{unit}", f"{three_digits(change.after)}{unit}")
        changes = (f"{change.change * 100:+.1f} %", f"{low * 100:+.1f} to {high * 100:+.1f} %")
    return (name, *values, *changes, _verdict(change))


def _verdict(change: Change) -> str:
    if change.verdict != "unsure":
        return change.verdict
    if change.seconds_needed is None:
        return "unsure (the change is about as large as the floor)"
    return f"unsure (sure after some {duration_text(round(change.seconds_needed) * SECOND_NS)} a side)"


def _notes(comparison: Comparison) -> list[str]:
    runs = "1 run a side" if comparison.runs == (1, 1) else f"{comparison.runs[0]} and {comparison.runs[1]} runs"
    seconds = f"{comparison.seconds[0]:g} and {comparison.seconds[1]:g} s"
    floor = comparison.changes[0].floor if comparison.changes else 0.0
    intervals = (
        f"{runs}, {seconds}; intervals hold together at 95 % ({comparison.confidence * 100:.4g} % each); "
        f"changes below {format_ratio(floor)} do not matter; seed {comparison.seed}"
    )
    return [intervals, *comparison.warnings]
