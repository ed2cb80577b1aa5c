"""How long statements take: the slow ones told, all of them noted for the request that asked, and counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from scaleworthy.runtime.database.tenancy import Statement
from scaleworthy.runtime.work import work
from scaleworthy.series.meter import Meter


class Watching:
    """*on_slow* is told texts without values, and seconds; *meter* records how many there are and how long they take."""

    def __init__(
        self,
        *,
        slow_s: float,
        on_slow: Callable[[str, float], None] | None,
        meter: Meter | None,
        now_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._slow_ns = slow_s * 1e9
        self._on_slow = on_slow
        self._statements = meter.counter("runtime.db.statements", "statements") if meter else None
        self._duration = meter.histogram("runtime.db.duration") if meter else None
        self.now_ns = now_ns

    def took(self, statements: Sequence[Statement], began_ns: int) -> None:
        """Note *statements*, which were sent together at *began_ns* and are done now."""
        took_ns = self.now_ns() - began_ns
        noted = work.get()
        if noted is not None:
            for statement in statements:
                noted.note(statement.text, took_ns)
        if self._statements is not None and self._duration is not None:
            self._statements.add(len(statements))
            self._duration.record(took_ns)
        if took_ns >= self._slow_ns and self._on_slow is not None:
            self._on_slow("; ".join(statement.text for statement in statements), took_ns / 1e9)
