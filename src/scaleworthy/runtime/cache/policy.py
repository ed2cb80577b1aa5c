"""How one class of data is kept: in which layers, for how long, and what may be shown while it is loaded anew."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from random import Random

from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.runtime.times import time_problems
from scaleworthy.units import parse_bytes, parse_duration_ns

_ns = functools.lru_cache(maxsize=256)(parse_duration_ns)
_bytes = functools.lru_cache(maxsize=256)(parse_bytes)
_ALWAYS = ("stale", "load_timeout")
# Beyond so many times the load's duration before its end an entry is loaded ahead once in e^10 = 22,000 times asked.
_EARLY_SPAN = 10.0


@dataclass(frozen=True, slots=True)
class Life:
    """Times of an entry from now on, ns: until it may be loaded ahead of time, until it is stale, until it is gone."""

    due_ns: int
    stale_ns: int
    gone_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Times are text such as `30s` or `5m`.

    Args:
        entries: Most entries of this class in memory.
        memory: How long an entry is fresh in memory; None: not kept there.
        valkey: In Valkey or Redis.
        table: In the database table.
        stale: How long after that it may still be shown, while it is loaded anew or where that fails.
        negative: How long it is remembered that there is nothing (a loader's None); None: not at all.
        early: How eagerly a value is loaded anew before it becomes stale, XFetch's beta; 0: never.
        jitter: Share of the time by which entries end earlier, at random, so that what came together does not end together.
        load_timeout: How long a loader may take.
        body_most: Most bytes of a value in the layers below memory, such as `1MB`: a larger one would take their budget, and with
            it everybody else's.
    """

    entries: int = 1_000
    memory: str | None = "1m"
    valkey: str | None = "5m"
    table: str | None = "1h"
    stale: str = "0s"
    negative: str | None = "5s"
    early: float = 1.0
    jitter: float = 0.1
    load_timeout: str = "30s"
    body_most: str = "1MB"

    def __post_init__(self) -> None:
        """Check all at once.

        Raises:
            InvalidInput: With every value that cannot be.
        """
        times = {name: getattr(self, name) for name in ("memory", "valkey", "table", "stale", "negative")}
        problems = time_problems(above_zero=False, **times) + time_problems(load_timeout=self.load_timeout)
        problems += [
            f"{name}: a time is wanted, such as 30s; got None" for name in _ALWAYS if getattr(self, name) is None
        ]
        try:
            parse_bytes(self.body_most)
        except UsageError as error:
            problems.append(f"body_most: {error.message}")
        if self.entries < 1:
            problems.append(f"entries: at least 1 is wanted, got {self.entries}")
        if not 0 <= self.jitter < 1:
            problems.append(f"jitter: a share from 0 to below 1 is wanted, got {self.jitter:g}")
        if not self.early >= 0:
            problems.append(f"early: at least 0 is wanted, got {self.early:g}")
        if problems:
            raise InvalidInput("this policy cannot be", problems)

    def fresh_ns(self, layer: str) -> int | None:
        """Return how long an entry is fresh in *layer*; None: it is not kept there."""
        text: str | None = getattr(self, layer)
        return None if text is None else _ns(text)

    @property
    def stale_ns(self) -> int:
        """How long an entry may be shown beyond being fresh."""
        return _ns(self.stale)

    @property
    def negative_ns(self) -> int | None:
        """How long nothing is remembered."""
        return None if self.negative is None else _ns(self.negative)

    @property
    def load_timeout_s(self) -> float:
        """How long a loader may take, s."""
        return _ns(self.load_timeout) / 1e9

    @property
    def bytes_most(self) -> int:
        """How many bytes a value may have in the layers below memory."""
        return _bytes(self.body_most)

    def life(self, fresh_ns: int, *, load_ns: int, rng: Random) -> Life:
        """Return the times of an entry that is fresh for *fresh_ns* (below 0: stale since so long) and took *load_ns* to load."""
        if fresh_ns <= 0:
            return Life(0, 0, max(0, self.stale_ns + fresh_ns))
        fresh = round(fresh_ns * (1 - self.jitter * rng.random()))
        due = max(0, fresh - round(_EARLY_SPAN * self.early * load_ns))
        return Life(due, fresh, fresh + self.stale_ns)

    def is_early(self, left_ns: int, *, load_ns: int, rng: Random) -> bool:
        """Decide whether an entry with *left_ns* to be fresh is loaded anew now (XFetch, Vattani and others, VLDB 2015)."""
        return left_ns <= -self.early * load_ns * math.log(1.0 - rng.random())
