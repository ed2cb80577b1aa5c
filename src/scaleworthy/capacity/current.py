"""Say what is used at the limit, how far each resource would carry, and which one limits.

Question: what limits the service now, what would limit it next, and how do we know?
Units:    requests per second; cores, connections, ratio; headroom is the unused share of a limit, 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scaleworthy.capacity.demand import Demand, demand
from scaleworthy.capacity.laws import Ceiling, ceiling
from scaleworthy.capacity.usage import Level, Resource
from scaleworthy.units import format_ratio, three_digits

SATURATED = 0.85
"""Share of a resource in use from which it is called used up: a queue before it is then some six services long."""
LIKELY = 0.6
"""Share in use below which a resource is not what limits, whatever the ranking of the ceilings says."""


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """One resource at the limit of the service.

    Attributes:
        usage: At the limit, from the line of usage against throughput; in the resource's unit.
        headroom_ratio: Share of the resource that is free at the limit of the service; None without a known limit.
        ceiling: Throughput at which the resource is used up, were nothing else in the way.
        peak_ratio: Highest share in use at any level measured, overload included.
        demand: What requests take of it.
        evidence: How it was found, in words.
    """

    resource: Resource
    usage: float
    usage_interval: tuple[float, float]
    headroom_ratio: float | None
    ceiling: Ceiling
    peak_ratio: float | None
    demand: Demand
    evidence: str


@dataclass(frozen=True, slots=True)
class Limiting:
    """What limits the service.

    Attributes:
        key: The resource's key; None when no observed resource is used up, so that requests wait for something else.
        explained: Whether the resource was seen used up, rather than ranked by extrapolation.
        next_resource: What would limit next, with the rate; None when nothing else has a ceiling.
    """

    key: str | None
    resource: str
    explained: bool
    explanation: str
    evidence: tuple[str, ...]
    next_key: str | None
    next_resource: str | None


def resource_uses(
    resources: Sequence[Resource], measured: Sequence[Level], *, rate_per_s: float
) -> tuple[ResourceUse, ...]:
    """Return each resource's usage at *rate_per_s*, the limit of the service, the lowest ceiling first."""
    found = []
    for resource in resources:
        needed = demand(resource.key, measured)
        if needed is not None:
            found.append(_use(resource, needed, measured, rate_per_s))
    return tuple(sorted(found, key=_rank))


def _use(resource: Resource, needed: Demand, measured: Sequence[Level], rate: float) -> ResourceUse:
    usage = needed.line.usage(rate)
    top: Ceiling = Ceiling(None, None, None)
    headroom = peak = None
    if resource.limit is not None and resource.limit > 0:
        top = ceiling(needed.line, resource.limit) if needed.rises else Ceiling(None, None, None)
        headroom = max(0.0, 1 - usage / resource.limit)
        peak = max(level.uses[resource.key].mean for level in measured if resource.key in level.uses) / resource.limit
    return ResourceUse(
        resource=resource,
        usage=usage,
        usage_interval=needed.line.usage_interval(rate),
        headroom_ratio=headroom,
        ceiling=top,
        peak_ratio=peak,
        demand=needed,
        evidence=_evidence(resource, needed, top),
    )


def _evidence(resource: Resource, needed: Demand, top: Ceiling) -> str:
    unit = {"cores": "ms of CPU", "connections": "connection-ms", "ratio": "ms of disk"}[resource.unit]
    parts = [f"limit: {resource.why}" if resource.limit is not None else "its limit is not known"]
    if not needed.rises:
        parts.append("its use does not measurably rise with load")
    else:
        low, high = needed.line.slope_interval()
        parts.append(
            f"{three_digits(1e3 * needed.line.slope)} {unit} per further request "
            f"({three_digits(1e3 * low)} to {three_digits(1e3 * high)}), from {needed.levels} loads, {needed.seconds} s"
        )
        if needed.levels == 1:
            parts.append("one load alone: the idle cost is charged to the requests")
        elif needed.per_request_low > 1.2 * needed.per_request_top:
            parts.append(
                f"{three_digits(1e3 * needed.per_request_low)} {unit} per request at the lowest load, "
                f"{three_digits(1e3 * needed.per_request_top)} at {three_digits(needed.rate_top_per_s)}/s"
            )
    if top.rate_per_s is not None and needed.rate_top_per_s > 0 and top.rate_per_s > 1.1 * needed.rate_top_per_s:
        factor = three_digits(top.rate_per_s / needed.rate_top_per_s)
        parts.append(f"the ceiling is {factor} times beyond the highest load measured")
    return "; ".join(parts)


