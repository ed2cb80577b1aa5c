"""What is gone, full, slow, killed or told the wrong time holds events back, loses none, and is got over without anybody's help."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Sequence
from contextlib import aclosing
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from redis.asyncio import Redis

from runtime.events.emptied import emptied, waiting
from scaleworthy.runtime.events import (
    Consumer,
    Event,
    LeaseLost,
    Relay,
    StreamSink,
    StreamSource,
    Unavailable,
    aside,
    create_inbox,
    first_time,
    outbox,
    publish,
    set_aside,
)
from scaleworthy.series.meter import Meter
from scaleworthy.servers import Postgres, Valkey
from waiting import until

_PREFIXES = (f"faults{number}:" for number in count())


def client_of(url: str, *, within_s: float = 5.0) -> Redis:
    return Redis.from_url(url, socket_timeout=within_s, socket_connect_timeout=within_s, retry=None)


async def arrived(url: str, prefix: str, partitions: int = 2) -> dict[str, list[int]]:
    """Return what the streams hold, by aggregate, in order."""
    seen: defaultdict[str, list[int]] = defaultdict(list)
    async with client_of(url) as client:
        for partition in range(partitions):
            for _, fields in await client.xrange(f"{prefix}lead:{partition}"):
                event = Event.from_json(fields[b"event"])
                seen[event.aggregate].append(event.payload)
    return dict(seen)


def first_times(numbers: Sequence[int]) -> list[int]:
    return list(dict.fromkeys(numbers))


def leads(numbers: range, aggregates: int = 3) -> list[Event]:
    return [Event("lead.changed", f"lead:{n % aggregates}", n) for n in numbers]


async def test_while_the_stream_server_is_gone_events_wait_and_none_is_given_up(
    database: str, connection: AsyncConnection[Any]
) -> None:
    prefix, meter = next(_PREFIXES), Meter()
    with Valkey.start() as server:
        port = server.port
        sink = StreamSink(client_of(server.url), prefix=prefix, partitions=2)
        relay = Relay(database, sink, idle="1ms", again="2ms", attempts=2, lock="valkey gone", meter=meter)
        relay.start()
        await publish(connection, *leads(range(30)))
        await until(lambda: relay.statistics().published == 30, "30 are published")
        server.stop()
        await publish(connection, *leads(range(30, 60)))
        await until(lambda: "events wait: the stream server" in (relay.trouble() or ""), "it says why events wait")
        await publish(connection, *leads(range(60, 63)))
        with Valkey.start(port=port) as again:
            await until(lambda: relay.statistics().published == 63, "63 are published")
            await until(lambda: relay.trouble() is None, "it serves again")
            assert await arrived(again.url, prefix) == {f"lead:{n}": list(range(30 + n, 63, 3)) for n in range(3)}
            await relay.stop()
    assert (relay.statistics().failed, relay.statistics().dead) == (0, 0)
    text = meter.exposition()
    assert "runtime_events_lag" in text
    assert any(line.endswith((" 63", " 63.0")) for line in text.splitlines() if "published" in line)


async def test_a_full_stream_server_takes_all_of_a_batch_or_none(
    database: str, connection: AsyncConnection[Any]
) -> None:
    prefix = next(_PREFIXES)
    with Valkey.start(settings={"maxmemory-policy": "noeviction"}) as server:
        async with client_of(server.url) as admin:
            relay = Relay(
                database,
                StreamSink(client_of(server.url), prefix=prefix, partitions=2),
                idle="1ms",
                again="2ms",
                attempts=2,
                together=7,
                lock="valkey full",
            )
            relay.start()
            await publish(connection, *leads(range(20)))
            await until(lambda: relay.statistics().published == 20, "20 are published")
            await admin.config_set("maxmemory", "1")
            await publish(connection, *leads(range(20, 40)))
            await until(lambda: "maxmemory" in (relay.trouble() or ""), "it says why events wait")
            await admin.config_set("maxmemory", "0")
            await until(lambda: relay.statistics().published == 40, "40 are published")
            await until(lambda: relay.trouble() is None, "it serves again")
            await relay.stop()
        assert await arrived(server.url, prefix) == {f"lead:{n}": list(range(n, 40, 3)) for n in range(3)}
    assert (relay.statistics().failed, relay.statistics().dead) == (0, 0)


async def test_a_stream_server_that_hangs_holds_events_back_and_their_readers_and_all_go_on_with_it(
    database: str, connection: AsyncConnection[Any]
) -> None:
    """What was sent to it meanwhile, time after time, is read by it when it goes on: repeats, in order."""
    prefix, handled = next(_PREFIXES), defaultdict[str, list[int]](list)

    async def handle(event: Event) -> None:
        handled[event.aggregate].append(event.payload)

    async def dead_letter(_body: bytes, reason: str) -> None:
        raise AssertionError(reason)

    def seen(most: int) -> bool:
        return {name: first_times(numbers) for name, numbers in handled.items()} == {
            f"lead:{n}": list(range(n, most, 3)) for n in range(3)
        }

    with Valkey.start() as server:
        sink = StreamSink(client_of(server.url, within_s=0.2), prefix=prefix, partitions=2)
        relay = Relay(database, sink, idle="1ms", again="2ms", attempts=2, lock="valkey hung")
        relay.start()
        reader = client_of(server.url, within_s=0.2)
        source = StreamSource(reader, group="g", member="m", topics=["lead"], prefix=prefix, partitions=2, wait="1ms")
        consumer = Consumer(source, handle, dead_letter=dead_letter, pause_s=0.01)
        consuming = asyncio.create_task(consumer.run())
        await publish(connection, *leads(range(30)))
        await until(lambda: seen(30), "30 are handled")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await publish(connection, *leads(range(30, 60)))
            for _ in range(3):
                assert "events wait: the stream server: Timeout" in await until(
                    relay.trouble, "it says why events wait"
                )
                relay._reason = None
            assert "Timeout" in await until(consumer.trouble, "it says why nothing is read")
            assert (await outbox.lag(connection))[0] == 30
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await until(lambda: seen(60), "60 are handled")
        await until(lambda: emptied(connection), "the outbox is empty")
        await until(lambda: (relay.trouble(), consumer.trouble()) == (None, None), "both serve again")
        consuming.cancel()
        await asyncio.gather(consuming, return_exceptions=True)
        await relay.stop()
        await reader.aclose()
    assert (relay.statistics().failed, relay.statistics().dead, consumer.statistics().dead) == (0, 0, 0)
    assert seen(60), "nothing was lost, and nothing came in another order"


async def test_a_database_that_is_restarted_is_found_again(tmp_path: Path) -> None:
    class Kept:
        events: list[int] = []  # noqa: RUF012

        async def publish(self, events: Sequence[Event]) -> list[Exception | None]:
            self.events += [event.payload for event in events]
            return [None] * len(events)

        async def close(self) -> None:
            """Nothing is held."""

    with Postgres.start(data=tmp_path / "data", fsync=False) as server:
        dsn, port = server.create_database("restarted"), server.port
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            await outbox.create(connection)
            await publish(connection, *leads(range(5)))
        relay = Relay(dsn, Kept(), idle="1ms", again="2ms")
        relay.start()
        await until(lambda: relay.statistics().published == 5, "5 are published")
        server.stop()
        await until(lambda: relay.trouble(), "it says why events wait")
        with Postgres.start(data=tmp_path / "data", port=port, fsync=False):
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
                await publish(connection, *leads(range(5, 10)))
            await until(lambda: relay.statistics().published == 10, "10 are published")
            assert relay.trouble() is None
            await relay.stop()
    assert first_times(Kept.events) == list(range(10))


async def test_a_sink_that_breaks_its_word_and_raises_ends_no_relay(
    database: str, connection: AsyncConnection[Any]
) -> None:
    class Broken:
        works = False
        events: list[int] = []  # noqa: RUF012

        async def publish(self, events: Sequence[Event]) -> list[Exception | None]:
            if not self.works:
                raise RuntimeError("a sink of somebody else's")
            self.events += [event.payload for event in events]
            return [None] * len(events)

        async def close(self) -> None:
            """Nothing is held."""

    sink = Broken()
    relay = Relay(database, sink, idle="1ms", again="2ms", attempts=1, lock="broken")
    relay.start()
    await publish(connection, *leads(range(3)))
    await until(lambda: relay.trouble() == "events wait: a sink of somebody else's", "it says why events wait")
    sink.works = True
    await until(lambda: relay.statistics().published == 3, "3 are published")
    await until(lambda: relay.trouble() is None, "it serves again")
    await relay.stop()
    assert (sink.events, relay.statistics().dead) == ([0, 1, 2], 0)


async def test_two_relays_that_both_believe_to_work_reorder_nothing(
    database: str, connection: AsyncConnection[Any], valkey: Valkey
) -> None:
    """As after a cut network: the lock keeps them apart only for as long as the server sees both."""
    prefix = next(_PREFIXES)
    relays = [
        Relay(
            database,
            StreamSink(client_of(valkey.url), prefix=prefix, partitions=2),
            idle="0ms",
            together=5 + n,
            lock=f"both {n}",
        )
        for n in range(2)
    ]
    for relay in relays:
        relay.start()
    for start in range(0, 200, 10):
        await publish(connection, *leads(range(start, start + 10)))
    await until(lambda: sum(relay.statistics().published for relay in relays) >= 200, "200 are published")
    await until(lambda: emptied(connection), "the outbox is empty")
    for relay in relays:
        await relay.stop()
    seen = await arrived(valkey.url, prefix)
    assert {name: first_times(numbers) for name, numbers in seen.items()} == {
        f"lead:{n}": list(range(n, 200, 3)) for n in range(3)
    }


async def test_what_is_read_is_trimmed_and_what_is_not_holds_events_back(valkey: Valkey) -> None:
    prefix = next(_PREFIXES)
    client = client_of(valkey.url)
    sink = StreamSink(client_of(valkey.url), prefix=prefix, partitions=1, unread_most=20)
    source = StreamSource(
        client, group="g", member="m", topics=["lead"], prefix=prefix, partitions=1, together=15, wait="1ms"
    )
    async with aclosing(source.rounds()) as rounds:
        assert await anext(rounds) == []
        assert await sink.publish(leads(range(20), 1)) == [None] * 20
        [refused, behind] = await sink.publish(leads(range(20, 22), 1))
        assert isinstance(refused, Unavailable)
        assert str(refused) == f"the readers of stream {prefix}lead:0 are 20 events behind"
        assert isinstance(behind, Unavailable)
        [(stream, entries)] = await anext(rounds)
        assert len(entries) == 15
        await source.acknowledge(stream, [entry for entry, _ in entries])
        assert await sink.publish(leads(range(20, 22), 1)) == [None, None]
    left = (await arrived(valkey.url, prefix, 1))["lead:0"]
    assert left[-7:] == list(range(15, 22)), "none is gone that was not read"
    assert len(left) == 8, "the last one read marks the place"
    await sink.close()
    await client.aclose()


async def test_members_share_the_partitions_and_a_silent_one_loses_its_own(valkey: Valkey) -> None:
    prefix, client = next(_PREFIXES), client_of(valkey.url)

    def member(name: str) -> StreamSource:
        return StreamSource(
            client, group="g", member=name, topics=["lead"], prefix=prefix, partitions=4, lease="1s", wait="1ms"
        )

    sink = StreamSink(client_of(valkey.url), prefix=prefix, partitions=4)
    await sink.publish(leads(range(80), 16))
    slow, other = member("slow"), member("other")
    async with aclosing(slow.rounds()) as first:
        [(stream, entries), *_] = await anext(first)
        slow_speaks = [task for task in asyncio.all_tasks() if "_keep_speaking" in repr(task)]
        for task in slow_speaks:
            task.cancel()
        async with aclosing(other.rounds()) as second:
            given: set[str] = set()
            while len(given) < 4:
                for name, found in await anext(second):
                    given.add(name)
                    await other.acknowledge(name, [entry for entry, _ in found])
            with pytest.raises(LeaseLost, match="was silent for more than 1000 ms"):
                await slow.acknowledge(stream, [entry for entry, _ in entries])
    assert len(other._held) == 4
    joined = member("joined")
    async with aclosing(joined.rounds()), aclosing(other.rounds()):
        for _ in range(2):
            await joined._share()
            await other._share()
        await joined._share()
        assert (len(joined._held), len(other._held)) == (2, 2)
    await sink.close()
    await client.aclose()


async def test_a_consumer_killed_between_its_work_and_its_word_has_done_it_once(
    database: str, connection: AsyncConnection[Any], valkey: Valkey
) -> None:
    prefix, client = next(_PREFIXES), client_of(valkey.url)
    sink = StreamSink(client_of(valkey.url), prefix=prefix, partitions=1)
    await sink.publish(leads(range(6), 1))
    calls: list[int] = []
    killed, done = asyncio.Event(), asyncio.Event()

    async def handle(event: Event) -> None:
        calls.append(event.payload)
        async with await psycopg.AsyncConnection.connect(database) as own:
            if await first_time(own, prefix, event):
                await own.execute("insert into handled values (%s)", [event.id])
        if event.payload == 3 and not killed.is_set():
            killed.set()
            await asyncio.Event().wait()
        if event.payload == 5:
            done.set()

    async def dead_letter(_body: bytes, reason: str) -> None:
        raise AssertionError(reason)

    for ends in (killed, done):
        source = StreamSource(client, group="g", member="m", topics=["lead"], prefix=prefix, partitions=1, wait="1ms")
        task = asyncio.create_task(Consumer(source, handle, dead_letter=dead_letter).run())
        await asyncio.wait_for(ends.wait(), 20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert calls == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5], "what was not acknowledged came again, in order"
    assert await (await connection.execute("select count(*), count(distinct event) from handled")).fetchone() == (6, 6)
    await sink.close()
    await client.aclose()


async def test_a_handler_that_hangs_is_cut_off_and_its_event_set_aside(
    connection: AsyncConnection[Any], valkey: Valkey
) -> None:
    prefix, client = next(_PREFIXES), client_of(valkey.url)
    sink = StreamSink(client_of(valkey.url), prefix=prefix, partitions=1)
    await sink.publish(leads(range(3), 1))
    await create_inbox(connection)
    done = asyncio.Event()

    async def handle(event: Event) -> None:
        if event.payload == 1:
            await asyncio.Event().wait()
        if event.payload == 2:
            done.set()

    async def dead_letter(body: bytes, reason: str) -> None:
        await set_aside(connection, prefix, body, reason)

    source = StreamSource(client, group="g", member="m", topics=["lead"], prefix=prefix, partitions=1, wait="1ms")
    consumer = Consumer(source, handle, dead_letter=dead_letter, attempts=2, pause_s=0.001, within="10ms")
    task = asyncio.create_task(consumer.run())
    await asyncio.wait_for(done.wait(), 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [(_, body, reason)] = await aside(connection, prefix)
    assert (Event.from_json(body).payload, reason) == (1, "TimeoutError: ")
    await sink.close()
    await client.aclose()


async def test_a_clock_that_jumps_changes_no_order_and_removes_nothing_unpublished(
    connection: AsyncConnection[Any],
) -> None:
    await publish(connection, *leads(range(4), 1))
    await connection.execute("update scaleworthy_outbox set at = at + (2 - number % 4) * interval '30 days'")
    assert await waiting(connection, 4) == [0, 1, 2, 3]
    await connection.execute("update scaleworthy_outbox set at = clock_timestamp() + interval '1 day'")
    assert await outbox.lag(connection) == (4, 0.0)
    await connection.execute("update scaleworthy_outbox set at = clock_timestamp() - interval '90 days'")
    assert await outbox.purge(connection, older_s=1.0) == 0
    assert (await outbox.lag(connection))[1] > 80 * 86_400


async def test_a_transaction_that_stays_open_is_named_as_what_holds_events_back(
    database: str, connection: AsyncConnection[Any]
) -> None:
    async with await psycopg.AsyncConnection.connect(database) as slow:
        await publish(slow, Event("lead.changed", "lead:1", 1))
        await publish(connection, Event("lead.changed", "lead:1", 2))
        assert await outbox.held_back_s(connection) > 0
        await slow.rollback()

    async def goes_on() -> bool:
        return await outbox.held_back_s(connection) == 0

    assert await until(goes_on, "nothing holds events back")


@pytest.mark.parametrize("payload", [float("nan"), {1, 2}, {"x": float("inf")}])
async def test_what_is_no_json_is_refused_before_it_is_written(connection: AsyncConnection[Any], payload: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        await publish(connection, Event("lead.changed", "lead:1", payload))
    assert await outbox.lag(connection) == (0, 0.0)
