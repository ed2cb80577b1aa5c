"""Read from a store how much of each resource a stretch of steady load used.

Question: at this load, how many cores, connections and disk-seconds a second did each part take, and how much is there?
Units:    cores (CPU seconds per second); connections; ratio 0 to 1; requests per second.
Not here: usage against load (demand.py), what follows from it (current.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scaleworthy.load.result import Limit, Probe
from scaleworthy.series import Store

Unit = Literal["cores", "connections", "ratio"]
Window = tuple[int, int]
GENERATOR = "generator"
UNACCOUNTED = "cpu:unaccounted"
BUSY_STATES = ("active", "idle in transaction", "waiting")
POOL_FULL = 0.7
"""Share of a pool's open connections in use from which its size, rather than the need, sets how many there are."""
SECONDS_MIN = 2
FAILED_MOST = 0.05
"""Share of failed requests above which what a request costs is no longer what a good request costs."""
KEEPS_UP = 0.95
"""Share of the asked rate that must be answered for a level to count as carried rather than as overload."""


@dataclass(frozen=True, slots=True)
class Use:
    """Mean usage of one resource over a window, and the variance of its single seconds."""

    mean: float
    second_variance: float


@dataclass(frozen=True, slots=True)
class Level:
    """One load, held for some seconds.

    Attributes:
        rate_per_s: Answered requests per second.
        in_flight: Requests inside the service on average, None where it was not measured.
        carried: Whether the service kept up: overload is no point of a throughput curve.
        clean: Whether so few requests failed that the cost of a request can be read from it.
        uses: Resource key → usage.
    """

    rate_per_s: float
    start_s: int
    end_s: int
    in_flight: float | None
    carried: bool
    clean: bool
    uses: Mapping[str, Use]

    @property
    def seconds(self) -> int:
        """How long it was held."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that can be used up.

    Attributes:
        key: `cpu:http`, `host`, `host:service`, `connections`, `pool`, `disk`.
        limit: How much there is, in *unit*; None when that is not known.
        why: Where the limit comes from, in words.
        shared: It also carries the load generator, which would not be there in production.
    """

    key: str
    name: str
    unit: Unit
    limit: float | None
    why: str
    shared: bool = False


def levels(store: Store, probes: Sequence[Probe], *, requests_per_level: float | None) -> tuple[Level, ...]:
    """Return what each probe used, by rising throughput; probes that answered nothing, or were too short, are left out.

    Args:
        requests_per_level: Requests that one unit of a probe's level makes (a scenario of three steps makes three);
            None when levels are users, which promise no throughput.
    """
    found = []
    for probe in probes:
        seconds = probe.end_s - probe.start_s
        if seconds < SECONDS_MIN or probe.answered <= 0:
            continue
        window = (probe.start_s, probe.end_s)
        answered = store.total("load.answered", window=window)
        rate = answered / seconds if answered > 0 else probe.requests_per_s
        carried = probe.not_started <= (1 - KEEPS_UP) * max(1, probe.planned)
        if requests_per_level is not None:
            carried = carried and rate >= KEEPS_UP * requests_per_level * probe.level
        found.append(
            Level(
                rate_per_s=rate,
                start_s=probe.start_s,
                end_s=probe.end_s,
                in_flight=probe.in_flight_mean if probe.in_flight_mean > 0 else None,
                carried=carried,
                clean=probe.failed <= FAILED_MOST * probe.answered,
                uses=uses(store, window),
            )
        )
    return tuple(sorted(found, key=lambda level: level.rate_per_s))


def requests_per_level(limit: Limit) -> float | None:
    """Return the requests that one unit of the search's level makes, from the levels that held; None for users."""
    if limit.unit != "rate":
        return None
    ratios = [p.requests_per_s / p.level for p in limit.probes if p.passed and p.level > 0 and p.requests_per_s > 0]
    if not ratios:
        lowest = sorted((p for p in limit.probes if p.level > 0 and p.requests_per_s > 0), key=lambda p: p.level)[:1]
        ratios = [p.requests_per_s / p.level for p in lowest]
    return float(np.median(ratios)) if ratios else None


def uses(store: Store, window: Window) -> dict[str, Use]:
    """Return the usage of every resource that was observed in *window*."""
    found: dict[str, Use] = {}
    for role in roles(store):
        if (use := _per_second(store, "process.cpu_seconds", window, {"role": role})) is not None:
            found[f"cpu:{role}"] = use
    if (own := _per_second(store, "generator.cpu_seconds", window)) is not None:
        # The engine's threads are the floor of what the generator takes; its process may take more (Python, observers).
        known = found.get(f"cpu:{GENERATOR}")
        if known is None or known.mean < own.mean:
            found[f"cpu:{GENERATOR}"] = own
    _host(store, window, found)
    _connections(store, window, found)
    if (busy := _per_second(store, "host.disk_busy", window)) is not None:
        found["disk"] = busy
    return found


def whole(measured: Sequence[Level]) -> Window:
    """Return the stretch from the first level to the last: a recording may hold another state of the service beside it."""
    return min(level.start_s for level in measured), max(level.end_s for level in measured)


def roles(store: Store) -> tuple[str, ...]:
    """Return the process roles that were observed, in order."""
    found = {dict(key.labels).get("role", "") for key in store.keys("process.cpu_seconds")}
    return tuple(sorted(found - {""}))


