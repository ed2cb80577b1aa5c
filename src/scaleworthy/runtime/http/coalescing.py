"""Equal requests under way at the same time are answered together: the application is asked once."""

from __future__ import annotations

import asyncio
from typing import Literal

from scaleworthy.runtime.http.manner import Manner, Produce
from scaleworthy.runtime.http.message import Answer, Request
from scaleworthy.runtime.tenant import current
from scaleworthy.series.meter import Meter

# What makes two requests of one path differ in what they are answered; the tenant's own header is given by the application.
_HEADERS = (
    b"accept", b"accept-language", b"authorization", b"cookie", b"range", b"if-none-match", b"if-match", b"if-range",
    b"if-modified-since", b"if-unmodified-since",
)  # fmt: skip

_Key = tuple[object, ...]
# What who joined is told: the answer; that this one is not for others; that whoever asked has given up.
_Outcome = Answer | Literal["own", "gone"]


class _First:
    """A request that the application has been asked for, and others may join."""

    __slots__ = ("is_told", "key", "told")

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.is_told = False
        self.told: asyncio.Future[_Outcome] | None = None

    def outcome(self) -> asyncio.Future[_Outcome]:
        """Return what is told to those who join; made for the first of them, since most requests are joined by none."""
        if self.told is None:
            self.told = asyncio.get_running_loop().create_future()
        return self.told


class Coalescing(Manner):
    """Joins equal GETs of one tenant.

    Equal are method, host, path and query, the *tenant* header and the tenant of the context, and the headers that answers depend on
    (accept, accept-language, authorization, cookie, range, the conditions, and *also*). Not shared: an answer that comes in pieces, one
    that sets a cookie, one that varies by a header not named here; who waits for such a one asks by itself. Where the first is ended by
    its deadline, another takes its place.
    """

    def __init__(self, *, tenant: str = "x-tenant-key", also: tuple[str, ...] = (), meter: Meter | None = None) -> None:
        self._names = (b"host", tenant.lower().encode(), *_HEADERS, *(name.lower().encode() for name in also))
        # What other manners make of the answer, each for its own client, is no difference here.
        self._known = frozenset(self._names)
        self._under_way: dict[_Key, _First] = {}
        self.joined = 0
        if meter is not None:
            meter.counter_of("runtime.http.joined", "requests", lambda: self.joined)

    async def around(self, request: Request, produce: Produce) -> Answer | None:
        """Ask, or wait for who asks already."""
        if request.method != "GET":
            return await produce()
        header = request.header
        if header(b"transfer-encoding") is not None or header(b"content-length") not in (None, b"0"):
            return await produce()
        key = (current.get(), request.path, request.scope.get("query_string", b""), *map(header, self._names))
        while (first := self._under_way.get(key)) is not None:
            self.joined += 1
            outcome = await asyncio.shield(first.outcome())
            if isinstance(outcome, Answer):
                # Each changes its own.
                return outcome.copy()
            self.joined -= 1
            if outcome == "own":
                return await produce()
        first = self._under_way[key] = request.notes[self] = _First(key)
        try:
            return await produce()
        except BaseException as error:
            self._tell(first, error if isinstance(error, Exception) else "gone")
            raise
        finally:
            self._tell(first, "own")

    def came(self, request: Request, answer: Answer) -> None:
        """Tell those who joined."""
        first = request.notes.get(self)
        if first is not None:
            is_joined = first.told is not None
            self._tell(first, answer.copy() if is_joined and self._is_shared(answer) else "own")

    def head(self, request: Request, answer: Answer) -> None:  # noqa: ARG002 - that there is one is enough
        """A stream is not shared: those who joined need not wait for its end."""
        first = request.notes.get(self)
        if first is not None:
            self._tell(first, "own")

    def counted(self) -> dict[str, int]:
        """Return how many were answered with another's."""
        return {"joined": self.joined}

    def _is_shared(self, answer: Answer) -> bool:
        for name, value in answer.headers:
            if name == b"set-cookie":
                return False
            if name == b"vary" and not {part.strip().lower() for part in value.split(b",")} <= self._known:
                return False
        return True

    def _tell(self, first: _First, outcome: _Outcome | Exception) -> None:
        """Tell those who joined, the first time; nobody joins from here on."""
        if first.is_told:
            return
        first.is_told = True
        del self._under_way[first.key]
        told = first.told
        if told is None:
            return
        if isinstance(outcome, Exception):
            told.set_exception(outcome)
            # Raised to everyone who waits; all of them may have gone.
            told.exception()
        else:
            told.set_result(outcome)
