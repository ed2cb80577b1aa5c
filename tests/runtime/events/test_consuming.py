"""Events reach handlers in order, again where they must, and what cannot be handled is set aside."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import count
from typing import Any

from psycopg import AsyncConnection
from redis.asyncio import Redis

from scaleworthy.runtime.events import Consumer, Event, StreamSink, StreamSource, first_time
from scaleworthy.servers import Valkey

_PREFIXES = (f"consuming{number}:" for number in count())


class Handled:
    """What a handler was given, and how it behaves."""

    def __init__(self, expected: int) -> None:
        self.payloads: list[int] = []
        self.dead: list[tuple[bytes, str]] = []
        self.fails: dict[int, int] = {}
        self._expected = expected
        self.done = asyncio.Event()

    async def handle(self, event: Event) -> None:
        if self.fails.get(event.payload, 0):
            self.fails[event.payload] -= 1
            raise RuntimeError("not now")
        self.payloads.append(event.payload)
        self._look()

    async def set_aside(self, body: bytes, reason: str) -> None:
        self.dead.append((body, reason))
        self._look()

    def _look(self) -> None:
        if len(self.payloads) + len(self.dead) >= self._expected:
            self.done.set()


async def no_wait(_seconds: float) -> None:
    await asyncio.sleep(0)


async def consumed(source: StreamSource, handled: Handled, **options: Any) -> Consumer:
    """Run a consumer until all that is expected has come."""
    consumer = Consumer(source, handled.handle, dead_letter=handled.set_aside, sleep=no_wait, **options)
    task = asyncio.create_task(consumer.run())
    await asyncio.wait_for(handled.done.wait(), 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return consumer


async def test_what_fails_is_tried_again_and_then_set_aside(valkey: Valkey) -> None:
    client, prefix = Redis.from_url(valkey.url), next(_PREFIXES)
    sink = StreamSink(Redis.from_url(valkey.url), prefix=prefix, partitions=2)
    assert await sink.publish([Event("lead", "lead:1", n) for n in range(5)]) == [None] * 5
    await client.xadd(f"{prefix}lead:0", {"event": b"nonsense"})
    handled = Handled(expected=6)
    handled.fails = {1: 2, 3: 99}
    source = StreamSource(client, group="g", member="m", topics=["lead"], prefix=prefix, partitions=2)
    consumer = await consumed(source, handled, attempts=3)
    assert handled.payloads == [0, 1, 2, 4]
    assert sorted(reason for _, reason in handled.dead) == ["RuntimeError: not now", "this is no event: b'nonsense'"]
    assert (consumer.statistics().retried, consumer.statistics().dead) == (4, 2)
    await sink.close()
    await client.aclose()


async def test_what_a_member_did_not_acknowledge_comes_to_the_next_in_order(valkey: Valkey) -> None:
    client, prefix = Redis.from_url(valkey.url), next(_PREFIXES)
    sink = StreamSink(Redis.from_url(valkey.url), prefix=prefix, partitions=1)
    await sink.publish([Event("lead", "lead:1", n) for n in range(10)])
    gone = StreamSource(client, group="g", member="gone", topics=["lead"], prefix=prefix, partitions=1, lease="1s")
    async with aclosing(gone.rounds()) as rounds:
        [(stream, entries)] = await anext(rounds)
        await gone.acknowledge(stream, [entries[0][0]])
    handled = Handled(expected=9)
    next_one = StreamSource(client, group="g", member="next", topics=["lead"], prefix=prefix, partitions=1)
    await consumed(next_one, handled)
    assert handled.payloads == list(range(1, 10))
    await sink.close()
    await client.aclose()


async def test_an_id_that_was_seen_is_not_handled_twice(connection: AsyncConnection[Any]) -> None:
    event = Event("lead", "lead:1", 1)
    for _ in range(3):
        async with connection.transaction():
            if await first_time(connection, "mail", event):
                await connection.execute("insert into handled values (%s)", [event.id])
    try:
        async with connection.transaction():
            assert await first_time(connection, "bill", event)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert await first_time(connection, "bill", event), "what was rolled back was not handled"
    assert (await (await connection.execute("select count(*) from handled")).fetchone()) == (1,)
