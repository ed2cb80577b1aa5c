"""Events to Valkey or Redis streams: partitions, each a stream, so that those of one aggregate keep their order."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scaleworthy.runtime.events.event import Event
from scaleworthy.runtime.events.sink import BEHIND, Unavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

_TRIM_EVERY = 1_000
# KEYS: streams. ARGV: for each event the place of its stream, and the event. A script whose server is full is refused before it begins.
_ADD = """
for place = 1, #ARGV, 2 do
  redis.call('XADD', KEYS[tonumber(ARGV[place])], '*', 'event', ARGV[place + 1])
end
return 1
"""


class StreamSink:
    """Publishes to the streams `{prefix}{channel}:{partition}` of a redis.asyncio client, which it closes.

    What every group of readers has acknowledged is trimmed away, and only that. A stream whose readers are *unread_most* behind takes no
    more: its events wait in the outbox, and the relay says why. A stream that no group reads keeps about that many, the newest.

    Args:
        client: Of one server, not of a cluster: a batch is one script there. Give it a socket_timeout.
        prefix: What streams' names begin with.
        partitions: As many consumers of a group may work on a channel at once. Never change it while events wait.
        unread_most: Bounds the server's memory.
    """

    def __init__(
        self, client: Redis, *, prefix: str = "events:", partitions: int = 8, unread_most: int = 1_000_000
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._partitions = partitions
        self._unread_most = unread_most
        self._since_trim: Counter[str] = Counter()
        self._full: dict[str, str] = {}

    async def publish(self, events: Sequence[Event]) -> list[Exception | None]:
        """Add *events* by one script: the server takes all of them, in order, or none."""
        results: list[Exception | None] = [None] * len(events)
        names = [
            stream_name(self._prefix, event.channel, partition_of(event.key, self._partitions)) for event in events
        ]
        try:
            for name in set(names) & self._full.keys():
                await self._trim(name)
            places = self._open_places(events, names, results)
            if places:
                number = {name: at for at, name in enumerate(dict.fromkeys(names[place] for place in places), start=1)}
                values = [part for place in places for part in (number[names[place]], events[place].to_json())]
                await self._client.eval(_ADD, len(number), *number, *values)
            await self._trim_some(names)
        except Exception as error:  # noqa: BLE001 - whatever the library raises, none was taken, or all come again
            return [Unavailable(f"the stream server: {error or type(error).__name__}")] * len(events)
        return results

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()

    def _open_places(self, events: Sequence[Event], names: Sequence[str], results: list[Exception | None]) -> list[int]:
        """Return which events may be added: their stream has room, and none of their key waits before them."""
        if not self._full:
            return list(range(len(events)))
        blamed: set[str] = set()
        places = []
        for place, (event, name) in enumerate(zip(events, names, strict=True)):
            if event.key in blamed:
                results[place] = Unavailable(BEHIND)
            elif name in self._full:
                blamed.add(event.key)
                results[place] = Unavailable(self._full[name])
            else:
                places.append(place)
        return places

    async def _trim_some(self, names: Sequence[str]) -> None:
        self._since_trim.update(names)
        for name, added in list(self._since_trim.items()):
            if added >= min(_TRIM_EVERY, self._unread_most):
                self._since_trim[name] = 0
                await self._trim(name)

    async def _trim(self, name: str) -> None:
        """Remove what every group has acknowledged; note whether there is room for more."""
        groups = await self._client.xinfo_groups(name)
        if groups:
            positions = [await self._read_up_to(name, group) for group in groups]
            await self._client.xtrim(name, minid=min(positions, key=_as_numbers), approximate=False)
        else:
            await self._client.xtrim(name, maxlen=self._unread_most, approximate=True)
        length = await self._client.xlen(name)
        self._full.pop(name, None)
        if groups and length >= self._unread_most:
            self._full[name] = f"the readers of stream {name} are {length:,} events behind"

    async def _read_up_to(self, name: str, group: dict[str, Any]) -> str:
        """Return the oldest entry that a group still needs: its oldest unacknowledged one, or the last it was given."""
        pending = await self._client.xpending(name, group["name"])
        oldest = pending["min"] if pending["pending"] else group["last-delivered-id"]
        return oldest.decode() if isinstance(oldest, bytes) else str(oldest)


def partition_of(key: str, partitions: int) -> int:
    """Return which partition events of *key* go to: the same for ever."""
    return zlib.crc32(key.encode()) % partitions


def stream_name(prefix: str, channel: str, partition: int) -> str:
    """Return the stream of a channel's partition."""
    return f"{prefix}{channel}:{partition}"


def _as_numbers(entry: str) -> tuple[int, int]:
    at, _, number = entry.partition("-")
    return int(at), int(number or 0)
