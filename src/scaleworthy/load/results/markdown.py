"""A run in Markdown, short enough for a comment on a pull request."""

from __future__ import annotations

from scaleworthy.load.reading import reading
from scaleworthy.load.summary import Counts, summarize
from scaleworthy.load.summary_lines import with_unit
from scaleworthy.series import Store
from scaleworthy.units import format_ratio, three_digits

_STEPS_SHOWN = 20


def markdown(store: Store) -> str:
    """Return verdict, objectives, a line for each step, and errors with an example of each."""
    summary = summarize(store)
    lines = [
        f"**Load test: {summary.verdict}** · {_code(str(store.fact('load', 'target') or ''))} · {store.fact('load', 'shape') or ''}",
        "",
        reading(summary, store),
        "",
    ]
    if summary.objectives:
        words = {True: "held", False: "**broken**", None: "not judged"}
        lines += ["| objective | | got |", "| --- | --- | ---: |"]
        for item in summary.objectives:
            got = "–" if item.value is None else with_unit(item.value, item.text)
            lines.append(f"| {_code(item.text)} | {words[item.held]} | {got} |")
        lines.append("")
    lines += [
        "| | answered | failed | requests/s | p50 ms | p95 ms | p99 ms |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        _row("all", summary),
    ]
    if len(summary.steps) > 1:
        lines += [_row(name, step) for name, step in list(summary.steps.items())[:_STEPS_SHOWN]]
        if len(summary.steps) > _STEPS_SHOWN:
            lines.append(f"\nand {len(summary.steps) - _STEPS_SHOWN} more steps")
    examples = store.fact("load", "error_examples") or {}
    if summary.errors:
        lines.append("")
        for kind, count in sorted(summary.errors.items(), key=lambda item: -item[1]):
            example = f", such as {_code(str(examples[kind])[:200])}" if kind in examples else ""
            lines.append(f"- {count:,} × {_code(kind)}{example}")
    lines += [
        "",
        f"Seed {store.fact('load', 'seed')}, {three_digits(summary.seconds)} s, response time from the planned start.",
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, counts: Counts) -> str:
    times = (counts.response_ms.p50, counts.response_ms.p95, counts.response_ms.p99)
    cells = " | ".join("–" if value is None else three_digits(value) for value in times)
    failed = format_ratio(counts.failed / max(counts.started, 1)) if counts.failed else "0"
    return f"| {_cell(name)} | {counts.answered:,} | {failed} | {three_digits(counts.requests_per_s)} | {cells} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`".replace("\n", " ")
