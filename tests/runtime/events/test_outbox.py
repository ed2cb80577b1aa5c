"""An event is published if and only if its transaction committed, in the order of its aggregate, whatever happens to the relay."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection
from redis.asyncio import Redis

from runtime.events.emptied import emptied, waiting
from scaleworthy.runtime.events import Event, Relay, Unpublishable, dead_letters, inbox, outbox, publish, replay, revive
from scaleworthy.servers import Valkey
from waiting import until

_PREFIXES = (f"outbox{number}:" for number in count())


class Kept:
    """A sink that keeps what it is given; fails as a test says."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.fails: dict[str, Exception] = {}

    async def publish(self, events: Sequence[Event]) -> list[Exception | None]:
        blamed: set[str] = set()
        answers: list[Exception | None] = []
        for event in events:
            error = self.fails.get(event.aggregate)
            if error is not None and event.key not in blamed:
                blamed.add(event.key)
            elif event.key not in blamed:
                self.events.append(event)
            answers.append(error)
        return answers

    async def close(self) -> None:
        """Nothing to close."""


async def drained(connection: AsyncConnection[Any]) -> None:
    """Wait until no event waits."""
    await until(lambda: emptied(connection), "the outbox is empty")


@contextmanager
def killed_in_the_end(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_processes_that_begin_together_all_find_outbox_and_inbox(
    database: str, connection: AsyncConnection[Any]
) -> None:
    await connection.execute("drop table scaleworthy_outbox, scaleworthy_inbox, scaleworthy_inbox_dead")
    async with AsyncExitStack() as opened:
        eight = [
            await opened.enter_async_context(await psycopg.AsyncConnection.connect(database, autocommit=True))
            for _ in range(8)
        ]
        await asyncio.gather(*(outbox.create(one) for one in eight))
        await asyncio.gather(*(inbox.create_inbox(one) for one in eight))

    event = Event("lead.created", "lead:1", 1)
    await publish(connection, event)
    assert await waiting(connection, 1) == [1]
    assert [await inbox.first_time(connection, "crm", event) for _ in range(2)] == [True, False]


async def test_what_is_rolled_back_is_never_published(database: str, connection: AsyncConnection[Any]) -> None:
    sink = Kept()
    relay = Relay(database, sink, idle="1ms", again="10ms", lock="rollback")
    for number in range(20):
        try:
            async with connection.transaction():
                await publish(connection, Event("lead.created", f"lead:{number}", {"n": number}, tenant="a"))
                if number % 3 == 0:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            continue
    relay.start()
    await drained(connection)
    await relay.stop()
    assert [event.payload["n"] for event in sink.events] == [n for n in range(20) if n % 3]
    assert all(event.at is not None and event.tenant == "a" for event in sink.events)


async def test_an_event_waits_for_those_that_began_before_it(database: str, connection: AsyncConnection[Any]) -> None:
    async with await psycopg.AsyncConnection.connect(database) as slow:
        await publish(slow, Event("lead.changed", "lead:1", 1))
        await publish(connection, Event("lead.changed", "lead:1", 2))
        assert await outbox.waiting(connection, most=10) == []
        await slow.commit()
    assert await waiting(connection, 2) == [1, 2]


async def test_one_that_cannot_be_published_holds_its_aggregate_until_it_is_dead(
    database: str, connection: AsyncConnection[Any]
) -> None:
    sink = Kept()
    sink.fails["lead:1"] = Unpublishable("too large")
    await publish(connection, *(Event("lead.changed", f"lead:{n % 2}", n) for n in range(6)))
    relay = Relay(database, sink, idle="1ms", again="10ms", attempts=3, lock="dead")
    relay.start()
    await drained(connection)
    dead = await dead_letters(connection)
    assert [(event.payload, why) for event, why in dead] == [(1, "too large"), (3, "too large"), (5, "too large")]
    assert [event.payload for event in sink.events] == [0, 2, 4]
    sink.fails.clear()
    assert await revive(connection, [event.number for event, _ in dead]) == 3
    await drained(connection)
    await relay.stop()
    assert [event.payload for event in sink.events] == [0, 2, 4, 1, 3, 5]
    assert relay.statistics().dead == 3


async def test_what_is_kept_can_be_published_again_with_the_same_ids(
    database: str, connection: AsyncConnection[Any]
) -> None:
    sink = Kept()
    relay = Relay(database, sink, idle="1ms", again="10ms", lock="replay")
    await publish(connection, Event("lead.created", "lead:1", 1), Event("call.ended", "call:1", 2))
    relay.start()
    await drained(connection)
    now = datetime.now(UTC)
    assert (
        await replay(connection, since=now - timedelta(hours=1), until=now + timedelta(hours=1), topic="call.ended")
        == 1
    )
    await drained(connection)
    await relay.stop()
    assert [event.payload for event in sink.events] == [1, 2, 2]
    assert sink.events[1].id == sink.events[2].id


async def test_one_relay_works_at_a_time_and_the_next_takes_over(
    database: str, connection: AsyncConnection[Any]
) -> None:
    sinks = [Kept(), Kept()]
    first, second = (Relay(database, sink, idle="1ms", again="10ms", lock="turns") for sink in sinks)
    first.start()
    await first.working()
    second.start()
    await publish(connection, Event("a", "b", 1))
    await drained(connection)
    assert not second.statistics().works
    await first.stop()
    await second.working()
    await publish(connection, Event("a", "b", 2))
    await drained(connection)
    await second.stop()
    assert [[event.payload for event in sink.events] for sink in sinks] == [[1], [2]]


@pytest.mark.parametrize("seed", range(2))
async def test_a_relay_killed_at_any_point_loses_and_reorders_nothing(
    database: str, connection: AsyncConnection[Any], valkey: Valkey, seed: int
) -> None:
    """Killed by SIGKILL again and again while events are written: each arrives, and those of an aggregate in order but for repeats."""
    prefix, rng = next(_PREFIXES), Random(seed)
    command = [sys.executable, str(Path(__file__).with_name("killed_relay.py")), database, valkey.url, prefix]
    written = 0
    for _ in range(2):
        with killed_in_the_end(command) as relay:
            assert relay.stdout is not None
            assert (await asyncio.to_thread(relay.stdout.readline)).strip() == "works"
            for _ in range(rng.randrange(5, 25)):
                await publish(connection, *(Event("lead", f"lead:{n % 5}", n) for n in range(written, written + 10)))
                written += 10
    with killed_in_the_end(command):
        await drained(connection)
    client = Redis.from_url(valkey.url)
    arrived: dict[str, list[int]] = {}
    for partition in range(2):
        for _, fields in await client.xrange(f"{prefix}lead:{partition}"):
            event = Event.from_json(fields[b"event"])
            arrived.setdefault(event.aggregate, []).append(event.payload)
    await client.aclose()
    for aggregate in range(5):
        seen = arrived[f"lead:{aggregate}"]
        assert sorted(set(seen)) == list(range(aggregate, written, 5)), "each has arrived"
        first_times = [n for place, n in enumerate(seen) if n not in seen[:place]]
        assert first_times == sorted(first_times), "none overtook another"
