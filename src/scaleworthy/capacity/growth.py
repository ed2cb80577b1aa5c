"""What each size of growth needs in servers, and what it costs.

Question: how many application servers, database instances and cache nodes do 10×, 100× and enterprise need, at what
          cost a month, and is there a size that this service cannot reach as it is built?
Method:   need = cost of a request × peak load / share of cores in use. The application grows by adding servers; the
          database by bigger instances, then by read replicas, while every write stays on one primary; work that reads
          whole tables grows with the data as well as with the load.
Units:    requests per second at the peak; bytes; the price book's currency per month.
Interval: the plan made again with the lower and the upper ends of the measured costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scaleworthy.capacity.needs import Cost, Needs
from scaleworthy.capacity.prices import PriceBook, ServerSize, Sizes
from scaleworthy.capacity.sizes import GB, Assumptions, Size
from scaleworthy.units import format_bytes, three_digits

Uncertainty = Literal["measured", "near", "extrapolated", "far"]
SERVERS_HANDY = 12
"""Up to how many application servers of one size are kept before the next bigger size is taken."""
SCAN_ROW_S = 1e-7
"""Core time to read one row in a sequential scan: 10 million rows a second, the order of PostgreSQL on one core."""
SCAN_MOST_S = 0.5
"""Scanning per request beyond which more servers do not help: the request itself is too long."""
CACHE_MEMORY_MOST = 0.75


@dataclass(frozen=True, slots=True)
class GrowthNeed:
    """What one size needs.

    Attributes:
        monthly_cost: Per month, with the interval that the measured costs' intervals give. What is out of reach is
            priced as if the machines existed; `reachable` says that they do not, and `why`.
        uncertainty: How far the peak lies beyond the highest load measured: up to it, 2 times, 10 times, or further.
        items: What the cost is made of, name and amount per month.
    """

    size: Size
    requests_per_s: float
    requests_per_month: float
    data_bytes: int
    app_servers: int
    app_size: str
    database_instances: int
    database_size: str
    read_replicas: int
    cache_nodes: int
    cache_size: str
    storage_bytes: int
    monthly_cost: float
    monthly_cost_interval: tuple[float, float]
    cost_per_user: float
    cost_per_1000_requests: float
    reachable: bool
    why: str
    extrapolation: float | None
    uncertainty: Uncertainty
    items: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Carried:
    """What the search for the limit found, as growth uses it.

    Attributes:
        limit_per_s: Requests per second held within the objectives; None when none did, or none was found.
        never_held: Whether the objective broke even at the lowest load tried.
        copies_only: Nothing that was observed explains the limit (or no process was observed), so the only way
            known to carry more is another copy of the application as it was measured.
        objective: The objective that decided, as text.
    """

    limit_per_s: float | None
    copies_only: bool
    objective: str = ""
    never_held: bool = False


def growth(measured: Needs, carried: Carried, *, assume: Assumptions, prices: PriceBook) -> tuple[GrowthNeed, ...]:
    """Return what each of the assumed sizes needs and costs."""
    return tuple(_need(size, measured, carried, assume, prices) for size in assume.sizes)


@dataclass(frozen=True, slots=True)
class _Fleet:
    """The machines of one plan, and the reasons why they would not do."""

    app: tuple[int, ServerSize]
    database: tuple[int, int, ServerSize] | None
    cache: tuple[int, ServerSize] | None
    stops: tuple[str, ...]
    notes: tuple[str, ...]


def _need(size: Size, measured: Needs, carried: Carried, assume: Assumptions, prices: PriceBook) -> GrowthNeed:
    fleet = _fleet(size, measured, carried, assume, prices, "value_s")
    data = assume.data_bytes(size, measured.database_bytes)
    storage = round(data * assume.storage_factor) if measured.database is not None else 0
    requests = assume.requests_per_month(size)
    traffic_gb = requests * measured.response_bytes / GB
    items = _bill(fleet, data, storage, traffic_gb, prices)
    cost = sum(amount for _, amount in items)
    ends = [
        sum(
            a for _, a in _bill(_fleet(size, measured, carried, assume, prices, end), data, storage, traffic_gb, prices)
        )
        for end in ("low_s", "high_s")
    ]
    peak = assume.peak_per_s(size)
    factor = peak / measured.rate_top_per_s if measured.rate_top_per_s > 0 else None
    instances, replicas, database_size = (
        (fleet.database[0], fleet.database[1], fleet.database[2].name) if fleet.database else (0, 0, "")
    )
    return GrowthNeed(
        size=size,
        requests_per_s=peak,
        requests_per_month=requests,
        data_bytes=data,
        app_servers=fleet.app[0],
        app_size=fleet.app[1].name,
        database_instances=instances,
        database_size=database_size,
        read_replicas=replicas,
        cache_nodes=fleet.cache[0] if fleet.cache else 0,
        cache_size=fleet.cache[1].name if fleet.cache else "",
        storage_bytes=storage,
        monthly_cost=cost,
        monthly_cost_interval=(min(cost, *ends), max(cost, *ends)),
        cost_per_user=cost / size.users,
        cost_per_1000_requests=1000 * cost / requests,
        reachable=not fleet.stops,
        why=_why(fleet, carried, peak, factor),
        extrapolation=factor,
        uncertainty=_uncertainty(factor),
        items=items,
    )


def _fleet(size: Size, measured: Needs, carried: Carried, assume: Assumptions, prices: PriceBook, end: str) -> _Fleet:
    peak = assume.peak_per_s(size)
    spare = size.users >= assume.spare_from_users
    stops: list[str] = []
    notes: list[str] = []
    if carried.never_held:
        goal = f" ({carried.objective})" if carried.objective else ""
        stops.append(
            f"the objective{goal} did not hold at the lowest load tried: more servers do not shorten a request"
        )
    app = _application(peak, measured, carried, assume, prices, end, spare)
    database = None
    if measured.database is not None:
        database = _database(measured.database, size, peak, measured, assume, prices.database, end, spare, stops, notes)
    elif carried.limit_per_s is None or peak > carried.limit_per_s:
        stops.append(
            "the CPU of the database was not observed, so what it would carry beyond the measured limit is not known"
        )
    if measured.connection_held_s is not None and peak * measured.connection_held_s > 400:
        notes.append(f"{three_digits(peak * measured.connection_held_s)} database connections at once need a pooler")
    cache = (
        _cache(measured.cache, size, peak, measured, assume, prices.cache, end, spare)
        if measured.cache is not None
        else None
    )
    return _Fleet(app, database, cache, tuple(stops), tuple(notes))


def _application(
    peak: float, measured: Needs, carried: Carried, assume: Assumptions, prices: PriceBook, end: str, spare: bool
) -> tuple[int, ServerSize]:
    """Return how many application servers of which size: the smallest size of which a handy number does."""
    least = 2 if spare else 1
    copies = 0.0
    if carried.copies_only and carried.limit_per_s:
        copies = peak / (carried.limit_per_s * assume.utilisation_most)
    options = []
    for server in prices.compute.by_vcpus:
        cores = server.vcpus * assume.core_ratio
        count = copies * measured.application_workers / cores
        if measured.application is not None:
            idle = measured.application.base_cores / measured.application_workers * server.vcpus
            usable = max(cores * assume.utilisation_most - idle, 0.1 * cores)
            count = max(count, getattr(measured.application, end) * peak / usable)
        options.append((max(least, math.ceil(count - 1e-9)), server))
    return next((option for option in options if option[0] <= SERVERS_HANDY), options[-1])


def _database(
    cost: Cost,
    size: Size,
    peak: float,
    measured: Needs,
    assume: Assumptions,
    sizes: Sizes,
    end: str,
    spare: bool,
    stops: list[str],
    notes: list[str],
) -> tuple[int, int, ServerSize]:
    """Return instances (stand-by included), read replicas among them, and their size; note what stands in the way."""
    ratio = assume.growth_ratio(size)
    scan_s = min(measured.scanned_rows * SCAN_ROW_S, getattr(cost, end))
    per_request_s = getattr(cost, end) + scan_s * (ratio - 1)
    cores = (cost.base_cores + per_request_s * peak) / assume.core_ratio / assume.utilisation_most
    if scan_s * ratio > SCAN_MOST_S:
        stops.append(
            f"a request reads {three_digits(measured.scanned_rows)} rows by sequential scans; with {three_digits(ratio)} "
            f"times the data that is about {three_digits(scan_s * ratio)} s of scanning for each request"
        )
    memory = assume.hot_ratio * assume.data_bytes(size, measured.database_bytes) / GB
    fits = [s for s in sizes.by_vcpus if s.vcpus >= cores and s.memory_gb >= memory]
    standby = 1 if spare else 0
    if fits:
        return 1 + standby, 0, min(fits, key=lambda s: s.per_hour)
    biggest = sizes.biggest
    if memory > biggest.memory_gb:
        notes.append(
            f"the hot part of the data ({format_bytes(memory * GB)}) exceeds the memory of the biggest instance "
            f"({three_digits(biggest.memory_gb)} GB): partition, or keep less of it hot"
        )
    if cores <= biggest.vcpus:
        return 1 + standby, 0, biggest
    read = measured.read_ratio if measured.read_ratio is not None else 0.0
    replicas = math.ceil((cores - biggest.vcpus) / biggest.vcpus)
    writes = cores * (1 - read)
    share = (
        "" if measured.read_ratio is not None else " (the share of reads was not observed, so all is taken for writes)"
    )
    if writes > biggest.vcpus:
        stops.append(
            f"writes alone need {three_digits(writes)} cores on the one primary{share}; the biggest instance, "
            f"{biggest.name}, has {biggest.vcpus}"
        )
    elif replicas > assume.replicas_most:
        stops.append(f"{replicas} read replicas would be needed; {assume.replicas_most} are the most")
    else:
        notes.append(
            f"{replicas} read replica{'s take' if replicas > 1 else ' takes'} what only reads ({100 * read:.0f} %)"
        )
    return 1 + standby + replicas, replicas, biggest


def _cache(
    cost: Cost, size: Size, peak: float, measured: Needs, assume: Assumptions, sizes: Sizes, end: str, spare: bool
) -> tuple[int, ServerSize]:
    """Return cache nodes and their size: memory grows with the users, and each node answers on one core."""
    memory = (measured.cache_bytes or 0.0) / GB * max(1.0, assume.growth_ratio(size)) / CACHE_MEMORY_MOST
    server = next((s for s in sizes.by_vcpus if s.memory_gb >= memory), sizes.biggest)
    by_memory = memory / server.memory_gb
    by_cpu = (cost.base_cores + getattr(cost, end) * peak) / assume.core_ratio / assume.utilisation_most
    shards = max(1, math.ceil(by_memory - 1e-9), math.ceil(by_cpu - 1e-9))
    return shards * (2 if spare else 1), server


def _bill(
    fleet: _Fleet, data: int, storage: int, traffic_gb: float, prices: PriceBook
) -> tuple[tuple[str, float], ...]:
    items = [(f"{fleet.app[0]} × {fleet.app[1].name} (application)", fleet.app[0] * fleet.app[1].per_month)]
    if fleet.database is not None:
        count, _, server = fleet.database
        items.append((f"{count} × {server.name} (PostgreSQL)", count * server.per_month))
        disk = storage / GB * prices.storage.database_per_gb_month
        items.append((f"{count} × {format_bytes(storage)} of disk", count * disk))
        items.append((f"{format_bytes(data)} of backups", data / GB * prices.storage.backup_per_gb_month))
    if fleet.cache is not None:
        items.append((f"{fleet.cache[0]} × {fleet.cache[1].name} (cache)", fleet.cache[0] * fleet.cache[1].per_month))
    if fleet.app[0] > 1:
        items.append(("load balancer", prices.load_balancer.per_month))
    items.append((f"{three_digits(traffic_gb)} GB to the internet", prices.egress.cost(traffic_gb)))
    return tuple(items)


def _why(fleet: _Fleet, carried: Carried, peak: float, factor: float | None) -> str:
    if fleet.stops:
        return "; ".join(fleet.stops)
    parts = list(fleet.notes)
    if carried.limit_per_s is not None and peak <= carried.limit_per_s:
        parts.insert(0, f"within the measured limit of {three_digits(carried.limit_per_s)} requests/s")
    elif carried.copies_only:
        parts.insert(0, "by copies of what was measured: no observed resource explains its limit")
    if factor is not None and factor > 1:
        parts.append(f"{three_digits(factor)} times the highest load measured ({_uncertainty(factor)})")
    return "; ".join(parts)


def _uncertainty(factor: float | None) -> Uncertainty:
    if factor is None:
        return "far"
    return "measured" if factor <= 1 else "near" if factor <= 2 else "extrapolated" if factor <= 10 else "far"
