"""Load shedding: what could only be answered late is refused early, so that the rest is answered in time."""

from __future__ import annotations

from scaleworthy.runtime.http.adaptive import AdaptiveLimit
from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Problem, Request
from scaleworthy.series.meter import Meter

# Of draft-ietf-httpapi-ratelimit-headers-10.
_REDUCED = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"


class Shedding(Manner):
    """Answers 503 with `Retry-After` where more would be at work than *limit* finds right.

    Args:
        limit: One for the application.
        spare: Paths that are always let in, health and metrics for example.
        meter: Where `runtime.http.shed` and `runtime.http.limit` are told.

    A stream is at work until its head goes out: one that waits for events for an hour is no load, and no slow answer.
    """

    def __init__(
        self,
        limit: AdaptiveLimit | None = None,
        *,
        spare: tuple[str, ...] = ("/health", "/api/health", "/metrics"),
        meter: Meter | None = None,
    ) -> None:
        self.limit = limit or AdaptiveLimit()
        self._spare = frozenset(spare)
        self.refused = 0
        if meter is not None:
            meter.counter_of("runtime.http.shed", "requests", lambda: self.refused)
            meter.gauge("runtime.http.limit", "requests", lambda: self.limit.limit)

    def before(self, request: Request) -> Answer | None:
        """Let it in, or refuse it."""
        if request.path in self._spare:
            return None
        beside = self.limit.acquire()
        if beside is not None:
            request.notes[self] = beside
            return None
        self.refused += 1
        detail = f"{self.limit.at_work} requests are at work, which is what is answered in time"
        return Problem(503, "Too busy", detail, kind=_REDUCED, headers=[(b"retry-after", b"1")])

    def head(self, request: Request, answer: Answer) -> None:  # noqa: ARG002 - that there is one is enough
        """Give a stream's place back; its time is that of another kind of answer."""
        beside = request.notes.pop(self, None)
        if beside is not None:
            self.limit.release(None, beside=beside)

    def done(self, request: Request, status: int | None) -> None:
        """Learn from how long it took; an error says nothing of that."""
        beside = request.notes.get(self)
        if beside is not None:
            told = status is not None and status < 500
            self.limit.release(request.took_ns if told else None, beside=beside)

    def counted(self) -> dict[str, int]:
        """Return how many were refused."""
        return {"shed": self.refused}
