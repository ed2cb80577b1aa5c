"""Capacity as text for a terminal: the limit, what limits it, the resources, the growth table, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from scaleworthy.capacity.assessment import Capacity
from scaleworthy.capacity.current import ResourceUse
from scaleworthy.capacity.growth import GrowthNeed
from scaleworthy.units import format_bytes, format_ratio, three_digits


def as_text(name: str, capacity: Capacity) -> str:
    """Return the whole assessment as lines of at most some 120 characters."""
    parts = [_heading(name, capacity), _resources(capacity.uses)]
    if capacity.limiting is not None:
        limits = capacity.limiting
        parts.append(f"limits now   {limits.resource}: {limits.explanation}")
        if limits.next_resource is not None:
            parts.append(f"limits next  {limits.next_resource}")
    parts.append(_law(capacity))
    parts.append(_growth(capacity.growth, capacity.currency))
    parts.append("\n".join(f"- {line}" for line in (*capacity.assumptions, capacity.prices, *capacity.notes)))
    return "\n\n".join(part for part in parts if part)


def _heading(name: str, capacity: Capacity) -> str:
    if capacity.limit_per_s is None:
        why = "no load held the objectives" if capacity.never_held else "no limit was found"
        return f"{name}: {why}; {three_digits(capacity.rate_top_per_s)} requests/s were answered at most"
    interval = ""
    if capacity.limit_interval_per_s is not None:
        low, high = capacity.limit_interval_per_s
        interval = f" (95 %: {three_digits(low)} to {three_digits(high)})"
    if not capacity.limit_reached:
        return f"{name}: at least {three_digits(capacity.limit_per_s)} requests/s; no higher load was tried"
    return f"{name}: {three_digits(capacity.limit_per_s)} requests/s within its objectives{interval}"


def _resources(uses: Sequence[ResourceUse]) -> str:
    rows = []
    for use in uses:
        top = use.ceiling
        span = ""
        if top.rate_per_s is not None:
            high = "more" if top.high_per_s is None else three_digits(top.high_per_s)
            span = f"{three_digits(top.rate_per_s)}/s ({three_digits(top.low_per_s or 0)} to {high})"
        rows.append(
            (
                use.resource.name,
                f"{three_digits(use.usage)} of {three_digits(use.resource.limit) if use.resource.limit else '–'}",
                use.resource.unit,
                format_ratio(use.headroom_ratio) if use.headroom_ratio is not None else "–",
                span or "none seen",
            )
        )
    return table(("resource", "used", "unit", "free", "would carry"), rows) if rows else ""


def _law(capacity: Capacity) -> str:
    fit = capacity.usl
    if fit is None:
        return f"scalability law  not fitted: {capacity.usl_refused}"
    low, high = fit.peak_interval
    peak = (
        f"peak at {three_digits(fit.model.workers_peak)} {capacity.usl_concurrency}"
        if fit.model.kappa > 0
        else "no peak"
    )
    span = f"{three_digits(low)} to {three_digits(high)}" if high is not None else f"above {three_digits(low)}"
    return "\n".join(
        (
            f"scalability law  {fit.model}; {peak} (95 % interval of the peak: {span})",
            *(f"  note: {warning}" for warning in fit.warnings),
            f"  measure next: {fit.next_load.why}",
        )
    )


def _growth(rows: Sequence[GrowthNeed], currency: str) -> str:
    cells = []
    for row in rows:
        low, high = row.monthly_cost_interval
        cells.append(
            (
                row.size.name,
                f"{row.size.users:,}",
                f"{three_digits(row.requests_per_s)}/s",
                format_bytes(row.data_bytes),
                f"{row.app_servers} {row.app_size}",
                f"{row.database_instances} {row.database_size}".strip(),
                f"{row.cache_nodes} {row.cache_size}".strip(),
                f"{three_digits(row.monthly_cost)} ({three_digits(low)} to {three_digits(high)})",
                "yes" if row.reachable else "no",
            )
        )
    heads = ("size", "users", "peak", "data", "application", "PostgreSQL", "cache", f"{currency} a month", "reachable")
    why = "\n".join(f"  {row.size.name}: {row.why}" for row in rows if row.why)
    return f"{table(heads, cells)}\n{why}".rstrip() if cells else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns two spaces apart, each as wide as its widest cell."""
    widths = [max(len(line[at]) for line in (heads, *rows)) for at in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (heads, *rows)
    )