def _rank(use: ResourceUse) -> tuple[float, str]:
    return (use.ceiling.rate_per_s if use.ceiling.rate_per_s is not None else float("inf"), use.resource.key)


def limiting(
    uses: Sequence[ResourceUse], *, rate_per_s: float, reached: bool, binding: str, locks_waiting: float | None
) -> Limiting:
    """Return what limits the service at *rate_per_s*: the lowest ceiling, if that resource was seen in use enough.

    Args:
        reached: Whether a higher load was seen to fail; otherwise *rate_per_s* is only the highest load measured, and the
            answer is what would limit first.
        binding: The objective that decided the limit, as text; empty when there was none.
        locks_waiting: Mean number of sessions that waited for a lock in PostgreSQL at the highest load.
    """
    # On its own machine the service would have the host's cores to itself: a projection, not a limit of this run.
    ranked = [use for use in uses if use.ceiling.rate_per_s is not None and use.resource.key != "host:service"]
    tied = f"the objective {binding} decided the limit of {three_digits(rate_per_s)} requests/s" if binding else ""
    waits = (
        f"{three_digits(locks_waiting)} sessions waited for a lock in PostgreSQL on average"
        if locks_waiting is not None and locks_waiting >= 0.5
        else ""
    )
    full = [use for use in ranked if (use.peak_ratio or 0.0) >= LIKELY]
    if (busy := _busy_host(uses)) is not None and not full:
        return busy
    if not full and (reached or not ranked):
        return _unexplained(ranked, (tied, waits))
    first = full[0] if full else ranked[0]
    others = [use for use in ranked if use is not first]
    saturated = (first.peak_ratio or 0.0) >= SATURATED
    return Limiting(
        key=first.resource.key,
        resource=first.resource.name,
        explained=saturated,
        explanation=_explanation(first, rate_per_s, saturated, reached),
        evidence=tuple(part for part in (tied, first.evidence, waits) if part),
        next_key=others[0].resource.key if others else None,
        next_resource=_named(others[0]) if others else None,
    )


def _busy_host(uses: Sequence[ResourceUse]) -> Limiting | None:
    """Return the host's CPU when it was used up without rising with the load: other work had taken the machine."""
    host = next((use for use in uses if use.resource.key == "host" and use.ceiling.rate_per_s is None), None)
    if host is None or (host.peak_ratio or 0.0) < SATURATED:
        return None
    return Limiting(
        key="host",
        resource="host CPU, taken by other work",
        explained=True,
        explanation=(
            f"up to {format_ratio(host.peak_ratio or 0.0)} of the host's CPU was in use whatever the load, most of it by "
            "processes that are not the service's: measure again on a quiet machine"
        ),
        evidence=(host.evidence,),
        next_key=None,
        next_resource=None,
    )


def _unexplained(ranked: Sequence[ResourceUse], known: Sequence[str]) -> Limiting:
    facts = [f"{use.resource.name}: at most {format_ratio(use.peak_ratio or 0.0)} in use" for use in ranked[:4]]
    return Limiting(
        key=None,
        resource="waiting, not a resource that was observed",
        explained=False,
        explanation=(
            "no observed resource was near its limit when the objective broke: requests wait for each other "
            "(locks, a connection pool, a serial section) or for something outside this machine"
            if ranked
            else "no resource of the service was observed, so the limit cannot be attributed"
        ),
        evidence=tuple(part for part in (*known, *facts) if part),
        next_key=ranked[0].resource.key if ranked else None,
        next_resource=_named(ranked[0]) if ranked else None,
    )


def _explanation(use: ResourceUse, rate: float, saturated: bool, reached: bool) -> str:
    limit = use.resource.limit or 0.0
    seen = f"up to {format_ratio(use.peak_ratio or 0.0)} of {three_digits(limit)} {use.resource.unit} in use"
    if not reached and not saturated:
        return f"it would be the first to be used up, at {_rate(use.ceiling)}; {seen} at the highest load measured"
    how = "it was used up" if saturated else "it was the most used, though not used up"
    text = (
        f"{how}: {seen}, {format_ratio(use.usage / limit)} at {three_digits(rate)} requests/s; "
        f"it would carry {_rate(use.ceiling)}"
    )
    return text + ("; the load generator takes part of it" if use.resource.shared else "")


def _named(use: ResourceUse) -> str:
    return f"{use.resource.name}, at {_rate(use.ceiling)}"


def _rate(top: Ceiling) -> str:
    if top.rate_per_s is None:
        return "any load"
    high = "more" if top.high_per_s is None else three_digits(top.high_per_s)
    return f"{three_digits(top.rate_per_s)} requests/s ({three_digits(top.low_per_s or 0.0)} to {high})"
