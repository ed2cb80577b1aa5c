"""Events that are published if and only if their transaction committed: an outbox, its relay, Valkey streams, a consumer, an inbox.

A lead is created and paid for; one transaction is rolled back; the stream server is stopped and started again on the way; one event cannot
be handled.

Run it: python examples/runtime/events.py. It starts a PostgreSQL and a Valkey of its own, and prints:

    rolled back: a lead has a name
    events wait
    published again: 1
    handled 2, set aside 1
    Hello Ann; Hello Bo
    set aside: lead:4, LookupError: no address
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import AsyncConnection
from redis.asyncio import Redis

from scaleworthy.runtime.events import (
    Consumer,
    Event,
    Relay,
    StreamSink,
    StreamSource,
    aside,
    create,
    create_inbox,
    first_time,
    publish,
    replay,
    set_aside,
)
from scaleworthy.servers import Postgres, Valkey

TABLES = "create table leads (id int primary key, name text); create table mails (lead int, text text);"


def client(url: str) -> Redis:
    """Return a client that does not wait for long."""
    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=1)


async def create_lead(connection: AsyncConnection[Any], number: int, name: str) -> None:
    """Write a lead and what is to be told of it: both, or neither."""
    async with connection.transaction():
        await connection.execute("insert into leads values (%s, %s)", [number, name])
        await publish(connection, Event("lead.created", f"lead:{number}", {"id": number, "name": name}, tenant="a"))
        if not name:
            raise ValueError("a lead has a name")


async def send_mail(dsn: str, event: Event) -> None:
    """Handle an event once, however often it comes: what remembers it and what it does are one transaction."""
    if event.payload["name"] == "Nobody":
        raise LookupError("no address")
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        if await first_time(connection, "mail", event):
            await connection.execute(
                "insert into mails values (%s, %s)", [event.payload["id"], f"Hello {event.payload['name']}"]
            )


async def consume(dsn: str, url: str, done: int) -> None:
    """Handle events until *done* of them were handled or set aside."""

    async def keep(body: bytes, reason: str) -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await set_aside(connection, "mail", body, reason)

    async with client(url) as connected:
        source = StreamSource(connected, group="mail", member="example", topics=["lead"])
        consumer = Consumer(source, lambda event: send_mail(dsn, event), dead_letter=keep, attempts=2, pause_s=0.01)
        task = asyncio.create_task(consumer.run())
        while consumer.statistics().handled + consumer.statistics().dead < done:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        print(f"handled {consumer.statistics().handled}, set aside {consumer.statistics().dead}")


async def main(dsn: str) -> None:
    """Write, lose the stream server, get it back, handle."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(TABLES.encode())
        await create(connection)
        await create_inbox(connection)
        with Valkey.start(settings={"maxmemory-policy": "noeviction"}) as server:
            port, url = server.port, server.url
            relay = Relay(dsn, StreamSink(client(url)), again="1s")
            relay.start()
            await create_lead(connection, 1, "Ann")
            try:
                await create_lead(connection, 2, "")
            except ValueError as error:
                print(f"rolled back: {error}")
            while relay.statistics().published < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await create_lead(connection, 3, "Bo")
        await create_lead(connection, 4, "Nobody")
        while relay.trouble() is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        print((relay.trouble() or "").partition(":")[0])
        with Valkey.start(port=port, settings={"maxmemory-policy": "noeviction"}):
            # This server keeps nothing on disk: what it had before is gone with it, and is published again from the outbox.
            now = datetime.now(UTC)
            again = await replay(connection, since=now - timedelta(hours=1), until=now, topic="lead.created")
            print(f"published again: {again}")
            await consume(dsn, url, done=3)
            await relay.stop()
        mails = await (await connection.execute("select text from mails order by lead")).fetchall()
        print("; ".join(text for (text,) in mails))
        for _, body, reason in await aside(connection, "mail"):
            print(f"set aside: {Event.from_json(body).aggregate}, {reason}")


if __name__ == "__main__":
    with Postgres.start() as postgres:
        asyncio.run(main(postgres.create_database("events")))
