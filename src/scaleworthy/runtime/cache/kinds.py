"""One class of data: its policy, its part of memory, its counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scaleworthy._native import MemoryTable
from scaleworthy.runtime.cache.policy import Life, Policy
from scaleworthy.runtime.cache.statistics import ClassStatistics, Tally, record
from scaleworthy.series.meter import Meter

Clock = Callable[[], int]


class Kind:
    """What the cache knows of one class. Without *now_ns* memory reads the process's monotonic clock itself, which is quicker."""

    def __init__(self, name: str, policy: Policy, *, now_ns: Clock | None, meter: Meter | None) -> None:
        self.name = name
        self.policy = policy
        self.tally = Tally()
        self._now_ns = now_ns
        self._latest_ns = 0
        self._in_memory = policy.memory is not None
        self._table = MemoryTable(entries=policy.entries)
        self._load_time = None if meter is None else meter.histogram("runtime.cache.load_time", **{"class": name})
        if meter is not None:
            record(meter, name, self.statistics)
        self.get: Callable[[str, Any], Any] = self._table.get if now_ns is None else self._get_at

    def _get_at(self, key: str, default: Any) -> Any:
        return self._table.get(key, default, self._now())

    def look(self, key: str) -> tuple[Any, str, int, int] | None:
        """Return value, state, ns it took to load and ns until it is stale."""
        return self._table.look(key, self._now())

    def keep(self, key: str, value: Any, life: Life, *, load_ns: int, tags: Sequence[str]) -> None:
        """Keep *value* in memory, where the policy wants it there."""
        if self._in_memory:
            self._table.put(
                key,
                value,
                due_in_ns=life.due_ns,
                stale_in_ns=life.stale_ns,
                gone_in_ns=life.gone_ns,
                load_ns=load_ns,
                tags=tags,
                now_ns=self._now(),
            )

    def show_longer(self, key: str, for_ns: int) -> None:
        """Show what is under *key* for a while longer without asking for it anew."""
        self._table.prolong(key, for_ns, self._now())

    def loaded(self, load_ns: int) -> None:
        """Count a load that took so long."""
        self.tally.add("load")
        if self._load_time is not None:
            self._load_time.record(load_ns)

    def drop(self, keys: Sequence[str], tags: Sequence[str], *, everything: bool) -> None:
        """Drop from memory what is named."""
        if everything:
            self._table.clear()
        for key in keys:
            self._table.remove(key)
        for tag in tags:
            self._table.remove_tag(tag)

    def statistics(self) -> ClassStatistics:
        """Return the counts."""
        return self.tally.statistics(memory=self._table.counts(), entries=len(self._table))

    def _now(self) -> int | None:
        if self._now_ns is None:
            return None
        # Below 0 is where a clock went back beyond its beginning.
        now_ns = max(0, self._now_ns())
        if now_ns < self._latest_ns:
            # By a clock that went back what was kept before would be shown for too long.
            self._table.clear()
        self._latest_ns = now_ns
        return now_ns
