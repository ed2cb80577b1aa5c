"""A lease that is held while its load goes on, so that it is over soon after a process died and not before a slow load ends."""

from __future__ import annotations

import asyncio
from types import TracebackType

from scaleworthy.runtime.cache.lower import Lower


class HeldLease:
    """Renews *owner*'s lease of *key* before a third of it is over, from entering to leaving. A load that is quicker costs a timer."""

    def __init__(self, lower: Lower, key: str, owner: str) -> None:
        self._lower, self._key, self._owner = lower, key, owner
        self._timer: asyncio.TimerHandle | None = None
        self._renewing: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._lower.lease_s / 3, self._renew)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        self._renewing = loop.create_task(self._lower.renew(self._key, self._owner))
        self._timer = loop.call_later(self._lower.lease_s / 3, self._renew)
