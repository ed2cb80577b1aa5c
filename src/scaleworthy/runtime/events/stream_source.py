"""Events from Valkey or Redis streams, shared out among the members of a group: each partition is one member's at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from scaleworthy.runtime.events.cancelling import heed_cancellation
from scaleworthy.runtime.events.consumer import Round
from scaleworthy.runtime.events.streams import stream_name
from scaleworthy.units import parse_duration_ns

if TYPE_CHECKING:
    from redis.asyncio import Redis

# KEYS: members, then the partitions' leases. ARGV: this member, ms that a silent one counts. Returns for each lease whether it is ours.
# Each member that was heard of lately may hold its share, so one that joins is given some and one that is gone leaves its own.
_SHARE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local share = math.ceil((#KEYS - 1) / redis.call('ZCARD', KEYS[1]))
local held, mine = 0, {}
for place = 2, #KEYS do
  mine[place - 1] = 0
  if redis.call('GET', KEYS[place]) == ARGV[1] then
    if held < share then
      held, mine[place - 1] = held + 1, 1
      redis.call('PEXPIRE', KEYS[place], ARGV[2])
    else redis.call('DEL', KEYS[place]) end
  end
end
for place = 2, #KEYS do
  if held < share and redis.call('SET', KEYS[place], ARGV[1], 'NX', 'PX', ARGV[2]) then
    held, mine[place - 1] = held + 1, 1
  end
end
return mine
"""
# KEYS: stream, lease. ARGV: group, member, ms, entries. A member that has lost its lease acknowledges nothing.
_ACKNOWLEDGE = """
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 4))
return 1
"""
_RELEASE = """
redis.call('ZREM', KEYS[1], ARGV[1])
for place = 2, #KEYS do
  if redis.call('GET', KEYS[place]) == ARGV[1] then redis.call('DEL', KEYS[place]) end
end
"""
_WAIT_MOST_MS = 1_000


class LeaseLost(Exception):
    """This member was silent for too long: another has the partition, and what was under way comes again there."""


class StreamSource:
    """Events of *topics* for one member of a consumer group, each again until it is acknowledged.

    A partition is read by one member at a time: who holds its lease. Leases are shared out evenly; a member that is gone loses its own
    after *lease*, and the next one begins with what was not acknowledged.

    Args:
        client: Of redis.asyncio; closed by its owner.
        group: Members of one group share the events.
        member: This one's name, for people; a random part is added.
        topics: Channels: topics up to their first dot.
        prefix, partitions: As published.
        lease: How long a member may be silent; it speaks at a third of it, also while handlers work.
        together: Most events read at once from a partition.
        wait: Most that an idle server is left to wait with an answer; well below the client's socket_timeout.
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
        wait: str = "1s",
    ) -> None:
        self._client = client
        self._group, self._member = group, f"{member}-{uuid4().hex[:12]}"
        self._streams = [
            stream_name(prefix, topic.partition(".")[0], number) for topic in topics for number in range(partitions)
        ]
        self._leases = [f"{stream}:lease:{group}" for stream in self._streams]
        self._members = f"{prefix}members:{group}:{','.join(topics)}"
        self._lease_ms = parse_duration_ns(lease) // 1_000_000
        self._wait_ms = max(1, min(parse_duration_ns(wait) // 1_000_000, _WAIT_MOST_MS, self._lease_ms // 3))
        self._together = together
        self._held: set[str] = set()
        # Partitions of which entries may be that were given to somebody and not acknowledged.
        self._behind: set[str] = set()

    async def rounds(self) -> AsyncGenerator[Round, None]:
        """Yield the next events of each partition held; the next round begins when those are dealt with."""
        for stream in self._streams:
            await self._make_group(stream)
        await self._share()
        speaking = asyncio.create_task(self._keep_speaking())
        try:
            while True:
                heed_cancellation()
                if speaking.done():
                    speaking.result()
                yield await self._unacknowledged() or await self._new()
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    async def acknowledge(self, partition: str, entries: Sequence[str]) -> None:
        """Say that *entries* are dealt with.

        Raises:
            LeaseLost: Another member has the partition by now.
        """
        lease = self._leases[self._streams.index(partition)]
        kept = await self._client.eval(
            _ACKNOWLEDGE, 2, partition, lease, self._group, self._member, str(self._lease_ms), *entries
        )
        if not kept:
            self._held.discard(partition)
            raise LeaseLost(f"{self._member} was silent for more than {self._lease_ms} ms: another reads {partition}")

    async def again(self, partition: str, entries: Sequence[str]) -> None:  # noqa: ARG002 - the server knows which
        """Yield what was not acknowledged once more."""
        self._behind.add(partition)

    async def release(self) -> None:
        """Let other members have this one's partitions; a server that is gone lets them lapse."""
        self._held.clear()
        with suppress(Exception):
            await self._client.eval(_RELEASE, 1 + len(self._leases), self._members, *self._leases, self._member)

    async def _keep_speaking(self) -> None:
        while True:
            await asyncio.sleep(self._lease_ms / 3e3)
            heed_cancellation()
            await self._share()

    async def _share(self) -> None:
        answer: Any = await self._client.eval(
            _SHARE, 1 + len(self._leases), self._members, *self._leases, self._member, str(self._lease_ms)
        )
        held = {stream for stream, mine in zip(self._streams, answer, strict=True) if mine}
        self._behind |= held - self._held
        self._held = held

    async def _make_group(self, stream: str) -> None:
        from redis.exceptions import ResponseError

        try:
            await self._client.xgroup_create(stream, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _unacknowledged(self) -> Round:
        """First what this group was given and has not acknowledged, by whomever."""
        found: Round = []
        for stream in sorted(self._behind & self._held):
            _, entries, _ = await self._client.xautoclaim(
                stream, self._group, self._member, min_idle_time=0, start_id="0-0", count=self._together
            )
            if entries:
                found.append((stream, [(entry.decode(), fields.get(b"event", b"")) for entry, fields in entries]))
            else:
                self._behind.discard(stream)
        self._behind &= self._held
        return found

    async def _new(self) -> Round:
        ready = sorted(self._held - self._behind)
        if not ready:
            await asyncio.sleep(self._wait_ms / 1e3)
            await self._share()
            return []
        answer: Any = await self._client.xreadgroup(
            self._group, self._member, dict.fromkeys(ready, ">"), count=self._together, block=self._wait_ms
        )
        found: Round = []
        # The answer's form is the protocol's: a mapping to lists of lists in RESP3, a list of pairs in RESP2.
        for stream, entries in (answer.items() if isinstance(answer, dict) else answer) or []:
            rows = entries[0] if entries and isinstance(entries[0], list) else entries
            found.append((stream.decode(), [(entry.decode(), fields.get(b"event", b"")) for entry, fields in rows]))
        return found
