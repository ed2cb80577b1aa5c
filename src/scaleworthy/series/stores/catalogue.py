"""Which series there are, and which number each has in the native table."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from scaleworthy.series.model import SeriesKey


class Catalogue:
    """Series by number, by key and by name. Series are only ever added, so a number once given stays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: list[SeriesKey] = []
        self._numbers: dict[SeriesKey, int] = {}
        self._by_name: dict[str, list[int]] = {}

    def number(self, key: SeriesKey) -> int | None:
        """Return the number of a series, or None where it is new."""
        return self._numbers.get(key)

    def add(self, key: SeriesKey, number: int) -> None:
        """Give *key* the next number; numbers come in order."""
        with self._lock:
            if number != len(self._keys):
                raise ValueError(f"series numbers come in order: {len(self._keys)} is next, got {number}")
            self._keys.append(key)
            self._numbers[key] = number
            self._by_name.setdefault(key.name, []).append(number)

    def select(self, name: str | SeriesKey | None, labels: Mapping[str, str] | None) -> list[int]:
        """Return the numbers of the series of this name (any, for None) that have all these labels; of a key, its own alone."""
        if isinstance(name, SeriesKey):
            if labels:
                raise ValueError(f"{name} is one series with its labels; got further labels {dict(labels)}")
            number = self.number(name)
            return [] if number is None else [number]
        with self._lock:
            numbers = list(range(len(self._keys)) if name is None else self._by_name.get(name, ()))
            if not labels:
                return numbers
            wanted = set(labels.items())
            return [number for number in numbers if wanted <= set(self._keys[number].labels)]

    def key(self, number: int) -> SeriesKey:
        """Return the series of a number."""
        return self._keys[number]

    def since(self, number: int) -> list[tuple[int, SeriesKey]]:
        """Return the series from this number on."""
        with self._lock:
            return list(enumerate(self._keys[number:], number))

    def copy(self) -> Catalogue:
        """Return the same series with the same numbers, to be added to apart."""
        copied = Catalogue()
        with self._lock:
            keys = list(self._keys)
        for number, key in enumerate(keys):
            copied.add(key, number)
        return copied
