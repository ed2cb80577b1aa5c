"""What a source of observations is: something that can be asked what happened since it was last asked."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from scaleworthy.series import SeriesKey, Slice

Key = TypeVar("Key", bound=Hashable)
Fact = tuple[str, str, Any]


@dataclass(slots=True)
class Sample:
    """What one look at a source gave: slices for the second that ends, and facts to keep (kind, key, JSON value)."""

    slices: list[Slice] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def counter(self, name: str, unit: str, value: float, **labels: str) -> None:
        """Add what a counter grew by since the last look."""
        self.slices.append((SeriesKey.of(name, "counter", unit, labels), float(value)))

    def gauge(self, name: str, unit: str, value: float, **labels: str) -> None:
        """Add what a gauge stands at."""
        self.slices.append((SeriesKey.of(name, "gauge", unit, labels), float(value)))


class Source(Protocol):
    """Something that is looked at each second, from one thread.

    Nothing is opened before the first `sample`. The first one gives gauges and facts alone: there is nothing yet that a
    counter could have grown from. After an error the next `sample` opens again what it needs.
    """

    name: str

    def sample(self) -> Sample:
        """Return what happened since the last call."""

    def close(self) -> None:
        """Let go of connections; `sample` opens them again."""


class Differences(Generic[Key]):
    """Turns counters that only grow into what they grew by, and survives their being set back to zero."""

    def __init__(self) -> None:
        self._last: dict[Key, float] | None = None

    def since(self, now: Mapping[Key, float]) -> dict[Key, float]:
        """Return what each grew by since the last call; empty on the first.

        One that is new has grown from nothing. One that is smaller than before was reset (or left and came back): what
        it shows has all happened since.
        """
        last, self._last = self._last, dict(now)
        if last is None:
            return {}
        grown = {key: value - last.get(key, 0) for key, value in now.items()}
        return {key: value if value >= 0 else now[key] for key, value in grown.items()}

    def forget(self) -> None:
        """Start anew: the next call is a first one."""
        self._last = None
