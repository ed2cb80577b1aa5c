"""How long statements take: the slow ones told, all of them noted for the request that asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from scaleworthy.runtime.database.tenancy import Statement
from scaleworthy.runtime.work import work


class Watching:
    """*on_slow* is told texts without values, and seconds."""

    def __init__(
        self,
        *,
        slow_s: float,
        on_slow: Callable[[str, float], None] | None,
        now_ns: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._slow_ns = slow_s * 1e9
        self._on_slow = on_slow
        self._now_ns = now_ns

    @contextmanager
    def of(self, statements: Sequence[Statement]) -> Iterator[None]:
        """Take the time of *statements*, which are sent together."""
        began = self._now_ns()
        try:
            yield
        finally:
            took_ns = self._now_ns() - began
            noted = work.get()
            if noted is not None:
                for statement in statements:
                    noted.note(statement.text, took_ns)
            if took_ns >= self._slow_ns and self._on_slow is not None:
                self._on_slow("; ".join(statement.text for statement in statements), took_ns / 1e9)
