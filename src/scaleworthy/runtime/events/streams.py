"""Events over Valkey or Redis streams: partitions, each a stream, so that those of one aggregate keep their order."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scaleworthy.runtime.events.cancelling import heed_cancellation
from scaleworthy.runtime.events.event import Event
from scaleworthy.units import parse_duration_ns

if TYPE_CHECKING:
    from redis.asyncio import Redis


class StreamSink:
    """Publishes to the streams `{prefix}{topic}:{partition}` of a redis.asyncio client, which it closes.

    Args:
        client: With one connection at a time used.
        partitions: As many consumers of a group may work on a topic at once. Never change it while events wait.
        kept_most: About so many events of each stream are kept, read or not. Beyond them the oldest go: it bounds the server's memory,
            and the outbox still has them to be replayed.
    """

    def __init__(
        self, client: Redis, *, prefix: str = "events:", partitions: int = 8, kept_most: int = 1_000_000
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._partitions = partitions
        self._kept_most = kept_most

    async def publish(self, events: Sequence[Event]) -> list[Exception | None]:
        """Add *events*; the server either takes all of a batch, in order, or the connection is lost and all come again."""
        pipeline = self._client.pipeline(transaction=False)
        for event in events:
            pipeline.xadd(
                stream_name(self._prefix, event.topic, partition_of(event.key, self._partitions)),
                {"event": event.to_json()},
                maxlen=self._kept_most,
                approximate=True,
            )
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001 - whatever the library raises, the events come again
            return [error] * len(events)
        failed: set[str] = set()
        results: list[Exception | None] = []
        for event, answer in zip(events, answers, strict=True):
            if isinstance(answer, Exception):
                failed.add(event.key)
            results.append(answer if isinstance(answer, Exception) else None)
        # One that was taken behind a failed one of its key comes again too, in its order; ids tell handlers.
        return [
            RuntimeError("one before it was not taken") if result is None and event.key in failed else result
            for event, result in zip(events, results, strict=True)
        ]

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()


def partition_of(key: str, partitions: int) -> int:
    """Return which partition events of *key* go to: the same for ever."""
    return zlib.crc32(key.encode()) % partitions


def stream_name(prefix: str, topic: str, partition: int) -> str:
    """Return the stream of a topic's partition."""
    return f"{prefix}{topic}:{partition}"


class StreamSource:
    """Events of *topics* for one member of a consumer group, each again until it is acknowledged.

    A partition is read by one member at a time: who holds its lease. A member that is gone loses its leases after *lease*, and the next one
    begins with what was not acknowledged.

    Args:
        client: Of redis.asyncio; closed by its owner.
        group: Members of one group share the events.
        member: This one's name.
        topics, prefix, partitions: As published.
        lease: How long a member may be silent.
        together: Most events read at once from a partition.
    """

    def __init__(
        self,
        client: Redis,
        *,
        group: str,
        member: str,
        topics: Sequence[str],
        prefix: str = "events:",
        partitions: int = 8,
        lease: str = "10s",
        together: int = 100,
    ) -> None:
        self._client = client
        self._group, self._member = group, member
        self._streams = [stream_name(prefix, topic, number) for topic in topics for number in range(partitions)]
        self._prefix = prefix
        self._lease_ms = parse_duration_ns(lease) // 1_000_000
        self._together = together

    async def batches(self) -> AsyncIterator[tuple[str, list[tuple[str, bytes]]]]:
        """Yield a partition's next events, in order, as (stream, [(entry, event as bytes)]); round and round the partitions.

        The next batch of a partition is only read after `acknowledge`, or when this asks again for what was not.
        """
        for stream in self._streams:
            await self._make_group(stream)
        while True:
            heed_cancellation()
            found = False
            for stream in self._streams:
                if not await self._holds(stream):
                    continue
                # First what this group was given and has not acknowledged, by whomever, then what is new.
                entries = await self._unacknowledged(stream) or await self._new(stream)
                if entries:
                    found = True
                    yield stream, entries
            if not found:
                await asyncio.sleep(0.02)

    async def acknowledge(self, stream: str, entries: Sequence[str]) -> None:
        """Say that *entries* are dealt with."""
        await self._client.xack(stream, self._group, *entries)

    async def release(self) -> None:
        """Let other members have this one's partitions."""
        for stream in self._streams:
            key = self._lease_key(stream)
            if await self._client.get(key) == self._member.encode():
                await self._client.delete(key)

    async def _make_group(self, stream: str) -> None:
        from redis.exceptions import ResponseError

        with suppress(ResponseError):
            await self._client.xgroup_create(stream, self._group, id="0", mkstream=True)

    async def _holds(self, stream: str) -> bool:
        key = self._lease_key(stream)
        if await self._client.set(key, self._member, nx=True, px=self._lease_ms):
            return True
        if await self._client.get(key) != self._member.encode():
            return False
        await self._client.pexpire(key, self._lease_ms)
        return True

    async def _unacknowledged(self, stream: str) -> list[tuple[str, bytes]]:
        _, entries, _ = await self._client.xautoclaim(
            stream, self._group, self._member, min_idle_time=0, start_id="0-0", count=self._together
        )
        return [(entry.decode(), fields[b"event"]) for entry, fields in entries if fields]

    async def _new(self, stream: str) -> list[tuple[str, bytes]]:
        answer: Any = await self._client.xreadgroup(self._group, self._member, {stream: ">"}, count=self._together)
        if not answer:
            return []
        ((_, entries),) = answer.items() if isinstance(answer, dict) else answer
        if entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], tuple):
            (entries,) = entries
        return [(entry.decode(), fields[b"event"]) for entry, fields in entries]

    def _lease_key(self, stream: str) -> str:
        return f"{stream}:lease:{self._group}"
