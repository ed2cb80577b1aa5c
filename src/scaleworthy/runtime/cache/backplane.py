"""Hear what other processes invalidate, and drop it from memory.

Nothing tells a process what was said while it did not listen, so memory is emptied when it hears no more, and each time it begins to.
While it does not listen, memory's entries end by time alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any, Protocol

from scaleworthy.runtime.ending import end

_PAUSE_FIRST_S, _PAUSE_MOST_S = 0.1, 5.0

Changed = Callable[[Sequence[str], Sequence[str], bool, int | None], None]


class Channel(Protocol):
    """Where changes are told."""

    def changes(self) -> AsyncGenerator[dict[str, Any] | None, None]:
        """Yield None when it listens, then each change; raises when the connection is lost."""


class Backplane:
    """Follows a channel as long as it is started."""

    def __init__(self, channel: Channel, *, own: str, changed: Changed) -> None:
        self._channel = channel
        self._own = own
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self._listens = asyncio.Event()
        self._hurry = asyncio.Event()
        self._waiters: set[asyncio.Future[None]] = set()
        self._reason = "changes made by other processes are not heard yet"

    @property
    def trouble(self) -> str | None:
        """Why it does not hear of changes, None: it does, or was never started."""
        return None if self._task is None or self._listens.is_set() else self._reason

    def start(self) -> None:
        """Begin to listen."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    async def listening(self) -> None:
        """Wait until it listens."""
        await self._listens.wait()

    async def try_now(self, *, within_s: float) -> None:
        """Try again now where it does not listen, and wait so long for it."""
        if self.trouble is not None:
            self._hurry.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._listens.wait()

    def next_change(self) -> asyncio.Future[None]:
        """Return what is done when the next change by another process has been taken."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        # Who waits no longer is forgotten at once: there may never be a change.
        waiter.add_done_callback(self._waiters.discard)
        return waiter

    async def stop(self) -> None:
        """End listening."""
        if self._task is not None:
            task, self._task = self._task, None
            await end(task)
            self._listens.clear()

    async def _follow(self) -> None:
        pause_s = _PAUSE_FIRST_S
        while True:
            try:
                async with aclosing(self._channel.changes()) as changes:
                    async for change in changes:
                        self._listens.set()
                        pause_s = _PAUSE_FIRST_S
                        self._take(change)
            except Exception as error:  # noqa: BLE001 - whatever the channel raises, it is tried again
                self._reason = f"changes made by other processes are not heard: {error}"
            if self._listens.is_set():
                self._listens.clear()
                self._changed((), (), True, None)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._hurry.wait()
            self._hurry.clear()
            pause_s = min(pause_s * 2, _PAUSE_MOST_S)

    def _take(self, change: dict[str, Any] | None) -> None:
        if change is None:
            self._changed((), (), True, None)
        elif change["origin"] != self._own:
            self._changed(change["keys"], change["tags"], change["everything"], change["position"])
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
