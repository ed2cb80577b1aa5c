"""Slow-request log: requests over 200 ms, with the statements they ran."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Request
from scaleworthy.runtime.work import Work, work
from scaleworthy.units import format_ns, parse_duration_ns

_LOG = logging.getLogger("scaleworthy.slow")


class SlowLog(Manner):
    """Writes a warning to the logger `scaleworthy.slow` for each request of *over* and longer: method, path, time, its three slowest
    statements and how many there were. Queries and bodies are not written: they may hold what nobody may see.
    """

    def __init__(
        self,
        *,
        over: str = "200ms",
        now_ns: Callable[[], int] = time.monotonic_ns,
        log: Callable[..., None] = _LOG.warning,
    ) -> None:
        self._over_ns = parse_duration_ns(over)
        self._now_ns = now_ns
        self._log = log

    async def before(self, request: Request) -> Answer | None:
        """Begin to note statements."""
        noted = Work([])
        request.notes[self] = (noted, work.set(noted))
        return None

    def done(self, request: Request, status: int | None) -> None:
        """Write it, if it was slow."""
        noted, token = request.notes[self]
        work.reset(token)
        took_ns = self._now_ns() - request.began_ns
        if took_ns < self._over_ns:
            return
        slowest = sorted(noted.statements, key=lambda item: -item[1])[:3]
        lines = "".join(f"\n  {format_ns(spent)}  {' '.join(text.split())[:200]}" for text, spent in slowest)
        self._log(
            "%s %s took %s, status %s, %d statements%s",
            request.method,
            request.path,
            format_ns(took_ns),
            status if status is not None else "none",
            noted.count,
            lines,
        )