def _host(store: Store, window: Window, found: dict[str, Use]) -> None:
    """Add the host's CPU: all of it, without the generator, and what belongs to no known process."""
    cpus, busy = store.mean("host.cpus", window=window), _per_second(store, "host.cpu", window)
    if cpus is None or busy is None:
        return
    whole = Use(busy.mean * cpus, busy.second_variance * cpus**2)
    found["host"] = whole
    generator = found.get(f"cpu:{GENERATOR}", Use(0.0, 0.0))
    found["host:service"] = Use(
        max(0.0, whole.mean - generator.mean), whole.second_variance + generator.second_variance
    )
    known = [use for key, use in found.items() if key.startswith("cpu:")]
    rest = whole.mean - sum(use.mean for use in known)
    found[UNACCOUNTED] = Use(max(0.0, rest), whole.second_variance + sum(use.second_variance for use in known))


def _connections(store: Store, window: Window, found: dict[str, Use]) -> None:
    if (used := _per_second(store, "postgres.connections_used", window)) is not None:
        found["connections"] = used
    busy = [_per_second(store, "postgres.connections", window, {"state": state}) for state in BUSY_STATES]
    if known := [use for use in busy if use is not None]:
        found["pool"] = Use(sum(use.mean for use in known), sum(use.second_variance for use in known))


def _per_second(store: Store, name: str, window: Window, labels: Mapping[str, str] | None = None) -> Use | None:
    """Return mean and variance of a series summed over its labels; seconds without a slice count as gaps, not as 0."""
    seconds, values = store.per_second(name, labels=labels, window=window)
    if len(seconds) == 0:
        return None
    # A counter read late holds the increment of the missed seconds too: divide by the stretch, not by the readings.
    stretch = int(seconds[-1]) - int(seconds[0]) + 1 if name.endswith("cpu_seconds") else len(seconds)
    return Use(float(np.sum(values)) / stretch, float(np.var(values, ddof=1)) if len(values) > 1 else 0.0)


def resources(
    store: Store,
    measured: Sequence[Level],
    *,
    workers: Mapping[str, int] | None = None,
    pool_connections: int | None = None,
) -> tuple[Resource, ...]:
    """Return the resources that were observed, with how much there is of each.

    Args:
        workers: Role → processes that run requests, each good for one core; by default what was counted. The roles
            `http` and `valkey` are taken for single-threaded per process, unless they were seen to use more.
        pool_connections: Connections the service's pools may open together, when it is known.
    """
    seen = {key for level in measured for key in level.uses}
    cpus = store.maximum("host.cpus")
    window = whole(measured)
    found = [
        _cpu_of(store, measured, role, cpus, (workers or {}).get(role), window)
        for role in roles(store)
        if role != GENERATOR
    ]
    if "host" in seen:
        found.append(Resource("host", "host CPU with the load generator", "cores", cpus, "cores of the host", True))
        found.append(
            Resource(
                "host:service",
                "host CPU, service on its own machine",
                "cores",
                cpus,
                "the host's cores, generator elsewhere",
            )
        )
    if "connections" in seen:
        most = store.maximum("postgres.connections_max", window=window)
        found.append(Resource("connections", "PostgreSQL connections", "connections", most, "max_connections"))
    if "pool" in seen and (size := _pool_size(store, measured, pool_connections)) is not None:
        found.append(Resource("pool", "the service's connection pool", "connections", size[0], size[1]))
    if "disk" in seen:
        found.append(Resource("disk", "disk", "ratio", 1.0, "a disk that is busy all the time"))
    return tuple(found)


ROLE_NAMES = {"http": "the service's CPU", "postgres": "PostgreSQL's CPU", "valkey": "Valkey's CPU"}


def _cpu_of(
    store: Store, measured: Sequence[Level], role: str, cpus: float | None, told: int | None, window: Window
) -> Resource:
    name, key = ROLE_NAMES.get(role, f"CPU of {role}"), f"cpu:{role}"
    if role not in ("http", "valkey") and told is None:
        return Resource(key, name, "cores", cpus, "the host's cores")
    counted = store.maximum("process.count", labels={"role": role}, window=window)
    processes = float(told) if told is not None else max(1.0, counted or 1.0)
    most = max((level.uses[key].mean for level in measured if key in level.uses), default=0.0)
    if most > 1.1 * processes:
        return Resource(key, name, "cores", cpus, f"the host's cores: it was seen to use {most:.2f}, so it has threads")
    limit = processes if cpus is None else min(processes, cpus)
    why = "one core for its one process" if processes == 1 else f"one core for each of {processes:.0f} processes"
    return Resource(key, name, "cores", limit, why)


def _pool_size(store: Store, measured: Sequence[Level], told: int | None) -> tuple[float, str] | None:
    """Return the size of the service's pool: told, or seen when it was nearly all in use."""
    if told is not None:
        return float(told), "as configured"
    sizes = []
    for level in measured:
        _, opened = store.per_second("postgres.connections", window=(level.start_s, level.end_s))
        if len(opened) and (size := float(np.max(opened))) > 0 and level.uses["pool"].mean >= POOL_FULL * size:
            sizes.append(size)
    if not sizes:
        return None
    return max(sizes), f"the most open while at least {100 * POOL_FULL:.0f} % of them were busy"
