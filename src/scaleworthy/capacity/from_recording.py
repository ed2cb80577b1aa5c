"""Read searches for the limit out of recordings; a plain load run is read as the loads that it held.

A search is kept as the fact ("limit", name). Where there is none, each stretch of constant load in the run is a level, and
nothing is said about objectives: the highest load is what was measured, not a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from itertools import pairwise
from typing import Any

import numpy as np

from scaleworthy.capacity.laws import little
from scaleworthy.errors import RecordingError
from scaleworthy.load.result import Limit, Probe, Quantiles, quantiles_of
from scaleworthy.series import MemoryStore, SeriesKey, Store

STEADY_S = 3
"""Shortest stretch of constant load that is read as a level."""
STEADY_RATIO = 0.02
WARM_UP_S = 1
LEVELS_MAX = 500


def limits_of(store: Store) -> dict[str, Limit]:
    """Return every search for the limit that *store* holds, by the name of the state of the service it was made in.

    Raises:
        RecordingError: A search is there and cannot be read.
    """
    return {name: limit_from_dict(value, name=name) for name, value in store.facts("limit").items()}


def limit_from_dict(data: Any, *, name: str = "limit") -> Limit:
    """Return the search that `dataclasses.asdict` wrote; fields that a later version added are left out.

    Raises:
        RecordingError: Something that a search needs is missing or of another kind.
    """
    try:
        probes = tuple(
            _made(
                Probe,
                {**probe, "response": _quantiles(probe["response"]), "service": _quantiles(probe["service"])},
            )
            for probe in data["probes"]
        )
        found: Limit = _made(Limit, {**data, "probes": probes, "interval": _pair(data["interval"])})
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(
            f"the search for the limit named {name!r} in the recording cannot be read: {error}",
            hint="record it again with this version",
        ) from error
    return found


def limit_of_runs(stores: Sequence[Store]) -> Limit | None:
    """Return the loads that plain runs held, as a search that found no limit; None when nothing was answered.

    The highest level counts as neither passed nor failed: nothing was asked of it.
    """
    probes = sorted((probe for store in stores for probe in _levels(store)), key=lambda probe: probe.level)
    if not probes:
        return None
    top = probes[-1]
    return Limit(
        unit="users" if any(_closed(store) for store in stores) else "rate",
        objectives=(),
        passing=top.level,
        failing=None,
        estimate=None,
        interval=None,
        binding="",
        shape="unknown",
        generator_max=None,
        headroom=None,
        monotonic=True,
        stopped_by="max-level",
        confirmed=False,
        seconds=float(sum(probe.end_s - probe.start_s for probe in probes)),
        probes=tuple(probes[-LEVELS_MAX:]),
    )


def together(stores: Sequence[Store]) -> Store:
    """Return one store with the counters, gauges and facts of several runs of the same service.

    Raises:
        RecordingError: Two runs cover the same seconds: what one used cannot be told from what the other did.
    """
    if len(stores) == 1:
        return stores[0]
    spans = sorted(span for store in stores if (span := store.span()) is not None)
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            raise RecordingError(
                "two of the recordings cover the same seconds, so their use of the machine cannot be told apart",
                hint="give runs that were made one after the other",
            )
    joined = MemoryStore()
    for store in stores:
        for key in filter(_is_number, store.keys()):
            seconds, values = store.per_second(key)
            for second, value in zip(seconds.tolist(), values.tolist(), strict=True):
                joined.append(second, [(key, value)])
        for queryid, text in store.facts("statement").items():
            joined.put_fact("statement", queryid, text)
    return joined


def _is_number(key: SeriesKey) -> bool:
    return key.kind != "histogram"


def _levels(store: Store) -> Iterable[Probe]:
    span = store.span("load.answered")
    for start, end, level in _stretches(store, *span) if span is not None else ():
        # The first second of a level still holds the level before it.
        first = start + WARM_UP_S if end - start > STEADY_S else start
        if (probe := _probe(store, first, end, level)) is not None:
            yield probe


def _stretches(store: Store, first: int, end: int) -> list[tuple[int, int, float | None]]:
    """Return (start, end, target) of each stretch of constant load; the whole run where there is none."""
    seconds, targets = store.per_second("load.target", window=(first, end))
    found: list[tuple[int, int, float | None]] = []
    at = 0
    for here in range(1, len(seconds) + 1):
        if here < len(seconds) and abs(targets[here] - targets[at]) <= STEADY_RATIO * max(abs(targets[at]), 1e-9):
            continue
        if int(seconds[here - 1]) + 1 - int(seconds[at]) >= STEADY_S and targets[at] > 0:
            found.append((int(seconds[at]), int(seconds[here - 1]) + 1, float(np.mean(targets[at:here]))))
        at = here
    return found or [(first, end, None)]


def _probe(store: Store, start: int, end: int, level: float | None) -> Probe | None:
    window = (start, end)
    answered = store.total("load.answered", window=window)
    if answered <= 0 or end <= start:
        return None
    rate = answered / (end - start)
    response, service = (store.histogram(f"load.{name}_time", window=window) for name in ("response", "service"))
    return Probe(
        level=level if level is not None else rate,
        start_s=start,
        end_s=end,
        planned=round(store.total("load.planned", window=window)),
        answered=round(answered),
        failed=round(store.total("load.failed", window=window)),
        not_started=round(store.total("load.not_started", window=window)),
        requests_per_s=rate,
        response=quantiles_of(response),
        service=quantiles_of(service),
        lag_p99_ns=store.histogram("load.lag", window=window).quantile(0.99),
        in_flight_mean=little(rate_per_s=rate, time_s=(service.mean_ns or 0.0) / 1e9),
        passed=None,
        binding="",
        margin=0.0,
        ended_early=None,
        recovery_s=None,
        phase="bracket",
    )


def _closed(store: Store) -> bool:
    """Whether a run's level counts users: its plan says so."""
    plan = store.run.get("plan")
    load = plan.get("load") if isinstance(plan, Mapping) else None
    return isinstance(load, Mapping) and ("users" in load or load.get("kind") == "closed")


def _quantiles(data: Mapping[str, Any]) -> Quantiles:
    pairs = {name: _pair(data.get(name)) for name in ("p95_interval_ns", "p99_interval_ns")}
    found: Quantiles = _made(Quantiles, {**data, **pairs})
    return found


def _pair(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    low, high = value
    return float(low), float(high)


def _made(kind: type, data: Mapping[str, Any]) -> Any:
    known = {field.name for field in fields(kind)}
    missing = [f.name for f in fields(kind) if f.default is MISSING and f.name not in data]
    if missing:
        raise KeyError(f"{kind.__name__} without {', '.join(missing)}")
    # JSON has no tuples: every list of these types was one.
    return kind(**{n: tuple(value) if isinstance(value, list) else value for n, value in data.items() if n in known})
