"""Show what capacity concluded as the report's rows; nothing is computed here that capacity did not say."""

from __future__ import annotations

from scaleworthy.capacity import Capacity, GrowthNeed, ResourceUse
from scaleworthy.report.model import Bottleneck, CapacityRow, GrowthRow, Measured
from scaleworthy.units import format_ratio, three_digits

MOST = 0.5


def capacity_rows(capacity: Capacity) -> tuple[CapacityRow, ...]:
    """Return a row a resource, the lowest ceiling first."""
    return tuple(_capacity_row(use) for use in capacity.uses)


def _capacity_row(use: ResourceUse) -> CapacityRow:
    top = use.ceiling
    bounds = None
    if top.low_per_s is not None and top.high_per_s is not None:
        bounds = (top.low_per_s, top.high_per_s)
    return CapacityRow(
        resource=use.resource.name,
        usage=Measured(
            use.usage, use.resource.unit, use.usage_interval, use.demand.seconds, "seconds of load observed"
        ),
        limit=Measured(use.resource.limit, use.resource.unit, source=use.resource.why),
        headroom_ratio=use.headroom_ratio,
        ceiling=Measured(top.rate_per_s, "requests/s", bounds),
        evidence=use.evidence,
    )


def bottleneck(capacity: Capacity) -> Bottleneck | None:
    """Return what limits, or None when nothing was answered."""
    limiting = capacity.limiting
    if limiting is None:
        return None
    return Bottleneck(_who(capacity), limiting.explanation, limiting.evidence, limiting.next_resource)


def _who(capacity: Capacity) -> str:
    """Return the limiting resource's name; of a full machine, who filled it where one role took most."""
    limiting = capacity.limiting
    if limiting is None or limiting.key != "host":
        return limiting.resource if limiting else ""
    host = next((use.usage for use in capacity.uses if use.resource.key == "host"), 0.0)
    roles = [use for use in capacity.uses if use.resource.key.startswith("cpu:")]
    top = max(roles, key=lambda use: use.usage, default=None)
    if top is None or host <= 0 or top.usage < MOST * host:
        return limiting.resource
    return (
        f"the machine's CPU, {format_ratio(min(1.0, top.usage / host))} of it {top.resource.name.removesuffix(' CPU')}"
    )


def growth_rows(capacity: Capacity) -> tuple[GrowthRow, ...]:
    """Return a row a size."""
    return tuple(_growth_row(need, capacity.currency) for need in capacity.growth)


def _growth_row(need: GrowthNeed, currency: str) -> GrowthRow:
    parts = [
        (need.app_servers, need.app_size),
        (need.database_instances, need.database_size),
        (need.cache_nodes, need.cache_size),
    ]
    machines = " + ".join(f"{count} × {size}" for count, size in parts if count)
    return GrowthRow(
        size=need.size.name,
        users=need.size.users,
        requests_per_s=Measured(need.requests_per_s, "requests/s"),
        data_bytes=need.data_bytes,
        app_servers=need.app_servers,
        database_instances=need.database_instances,
        cache_nodes=need.cache_nodes,
        storage_bytes=need.storage_bytes,
        monthly_cost=Measured(need.monthly_cost, currency, need.monthly_cost_interval),
        cost_per_user=Measured(need.cost_per_user, currency),
        cost_per_1000_requests=Measured(need.cost_per_1000_requests, currency),
        reachable=need.reachable,
        why=need.why,
        machines=machines,
    )


def prices_named(capacity: Capacity) -> str:
    """Return which prices they are, for a page whose own words are around them."""
    return capacity.prices.removeprefix("Prices: ").removesuffix(".")


def scaling_note(capacity: Capacity) -> str:
    """Return the scalability law in one sentence, with the load worth measuring next, or why there is no law."""
    fit = capacity.usl
    if fit is None:
        return f"Scalability law: not fitted: {capacity.usl_refused}" if capacity.usl_refused else ""
    low, high = fit.peak_interval
    peak = f"{three_digits(low)} to {three_digits(high)}" if high is not None else f"at least {three_digits(low)}"
    law = (
        f"Scalability law over {capacity.usl_concurrency}, {len(fit.points)} loads: contention {three_digits(fit.model.sigma)}, "
        f"coherency {three_digits(fit.model.kappa)}, throughput peaks at {peak} (95 %)."
    )
    return " ".join((law, f"Next load worth measuring: {fit.next_load.why}.", *fit.warnings))
