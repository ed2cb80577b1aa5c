"""What a relay publishes to, and the two ways in which that fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scaleworthy.runtime.events.event import Event

BEHIND = "one of its aggregate before it was not taken"


class Unpublishable(Exception):
    """This event can never be published, however often it is tried: too large, for example."""


class Unavailable(Exception):
    """Nothing is wrong with the event: the sink is gone, full or not ready. It is tried again without end."""


class Sink(Protocol):
    """Where events are published."""

    async def publish(self, events: Sequence[Event]) -> list[Exception | None]:
        """Publish *events* in their order; return for each None, once it is acknowledged, or why it is not.

        After one that failed none of the same key may be published: they come again behind it.
        """

    async def close(self) -> None:
        """Close its connections."""
