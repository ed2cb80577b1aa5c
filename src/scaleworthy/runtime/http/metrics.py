"""Request metrics into series: how many, how long, by route, method and status."""

from __future__ import annotations

from collections.abc import Callable

from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Request
from scaleworthy.series.meter import Counter, Distribution, Meter
from scaleworthy.series.prometheus import CONTENT_TYPE

_UNMATCHED = "(no route)"
# Any other is a word of the client's, and there is no end of those.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BOUND_MOST = 10_000


def route_of(request: Request) -> str:
    """Return the route's pattern (`/api/leads/{id}`), as Starlette and FastAPI leave it in the scope; a path of the client's never."""
    scope = request.scope
    route = scope.get("route")
    # A FastAPI that includes routers without copying their routes keeps the prefix here; its route knows the rest alone.
    included = scope.get("fastapi")
    if isinstance(included, dict):
        route = included.get("effective_route_context", route)
    path = getattr(route, "path", None)
    return path if isinstance(path, str) else _UNMATCHED


class Metrics(Manner):
    """Records `runtime.http.requests`, `runtime.http.duration` and the gauge `runtime.http.at_work`, and answers *path* with them.

    Args:
        meter: Whose series they become.
        path: Where Prometheus may read them; None: nowhere.
        route: What a request is counted under; there must be few of them.

    The duration ends when the answer goes out, or the head of a streamed one.
    """

    def __init__(
        self, meter: Meter, *, path: str | None = "/metrics", route: Callable[[Request], str] = route_of
    ) -> None:
        self._meter = meter
        self._path = path
        self._route = route
        self._at_work = 0
        # Bound once: labels are put together for the first request of a kind only.
        self._bound: dict[tuple[str, str, int | None], tuple[Counter, Distribution]] = {}
        meter.gauge("runtime.http.at_work", "requests", lambda: float(self._at_work))

    def before(self, request: Request) -> Answer | None:
        """Answer the path of the metrics; count any other."""
        if request.path == self._path and request.method == "GET":
            return Answer(200, [(b"content-type", CONTENT_TYPE.encode())], self._meter.exposition().encode())
        request.notes[self] = True
        self._at_work += 1
        return None

    def done(self, request: Request, status: int | None) -> None:
        """Record it."""
        if self not in request.notes:
            return
        self._at_work -= 1
        route, method = self._route(request), request.method
        what = (route, method, status)
        bound = self._bound.get(what)
        if bound is None:
            bound = self._bind(route, method if method in _METHODS else "other", status)
            if len(self._bound) < _BOUND_MOST:
                self._bound[what] = bound
        bound[0].add()
        bound[1].record(request.took_ns)

    def _bind(self, route: str, method: str, status: int | None) -> tuple[Counter, Distribution]:
        said = "none" if status is None else str(status)
        return (
            self._meter.counter("runtime.http.requests", "requests", route=route, method=method, status=said),
            self._meter.histogram("runtime.http.duration", route=route, method=method),
        )
