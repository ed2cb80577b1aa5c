"""What does a transactional outbox cost, how many events a second does its relay carry, and how late do they arrive?

Writing:   a transaction that inserts a row and an event, beside the same transaction without the event.
Carrying:  a full outbox, to Valkey streams and to Kafka (librdkafka's mock brokers: its protocol and producer, no disk). Peer: the usual
           poller, SELECT … FOR UPDATE SKIP LOCKED, publish, DELETE, COMMIT, with batches of the same size. It keeps no order where
           two run, none between numbers and commits, and no published events to replay.
Arriving:  from the commit to a reader of the stream, at a steady 200 events/s. Peers: publishing after the commit from the writer itself
           (quickest, and lost where the process ends between the two), and the poller with the same rest of 20 ms.

PostgreSQL with fsync, Valkey, relay and reader share the cores; turns alternate; medians.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from psycopg import AsyncConnection
from redis.asyncio import Redis

from rows import Row, arguments, row, show
from scaleworthy.runtime.events import Event, KafkaSink, Relay, StreamSink, create, publish
from scaleworthy.servers import Postgres, Valkey

TOGETHER = 500
BLOCK = 20
RATE_PER_S = 200
IDLE = "20ms"
POLLED = """
create table leads (id bigint generated always as identity primary key, name text not null);
create table polled (number bigint generated always as identity primary key, id uuid not null, topic text not null, tenant text not null,
  aggregate text not null, payload jsonb not null, at timestamptz not null default now());
"""
TAKE = "select number, id, topic, tenant, aggregate, payload, at from polled order by number limit %s for update skip locked"
WRITE = "insert into polled (id, topic, tenant, aggregate, payload) values (%s, %s, %s, %s, %s)"


def event(number: int) -> Event:
    """Return an event as a CRM would write it."""
    payload = {"id": number, "name": "Ann Example", "phone": "+15550123", "status": "new", "sent": time.perf_counter()}
    return Event("lead.created", f"lead:{number % 500}", payload, tenant="t1")


class Poller:
    """The peer: takes rows that nobody else has locked, publishes them, deletes them."""

    def __init__(self, dsn: str, url: str) -> None:
        self._dsn, self._url = dsn, url
        self.published = 0

    async def run(self) -> None:
        """Work until cancelled."""
        async with await AsyncConnection.connect(self._dsn) as connection, Redis.from_url(self._url) as client:
            while True:
                taken = await self._once(connection, client)
                self.published += taken
                if not taken:
                    await asyncio.sleep(0.02)

    async def _once(self, connection: AsyncConnection[Any], client: Redis) -> int:
        async with connection.transaction():
            rows = await (await connection.execute(TAKE, [TOGETHER])).fetchall()
            if rows:
                pipeline = client.pipeline(transaction=False)
                for row_ in rows:
                    body = {
                        "id": str(row_[1]),
                        "topic": row_[2],
                        "tenant": row_[3],
                        "aggregate": row_[4],
                        "payload": row_[5],
                    }
                    pipeline.xadd("polled", {"event": json.dumps(body)})
                await pipeline.execute()
                await connection.execute("delete from polled where number = any (%s)", [[row_[0] for row_ in rows]])
        return len(rows)


class Bench:
    """Servers, and a connection to write with."""

    def __init__(self, dsn: str, url: str, connection: AsyncConnection[Any], quick: bool) -> None:
        self.dsn, self.url, self.connection = dsn, url, connection
        self.writes, self.events, self.seconds, self.turns = (200, 3_000, 1, 1) if quick else (1_000, 20_000, 5, 3)

    async def write_us(self, with_event: bool) -> float:
        """Return µs per transaction, of a block: short ones take turns, as a disk's pace changes from moment to moment."""
        began = time.perf_counter()
        for number in range(BLOCK):
            async with self.connection.transaction():
                await self.connection.execute("insert into leads (name) values (%s)", ["Ann"])
                if with_event:
                    await publish(self.connection, event(number))
        return (time.perf_counter() - began) / BLOCK * 1e6

    async def relay_per_s(self, sink: StreamSink | KafkaSink) -> float:
        """Return events/s from a full outbox."""
        await self.connection.execute("truncate scaleworthy_outbox")
        for start in range(0, self.events, 1_000):
            await publish(self.connection, *(event(n) for n in range(start, start + 1_000)))
        # A connection that is new, or brokers that have just begun, are not what is measured.
        await sink.publish([event(0)])
        relay = Relay(self.dsn, sink, together=TOGETHER, idle=IDLE)
        began = time.perf_counter()
        relay.start()
        while relay.statistics().published < self.events:  # noqa: ASYNC110 - a counter has no event
            await asyncio.sleep(0.002)
        took = time.perf_counter() - began
        await relay.stop()
        return self.events / took

    async def poll_per_s(self) -> float:
        """Return events/s of the poller."""
        await self.connection.execute("truncate polled")
        async with self.connection.cursor() as cursor:
            await cursor.executemany(WRITE, [self.as_polled(n) for n in range(self.events)])
        poller = Poller(self.dsn, self.url)
        began = time.perf_counter()
        task = asyncio.create_task(poller.run())
        while poller.published < self.events:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        took = time.perf_counter() - began
        await ended(task)
        return self.events / took

    @staticmethod
    def as_polled(number: int) -> list[Any]:
        """Return the same event as a row of the poller's."""
        made = event(number)
        return [made.id, made.topic, made.tenant, made.aggregate, json.dumps(made.payload)]

    async def arrive_ms(self, stream: str, send: Callable[[int], Awaitable[None]]) -> list[float]:
        """Return how long each event took from its commit to a reader, ms."""
        many = RATE_PER_S * self.seconds
        seen: list[float] = []

        async def read() -> None:
            last: bytes | str = "$"
            async with Redis.from_url(self.url) as client:
                newest: Any = await client.xrevrange(stream, count=1)
                last = newest[0][0] if newest else "0-0"
                ready.set()
                while len(seen) < many:
                    answer: Any = await client.xread({stream: last}, block=1_000, count=500)
                    now = time.perf_counter()
                    for _, found in (answer.items() if isinstance(answer, dict) else answer) or []:
                        for entry, fields in found[0] if isinstance(found[0], list) else found:
                            last = entry
                            seen.append((now - json.loads(fields[b"event"])["payload"]["sent"]) * 1e3)

        ready = asyncio.Event()
        reading = asyncio.create_task(read())
        await ready.wait()
        began = time.perf_counter()
        for number in range(many):
            await asyncio.sleep(max(0.0, began + number / RATE_PER_S - time.perf_counter()))
            await send(number)
        await asyncio.wait_for(reading, 30)
        return seen

    async def outbox_ms(self) -> list[float]:
        """Through outbox, relay and stream."""
        sink = StreamSink(Redis.from_url(self.url), prefix="late:", partitions=1)
        relay = Relay(self.dsn, sink, idle=IDLE)
        relay.start()
        await relay.working()

        async def send(number: int) -> None:
            await publish(self.connection, event(number))
            relay.nudge()

        taken = await self.arrive_ms("late:lead:0", send)
        await relay.stop()
        return taken

    async def naive_ms(self) -> list[float]:
        """Published by the writer, after its commit."""
        async with Redis.from_url(self.url) as client:

            async def send(number: int) -> None:
                made = event(number)
                await self.connection.execute("insert into leads (name) values ('Ann')")
                await client.xadd("naive", {"event": made.to_json()})

            return await self.arrive_ms("naive", send)

    async def polled_ms(self) -> list[float]:
        """Through the poller."""
        task = asyncio.create_task(Poller(self.dsn, self.url).run())

        async def send(number: int) -> None:
            await self.connection.execute(WRITE, self.as_polled(number))

        taken = await self.arrive_ms("polled", send)
        await ended(task)
        return taken


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel until it has ended: redis-py may swallow one."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.1)


