"""What all users of one process share: the line to the engine, names, prepared requests, feeders, what `@setup` returned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from scaleworthy._native import ScriptLine
from scaleworthy.load.scenarios.feeders import Feeder

TAGS_MAX = 10
_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


class World:
    """One process's share of a run, as its users see it.

    Attributes:
        target_url: Where requests go that name no other origin.
    """

    def __init__(
        self,
        line: ScriptLine,
        *,
        target_url: str,
        seed: int,
        origins: Sequence[str] = (),
        data: Any = None,
        feeders: Sequence[Feeder] = (),
    ) -> None:
        self.line = line
        self.target_url = target_url
        self.seed = seed
        self.data = data
        self._feeders = feeders
        self._base = urlsplit(target_url).path.rstrip("/")
        # The first one stands, where the target is named again among the origins.
        self._origins = {_origin(urlsplit(url)): at for at, url in reversed([*enumerate((target_url, *origins))])}
        self._declared = frozenset(self._origins)
        self._steps: dict[Any, int] = {}
        self._series: dict[Any, int] = {}

    def declares(self, url: str) -> bool:
        """Return whether *url* is at the target, or at one of the origins that the plan names."""
        try:
            return _origin(urlsplit(url)) in self._declared
        except ValueError:  # a port that is none
            return False

    def place_of(self, path: str) -> tuple[int, str]:
        """Return the number of the origin that a request goes to, and its path and query there.

        Raises:
            ValueError: Neither a path nor an http or https URL, or one origin too many.
        """
        if path.startswith("/"):
            return 0, self._base + path
        parts = urlsplit(path)
        if not parts.scheme:
            raise ValueError(f"a path begins with '/', got {path!r}")
        key = _origin(parts)
        number = self._origins.get(key)
        if number is None:
            number = self._origins[key] = self.line.origin(path)
        rest = parts.path or "/"
        return number, f"{rest}?{parts.query}" if parts.query else rest

    def step(self, name: str, tags: Mapping[str, str] | None = None) -> int:
        """Return the step of this name and these tags.

        Raises:
            ValueError: More than 10 tags.
        """
        key = (name, tuple(sorted(tags.items()))) if tags else name
        number = self._steps.get(key)
        if number is None:
            pairs = [] if isinstance(key, str) else [(str(tag), str(value)) for tag, value in key[1]]
            if len(pairs) > TAGS_MAX:
                raise ValueError(f"a request has at most {TAGS_MAX} tags, got {len(pairs)}")
            number = self._steps[key] = self.line.step(name, pairs)
        return number

    def count(self, series: str, labels: Mapping[str, str], value: float, unit: str) -> None:
        """Add to a counter."""
        self._record(series, labels, unit, "counter", value)

    def time(self, series: str, labels: Mapping[str, str], value_ns: float) -> None:
        """Add one time to a distribution."""
        self._record(series, labels, "ns", "histogram", value_ns)

    def record_own(self, series: str, value: float, unit: str, labels: Mapping[str, str]) -> None:
        """Record a value of a series of the scenario's own: a time, a level or an amount, by its unit."""
        if unit in _NS:
            self._record(series, labels, "ns", "histogram", value * _NS[unit])
        else:
            self._record(series, labels, unit, "gauge" if unit == "level" else "counter", value)

    def _record(
        self,
        series: str,
        labels: Mapping[str, str],
        unit: str,
        kind: Literal["histogram", "counter", "gauge"],
        value: float,
    ) -> None:
        key = (series, tuple(sorted(labels.items())), kind)
        number = self._series.get(key)
        if number is None:
            number = self._series[key] = self.line.series(series, [(str(k), str(v)) for k, v in key[1]], unit, kind)
        self.line.record(number, float(value))

    def row(self, number: int) -> Mapping[str, Any]:
        """Return the rows of all feeders for iteration *number*, as one."""
        merged: dict[str, Any] = {}
        for feeder in self._feeders:
            merged |= feeder.row(number, seed=self.seed)
        return merged


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
