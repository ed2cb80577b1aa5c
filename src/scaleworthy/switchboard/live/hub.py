"""The hub of one process: which socket wants which events of which tenant, and one event to all of them.

A fan-out never waits for a client. It takes the loop for some hundred sockets at a time, so that requests are answered between.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from scaleworthy.switchboard.live.frames import text_frame
from scaleworthy.switchboard.live.outlet import Outlet

KINDS = (
    "call.started",
    "call.ended",
    "lead.created",
    "lead.updated",
    "lead.deleted",
    "payment.received",
    "webhook.received",
)
_AT_ONCE = 512
_WAITING_MOST = 10_000


@dataclass(frozen=True, slots=True)
class HubStatistics:
    """Sockets now; events told and sockets that were too slow, since the start."""

    sockets: int
    told: int
    sent: int
    dropped: int


class Hub:
    """Tells the sockets of this process. `start` it in a running loop."""

    def __init__(self) -> None:
        self._wanted: dict[Outlet, tuple[str, frozenset[str]]] = {}
        self._by_kind: defaultdict[tuple[str, str], dict[Outlet, None]] = defaultdict(dict)
        self._waiting: asyncio.Queue[tuple[Callable[[], Iterable[Outlet]], bytes]] = asyncio.Queue(_WAITING_MOST)
        self._heard: dict[str, Callable[[bytes], None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._told = self._sent = self._dropped = 0

    def start(self) -> None:
        """Begin to tell."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; sockets are told that the service restarts."""
        for outlet in list(self._wanted):
            outlet.drop(1012, "the service restarts")
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def statistics(self) -> HubStatistics:
        """Return the counts."""
        return HubStatistics(len(self._wanted), self._told, self._sent, self._dropped)

    def hear(self, kind: str, heard: Callable[[bytes], None]) -> None:
        """Call *heard* with the data of every event of *kind*, whichever tenant's: for what this process itself does then."""
        self._heard[kind] = heard

    def want(self, outlet: Outlet, tenant: str, kinds: Iterable[str]) -> None:
        """Tell *outlet* of *kinds* of *tenant*, and of no others any longer."""
        self._forget(outlet)
        wanted = frozenset(kinds)
        self._wanted[outlet] = (tenant, wanted)
        for kind in wanted:
            self._by_kind[tenant, kind][outlet] = None

    def leave(self, outlet: Outlet) -> None:
        """Forget *outlet*."""
        self._forget(outlet)
        self._wanted.pop(outlet, None)

    async def tell(self, tenant: str, kind: str, data: bytes) -> None:
        """Tell all who want it of an event, *data* being its JSON; waits for room when ten thousand wait already."""
        if kind in self._heard:
            self._heard[kind](data)
        if (tenant, kind) in self._by_kind:
            text = b'{"type":"%b","data":%b}' % (kind.encode(), data)
            await self._waiting.put((lambda: self._by_kind.get((tenant, kind), ()), text))

    async def tell_all(self, text: bytes) -> None:
        """Tell every socket."""
        await self._waiting.put((lambda: self._wanted, text))

    def _forget(self, outlet: Outlet) -> None:
        tenant, kinds = self._wanted.get(outlet, ("", frozenset()))
        for kind in kinds:
            sockets = self._by_kind[tenant, kind]
            sockets.pop(outlet, None)
            if not sockets:
                del self._by_kind[tenant, kind]

    async def _run(self) -> None:
        while True:
            whom, text = await self._waiting.get()
            frame = text_frame(text)
            self._told += 1
            for place, outlet in enumerate(list(whom()), start=1):
                if outlet.send(frame):
                    self._sent += 1
                elif outlet in self._wanted:
                    self._dropped += 1
                    self.leave(outlet)
                if place % _AT_ONCE == 0:
                    await asyncio.sleep(0)
