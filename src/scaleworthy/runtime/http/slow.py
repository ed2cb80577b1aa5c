"""Slow-request log: requests over 200 ms, with the statements they ran."""

from __future__ import annotations

import logging
from collections.abc import Callable

from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Request
from scaleworthy.runtime.work import Work, work
from scaleworthy.units import format_ns, parse_duration_ns

_LOG = logging.getLogger("scaleworthy.slow")
_PATH_SHOWN = 200


class SlowLog(Manner):
    """Writes a warning to the logger `scaleworthy.slow` for each request of *over* and longer: method, path, time, its three slowest
    statements and how many there were. Queries and bodies are not written: they may hold what nobody may see. The time of a stream is
    that to its head.
    """

    def __init__(self, *, over: str = "200ms", log: Callable[..., None] = _LOG.warning) -> None:
        self._over_ns = parse_duration_ns(over)
        self._log = log
        self.slow = 0

    def before(self, request: Request) -> Answer | None:
        """Begin to note statements."""
        noted = Work([])
        request.notes[self] = (noted, work.set(noted))
        return None

    def done(self, request: Request, status: int | None) -> None:
        """Write it, if it was slow."""
        begun = request.notes.get(self)
        if begun is None:
            return
        noted, token = begun
        work.reset(token)
        if request.took_ns < self._over_ns:
            return
        self.slow += 1
        slowest = sorted(noted.statements, key=lambda item: -item[1])[:3]
        lines = "".join(f"\n  {format_ns(spent)}  {' '.join(text.split())[:200]}" for text, spent in slowest)
        self._log(
            "%s %s took %s, status %s, %d statements%s",
            request.method[:20],
            # A client writes the path: no line of the log's own.
            request.path[:_PATH_SHOWN].encode("unicode_escape").decode(),
            format_ns(request.took_ns),
            status if status is not None else "none",
            noted.count,
            lines,
        )

    def counted(self) -> dict[str, int]:
        """Return how many were slow."""
        return {"slow": self.slow}
