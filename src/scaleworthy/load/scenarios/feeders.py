"""Data for scenarios: rows of a CSV, JSONL or Parquet file, of a list, or of a generator; one row an iteration.

An iteration's number is unique over all workers, and the row follows from the number alone: workers share rows out without talking.
"""

from __future__ import annotations

import random
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from scaleworthy.errors import MissingExtra
from scaleworthy.load.feeders import read_rows
from scaleworthy.load.scenarios.errors import FeederDry

Order = Literal["sequential", "random", "unique"]
Row = Mapping[str, Any]
_KEPT_MAX = 10_000
"""Rows of a generator that were passed on the way to a later one and may still be asked for."""


class Feeder:
    """Rows for iterations; made by `feed`."""

    def __init__(
        self, source: str | Path | Iterable[Row] | Callable[[], Iterator[Row]], order: Order, folder: Path
    ) -> None:
        self._source = source
        self._order = order
        self._folder = folder
        self._rows: Sequence[Row] | None = None
        self._generator: Iterator[Row] | None = None
        self._passed: OrderedDict[int, Row] = OrderedDict()
        self._made = 0

    def load(self) -> None:
        """Read the rows, if they come from a file or a list.

        Raises:
            ValueError: Unreadable, empty or ragged, with file and line.
        """
        if self._rows is not None or callable(self._source):
            return
        source = self._source
        rows = _file_rows(self._folder / source) if isinstance(source, str | Path) else list(source)
        if not rows:
            raise ValueError("a feeder without rows feeds nobody")
        self._rows = rows

    def row(self, number: int, *, seed: int = 0) -> Row:
        """Return the row of iteration *number*.

        Raises:
            FeederDry: `unique`, or a generator, has no more rows.
        """
        self.load()
        if self._rows is None:
            return self._generated(number)
        rows = self._rows
        if self._order == "random":
            return rows[random.Random(f"{seed}/{number}/row").randrange(len(rows))]
        if self._order == "unique" and number >= len(rows):
            raise FeederDry(f"all {len(rows)} rows have been used, and each is to be used once")
        return rows[number % len(rows)]

    def _generated(self, number: int) -> Row:
        if self._generator is None:
            assert callable(self._source)
            self._generator = iter(self._source())
        while self._made <= number:
            try:
                self._passed[self._made] = next(self._generator)
            except StopIteration:
                raise FeederDry(f"the generator has ended after {self._made} rows") from None
            self._made += 1
            if len(self._passed) > _KEPT_MAX:
                self._passed.popitem(last=False)
        try:
            return self._passed[number]
        except KeyError:
            raise FeederDry(
                f"row {number} of the generator is gone: {_KEPT_MAX} later ones were taken before it"
            ) from None


def feed(source: str | Path | Iterable[Row] | Callable[[], Iterator[Row]], *, order: Order = "sequential") -> Feeder:
    """Give each iteration a row: `user.row`. Say it at the top of the file.

    Args:
        source: A CSV, JSONL or Parquet file (looked for beside the scenario's file), rows, or a generator function.
        order: `sequential`: in turn, from the first again after the last. `random`: drawn for each iteration. `unique`: each
            row once, and the run stops when they are used up. A generator is unique.

    Raises:
        ValueError: Another order.
    """
    if order not in ("sequential", "random", "unique"):
        raise ValueError(f"an order is sequential, random or unique, got {order!r}")
    file = sys._getframe(1).f_globals.get("__file__")  # noqa: SLF001 - the file that says it
    return Feeder(source, order, Path(file).parent if file else Path())


def _file_rows(path: Path) -> Sequence[Row]:
    if path.suffix.lower() == ".parquet":
        return _parquet_rows(path)
    columns, rows = read_rows(path)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _parquet_rows(path: Path) -> Sequence[Row]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("arrow", needed_for=f"the feeder {path.name}") from None
    try:
        rows: list[Row] = parquet.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise ValueError(f"feeder {path.name!r} cannot be read: {error}") from error
    return rows
