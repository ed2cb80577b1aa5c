"""How much of a minute's worth is left: counted over the last 60 s, or filled steadily.

A clock that jumps: forwards, it lets through at once what a minute would have, as the minute would; backwards, nobody waits longer
than a minute for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

_MINUTE_S = 60.0
# What is taken within so long is counted as one, at the end of it: so many numbers are kept for a minute, and never too few counted.
_SLOT_S = 0.1
_EXACT = 1e-6

Slot: TypeAlias = list[float]
"""When it was taken, and how much."""


class Minute(Protocol):
    """A minute's worth of something."""

    most: float

    def take(self, amount: float) -> Slot:
        """Draw *amount*."""
        ...

    def adjust(self, taken: Slot | None, more: float) -> None:
        """What was *taken* was more than thought, or, below 0, less."""
        ...

    def wait_s(self, amount: float) -> float:
        """Return how long until *amount* can be drawn."""
        ...


class Window:
    """In no 60 s is more drawn than *per_minute*, except where a call used more than was estimated: then later ones wait for it."""

    def __init__(self, per_minute: float, *, now: Callable[[], float]) -> None:
        self.most = float(per_minute)
        self._slots: deque[Slot] = deque()
        self._used = 0.0
        self._now = now

    def take(self, amount: float) -> Slot:
        """Draw *amount*."""
        now = self._forget()
        if not self._slots or self._slots[-1][0] <= now:
            self._slots.append([now + _SLOT_S, 0.0])
        slot = self._slots[-1]
        slot[1] += amount
        self._used += amount
        return slot

    def adjust(self, taken: Slot | None, more: float) -> None:
        """Give back to the time it was taken from; draw what was more now."""
        if more > 0:
            self.take(more)
        elif taken is not None and any(taken is slot for slot in self._slots):
            taken[1] += more
            self._used += more

    def wait_s(self, amount: float) -> float:
        """Return how long until *amount* can be drawn; of more than a minute's worth, minute by minute."""
        now = self._forget()
        minutes, rest = divmod(amount, self.most)
        if rest <= _EXACT and minutes:
            minutes, rest = minutes - 1, self.most
        over = self._used + rest - self.most
        if over <= _EXACT:
            return minutes * _MINUTE_S
        for at, used in self._slots:
            over -= used
            if over <= _EXACT:
                return max(0.0, at + _MINUTE_S - now) + minutes * _MINUTE_S
        return _MINUTE_S * (minutes + 1)

    def _forget(self) -> float:
        now = self._now()
        slots = self._slots
        if slots and slots[-1][0] > now + _SLOT_S + _EXACT:
            # The clock went back: what was taken later than now was taken now.
            for slot in slots:
                slot[0] = min(slot[0], now)
        while slots and now - slots[0][0] >= _MINUTE_S:
            self._used -= slots.popleft()[1]
        if not slots:
            self._used = 0.0
        return now


class Bucket:
    """Holds a minute's worth and fills steadily. It may be drawn below nothing by what cost more than estimated."""

    def __init__(self, per_minute: float, *, now: Callable[[], float]) -> None:
        self._per_s = per_minute / _MINUTE_S
        self.most = float(per_minute)
        self._level = self.most
        self._now = now
        self._at = now()

    @property
    def level(self) -> float:
        """What it holds."""
        now = self._now()
        self._level = min(self.most, self._level + max(0.0, now - self._at) * self._per_s)
        self._at = now
        return self._level

    def take(self, amount: float) -> Slot:
        """Draw *amount*, or give back where it is below 0."""
        self._level = min(self.most, self.level - amount)
        return [self._at, amount]

    def adjust(self, taken: Slot | None, more: float) -> None:
        """Draw or give back now."""
        if taken is not None:
            self.take(more)

    def wait_s(self, amount: float) -> float:
        """Return how long until it holds *amount*."""
        short = amount - self.level
        return short / self._per_s if short > _EXACT else 0.0