async def measure(dsn: str, url: str, quick: bool) -> list[Row]:
    """Measure all, turn by turn."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await create(connection)
        await connection.execute(POLLED.encode())
        bench = Bench(dsn, url, connection, quick)
        with_event, without, streams, polled, kafka = [], [], [], [], []
        late: dict[str, list[float]] = {"ours": [], "naive": [], "polled": []}
        await bench.write_us(True)
        for turn in range(bench.turns):
            for _ in range(bench.writes // BLOCK):
                with_event.append(await bench.write_us(True))
                without.append(await bench.write_us(False))
            sink = StreamSink(Redis.from_url(url), prefix=f"carried{turn}:")
            streams.append(await bench.relay_per_s(sink))
            polled.append(await bench.poll_per_s())
            kafka.append(await bench.relay_per_s(KafkaSink({"test.mock.num.brokers": 1, "bootstrap.servers": ""})))
            await connection.execute("truncate scaleworthy_outbox")
            late["ours"] += await bench.outbox_ms()
            late["naive"] += await bench.naive_ms()
            late["polled"] += await bench.polled_ms()
    median = statistics.median
    p50 = {way: statistics.median(taken) for way, taken in late.items()}
    p99 = {way: statistics.quantiles(taken, n=100)[98] for way, taken in late.items()}
    note = f"naive publish after commit: p50 {p50['naive']:.3g}, p99 {p99['naive']:.3g} ms"
    return [
        row("transaction with a row and an event", "µs", median(with_event), note=f"without the event {median(without):.4g} µs"),
        row("relay to Valkey streams, vs the poller", "events/s", median(streams), peer=median(polled), better="higher"),
        row("relay to Kafka (mock brokers)", "events/s", median(kafka)),
        row(f"commit to reader at {RATE_PER_S}/s: p50, vs the poller", "ms", p50["ours"], peer=p50["polled"], note=note),
        row("the same: p99", "ms", p99["ours"], peer=p99["polled"]),
    ]  # fmt: skip


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    with Postgres.start() as postgres, Valkey.start(settings={"maxmemory-policy": "noeviction"}) as valkey:
        rows = asyncio.run(measure(postgres.create_database("events"), valkey.url, options.quick))
    return show("events", rows, options)


if __name__ == "__main__":
    sys.exit(main())
