"""Put it together: from a store and a search for the limit to everything capacity says.

Question: what is used, what limits, how does it scale, and what do 10×, 100× and enterprise need?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scaleworthy.capacity.current import Limiting, ResourceUse, limiting, resource_uses
from scaleworthy.capacity.growth import Carried, GrowthNeed, growth
from scaleworthy.capacity.laws import CapacityError
from scaleworthy.capacity.needs import Needs, needs
from scaleworthy.capacity.prices import PriceBook, load_prices
from scaleworthy.capacity.sizes import Assumptions
from scaleworthy.capacity.usage import GENERATOR, UNACCOUNTED, Level, levels, requests_per_level, resources, roles
from scaleworthy.capacity.usl_fit import Point, UslFit, fit_usl
from scaleworthy.load.result import Limit
from scaleworthy.series import Store
from scaleworthy.units import three_digits

STRANGE_RATIO = 0.3
"""Share of the CPU in use, by no observed process, from which the measurement is called disturbed."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What capacity concluded from one search.

    Attributes:
        limit_per_s: Requests per second held within the objectives (or carried, where none were asked); None when none
            held, or the search ended before one was known to: `never_held` tells.
        limit_reached: Whether a higher load failed; otherwise the limit is at least this.
        rate_top_per_s: Highest throughput measured, overload included.
        uses: Each resource at the limit (or at the highest load, where there is no limit), lowest ceiling first.
        limiting: What limits now and what would limit next; None when nothing was answered.
        usl: The scalability law, where the loads allow one; `usl_refused` says why not.
        usl_concurrency: What its N counts: `requests in flight`.
        shares_machine: Load generator and service ran on the same machine, so each took from the other.
        notes: What a reader must know before quoting any of it.
    """

    limit_per_s: float | None
    limit_reached: bool
    never_held: bool
    limit_interval_per_s: tuple[float, float] | None
    rate_top_per_s: float
    levels: tuple[Level, ...]
    uses: tuple[ResourceUse, ...]
    limiting: Limiting | None
    usl: UslFit | None
    usl_refused: str | None
    needs: Needs
    growth: tuple[GrowthNeed, ...]
    assumptions: tuple[str, ...]
    prices: str
    currency: str
    shares_machine: bool
    notes: tuple[str, ...]
    usl_concurrency: str = "requests in flight"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        data = asdict(self)
        if self.usl is not None:
            model = self.usl.model
            data["usl"]["model"] |= {
                "workers_peak": model.workers_peak if model.kappa > 0 else None,
                "throughput_max_per_s": model.throughput_max_per_s if model.kappa > 0 or model.sigma > 0 else None,
            }
        data["schema"] = 1
        return data


def assess_capacity(
    store: Store,
    limit: Limit,
    *,
    workers: Mapping[str, int] | None = None,
    pool_connections: int | None = None,
    prices: PriceBook | None = None,
    growth_assumptions: Assumptions | None = None,
    own_prices: bool = False,
) -> Capacity:
    """Return what limits the service that *limit* was found for, and what growth needs.

    Args:
        store: The series recorded while the search ran.
        limit: The search, with its probes: each is one measured load.
        workers: Role → processes that run requests, where the count of processes says it wrong.
        pool_connections: Connections the service's pools may open together, when known.
        prices: The price book; the shipped one by default. *own_prices*: it is the user's.
        growth_assumptions: Sizes, peaks and targets; docs/capacity.md has the defaults.

    Raises:
        CapacityError: No probe was answered for long enough to read anything from it.
    """
    ratio = requests_per_level(limit)
    measured = levels(store, limit.probes, requests_per_level=ratio)
    if not measured:
        raise CapacityError(
            f"none of the {len(limit.probes)} loads measured was answered for 2 s or more: capacity has nothing to go by",
            hint="run a longer load, or check that the target answers",
        )
    assume, book = growth_assumptions or Assumptions(), prices or load_prices()
    carried, interval = _carried(limit, ratio)
    top = max(level.rate_per_s for level in measured)
    rate = carried if carried is not None else top
    uses = resource_uses(
        resources(store, measured, workers=workers, pool_connections=pool_connections), measured, rate_per_s=rate
    )
    last = measured[-1]
    limits = limiting(
        uses,
        rate_per_s=rate,
        reached=limit.failing is not None or limit.stopped_by == "never-held",
        binding=limit.binding,
        locks_waiting=store.mean("postgres.locks_waiting", window=(last.start_s, last.end_s)),
    )
    fit, refused = _usl(measured)
    costs = needs(store, measured)
    found = Carried(
        carried,
        copies_only=limits.key is None or costs.application is None,
        objective=limit.binding,
        never_held=limit.stopped_by == "never-held",
    )
    shares = GENERATOR in roles(store) or any(f"cpu:{GENERATOR}" in level.uses for level in measured)
    shares = shares and any(role != GENERATOR for role in roles(store))
    return Capacity(
        limit_per_s=carried,
        limit_reached=limit.failing is not None,
        never_held=limit.stopped_by == "never-held",
        limit_interval_per_s=interval,
        rate_top_per_s=top,
        levels=measured,
        uses=uses,
        limiting=limits,
        usl=fit,
        usl_refused=refused,
        needs=costs,
        growth=growth(costs, found, assume=assume, prices=book),
        assumptions=assume.sentences(),
        prices=book.describe(own_prices),
        currency=book.currency,
        shares_machine=shares,
        notes=_notes(measured, uses, costs, shares),
    )


def _carried(limit: Limit, ratio: float | None) -> tuple[float | None, tuple[float, float] | None]:
    """Return the limit in requests per second: a search by scenario starts or users is converted by what was answered."""
    held = [probe.requests_per_s for probe in limit.probes if probe.passed]
    if not limit.objectives:
        # Plain load runs: nothing was asked of them, so what was answered is what was carried.
        held = [probe.requests_per_s for probe in limit.probes]
        return max(held, default=None), None
    if limit.unit != "rate" or ratio is None:
        return (max(held) if held else None), None
    level = limit.estimate if limit.estimate is not None else limit.passing
    if level is None:
        return None, None
    interval = limit.interval
    return level * ratio, (interval[0] * ratio, interval[1] * ratio) if interval is not None else None


def _usl(measured: tuple[Level, ...]) -> tuple[UslFit | None, str | None]:
    """Fit the law over the loads that were carried: in overload, what is in flight grows with time, not with load."""
    points = [
        Point(level.in_flight, level.rate_per_s, level.seconds / level.rate_per_s**2)
        for level in measured
        if level.carried and level.clean and level.in_flight
    ]
    try:
        return fit_usl(points), None
    except CapacityError as error:
        return None, str(error.message)


def _notes(measured: tuple[Level, ...], uses: tuple[ResourceUse, ...], costs: Needs, shares: bool) -> tuple[str, ...]:
    found = []
    if shares:
        taken = max(
            (level.uses[f"cpu:{GENERATOR}"].mean for level in measured if f"cpu:{GENERATOR}" in level.uses), default=0
        )
        found.append(
            f"Load generator and service shared one machine: the generator took up to {three_digits(taken)} cores, "
            "which the service would have to itself in production. Its share is left out of what requests cost."
        )
    cores = max((level.uses["host"].mean for level in measured if "host" in level.uses), default=0.0)
    strange = max((level.uses[UNACCOUNTED].mean for level in measured if UNACCOUNTED in level.uses), default=0.0)
    if strange > STRANGE_RATIO * cores > 0:
        found.append(
            f"Up to {three_digits(strange)} of the {three_digits(cores)} cores in use belonged to no observed process: "
            "other work on the machine, or parts of the service that were not named. Measure on a quiet machine."
        )
    clean = sum(level.clean for level in measured)
    if clean < 3:
        found.append(
            f"Only {clean} load{'s' if clean != 1 else ''} without many failures: intervals are wide or missing."
        )
    if not uses:
        found.append("No resource was observed beside the load: run with the service's processes and database named.")
    elif costs.application is None:
        found.append("The service's own processes were not observed, so its CPU per request is not known.")
    if costs.database is None:
        found.append("PostgreSQL's CPU was not observed: the database's part of the growth plan is missing.")
    elif costs.read_ratio is None:
        found.append(
            "The share of reads was not observed: the growth plan takes all of the database's work for writes."
        )
    return tuple(found)
