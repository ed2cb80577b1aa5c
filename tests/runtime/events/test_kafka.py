"""Over Kafka's protocol: order and delivery on librdkafka's mock brokers; on a real cluster too where KAFKA_BOOTSTRAP names one."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from psycopg import AsyncConnection

from runtime.events.emptied import emptied
from scaleworthy.runtime.events import (
    Consumer,
    Event,
    KafkaSink,
    KafkaSource,
    Relay,
    Unavailable,
    Unpublishable,
    outbox,
    publish,
)
from waiting import until

from .brokers import Brokers

_QUICK = {"reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 20, "retry.backoff.ms": 5, "retry.backoff.max.ms": 20}


@pytest.fixture(scope="module")
def brokers() -> Iterator[Brokers]:
    with Brokers() as started:
        yield started


def settings(bootstrap: str, **more: Any) -> dict[str, Any]:
    return {"bootstrap.servers": bootstrap, **_QUICK, **more}


class Read:
    """What a consumer has been given, by aggregate."""

    def __init__(self, expected: int) -> None:
        self.seen: dict[str, list[int]] = defaultdict(list)
        self.dead: list[str] = []
        self.done = asyncio.Event()
        self._expected = expected

    async def handle(self, event: Event) -> None:
        self.seen[event.aggregate].append(event.payload)
        if sum(len(set(numbers)) for numbers in self.seen.values()) >= self._expected:
            self.done.set()

    async def set_aside(self, _body: bytes, reason: str) -> None:
        self.dead.append(reason)


async def read(source: KafkaSource, expected: int) -> Read:
    """Consume until *expected* events were handled."""
    what = Read(expected)
    task = asyncio.create_task(Consumer(source, what.handle, dead_letter=what.set_aside, pause_s=0.01).run())
    try:
        await asyncio.wait_for(what.done.wait(), 20)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return what


def group() -> dict[str, Any]:
    return {
        "group.id": uuid4().hex,
        "session.timeout.ms": 6_000,
        "heartbeat.interval.ms": 200,
        "fetch.wait.max.ms": 20,
        "topic.metadata.refresh.interval.ms": 200,
    }


NOT_READ = "events are not read: Kafka: "
IN_ORDER = {f"lead:{n}": list(range(n, 700, 7)) for n in range(7)}


async def carried(bootstrap: str, name: str) -> tuple[list[Exception | None], dict[str, list[int]]]:
    """Publish 700 events of 7 aggregates in batches, and read them; return what the sink answered, and what was seen of each."""
    sink = KafkaSink(settings(bootstrap))
    events = [Event(f"{name}.changed", f"lead:{n % 7}", n, tenant="a", headers={"x": "é"}) for n in range(700)]
    answers: list[Exception | None] = []
    for start in range(0, 700, 100):
        answers += await sink.publish(events[start : start + 100])
    await sink.close()
    what = await read(KafkaSource(settings(bootstrap, **group()), topics=[name]), 700)
    return answers, dict(what.seen)


async def test_each_arrives_and_those_of_an_aggregate_in_order(brokers: Brokers) -> None:
    assert await carried(brokers.bootstrap, "order") == ([None] * 700, IN_ORDER)


@pytest.mark.skipif("KAFKA_BOOTSTRAP" not in os.environ, reason="KAFKA_BOOTSTRAP names no Kafka cluster to test on")
async def test_a_real_cluster_keeps_the_same_order() -> None:
    name = f"scaleworthy-test-{uuid4().hex}"
    assert await carried(os.environ["KAFKA_BOOTSTRAP"], name) == ([None] * 700, IN_ORDER)


# A minute is once or twice as long as librdkafka's own time-outs, and as the relay waits; the outages below are ten times as long as these.
_SHORT = {
    "api.version.request.timeout.ms": 100,
    "message.timeout.ms": 50,
    "request.timeout.ms": 50,
    "socket.timeout.ms": 100,
}
_ATTEMPTS, _WITHIN_S = 10, 0.1


@pytest.mark.parametrize("fault", ["gone", "hung"])
async def test_brokers_that_are_away_for_longer_than_every_time_out_hold_events_back_and_none_is_lost_reordered_or_dead(
    brokers: Brokers, database: str, connection: AsyncConnection[Any], fault: str
) -> None:
    sink = KafkaSink(settings(brokers.bootstrap, **_SHORT), acknowledged_within_s=_WITHIN_S)
    relay = Relay(database, sink, idle="1ms", again="10ms", attempts=3, lock=f"brokers {fault}")
    relay.start()
    brokers.create_topic(fault, 3)
    await publish(connection, *(Event(fault, f"lead:{n % 5}", n) for n in range(50)))
    await until(lambda: relay.statistics().published >= 50, "50 are published")
    with brokers.away() if fault == "gone" else brokers.hung():
        await publish(connection, *(Event(fault, f"lead:{n % 5}", n) for n in range(50, 100)))
        for _ in range(_ATTEMPTS):
            assert "events wait: Kafka did not take it within 0.1 s" in await said(relay)
            relay._reason = None
        assert (await outbox.lag(connection))[0] == 50
    await until(lambda: emptied(connection), "the outbox is empty")
    await until(lambda: relay.trouble() is None, "it serves again")
    await relay.stop()
    assert (relay.statistics().dead, relay.statistics().failed) == (0, 0)
    what = await read(KafkaSource(settings(brokers.bootstrap, **group()), topics=[fault]), 100)
    for aggregate in range(5):
        assert list(dict.fromkeys(what.seen[f"lead:{aggregate}"])) == list(range(aggregate, 100, 5))


async def said(relay: Relay) -> str:
    return await until(relay.trouble, "it says why events wait")


async def test_one_that_is_too_large_is_the_only_one_refused(brokers: Brokers) -> None:
    sink = KafkaSink(settings(brokers.bootstrap, **{"message.max.bytes": 2_000}))
    events = [Event("large", f"lead:{n % 2}", "x" * (5_000 if n == 2 else 10)) for n in range(6)]
    answers = await sink.publish(events)
    await sink.close()
    assert [type(answer) for answer in answers] == [type(None)] * 2 + [
        Unpublishable,
        type(None),
        Unavailable,
        type(None),
    ]


async def test_a_header_that_is_no_text_holds_nothing_up(brokers: Brokers) -> None:
    sink = KafkaSink(settings(brokers.bootstrap))
    headers: dict[str, Any] = {"attempt": 5, "by": None}
    assert await sink.publish([Event("headed", "lead:1", 1, headers=headers)]) == [None]
    await sink.close()


async def test_a_topic_that_is_not_there_yet_is_waited_for_and_no_event_is_to_blame(brokers: Brokers) -> None:
    brokers.create_topic("late", 1)
    brokers.hide_topic("late", hidden=True)
    impatient = {"topic.metadata.propagation.max.ms": 20, "topic.metadata.refresh.interval.ms": 20}
    sink = KafkaSink(settings(brokers.bootstrap, **impatient))
    for _ in range(3):
        [answer] = await sink.publish([Event("late", "lead:1", 1)])
        assert isinstance(answer, Unavailable)
        assert "nknown topic" in str(answer)
    brokers.hide_topic("late", hidden=False)

    async def is_taken() -> bool:
        return await sink.publish([Event("late", "lead:1", 1)]) == [None]

    assert await until(is_taken, "the topic that was made is found")
    await sink.close()


# Numbers of Kafka's protocol.
PRODUCE, INIT_PRODUCER_ID = 0, 22
TOO_LARGE, DISCONNECTED, NO_RIGHT_TO_THE_CLUSTER, OUT_OF_ORDER, INVALID = 10, 13, 31, 45, 87


@pytest.mark.parametrize(
    ("request_kind", "error", "said"),
    [
        (PRODUCE, DISCONNECTED, "disconnected"),
        (PRODUCE, OUT_OF_ORDER, "out of order sequence number"),
        (INIT_PRODUCER_ID, NO_RIGHT_TO_THE_CLUSTER, "authorization failed"),
    ],
)
async def test_what_is_wrong_with_the_cluster_blames_no_event_and_is_got_over(
    brokers: Brokers, request_kind: int, error: int, said: str
) -> None:
    """The last two end the producer; the next one goes on."""
    sink, name = KafkaSink(settings(brokers.bootstrap)), f"fault{error}"
    brokers.create_topic(name, 1)
    events = [Event(name, "lead:1", n) for n in range(4)]
    if request_kind == PRODUCE:
        assert await sink.publish(events[:1]) == [None]
    brokers.answer_once(request_kind, error)
    answers = await sink.publish(events)
    assert [type(answer) for answer in answers] == [Unavailable] * 4
    assert said in str(answers[0])
    assert await sink.publish(events) == [None] * 4
    await sink.close()
    what = await read(KafkaSource(settings(brokers.bootstrap, **group()), topics=[name]), 4)
    assert list(dict.fromkeys(what.seen["lead:1"])) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([INVALID], [type(None)] * 3),
        ([TOO_LARGE, TOO_LARGE], [Unpublishable, type(None), type(None)]),
        ([INVALID, INVALID], [RuntimeError, type(None), type(None)]),
        ([TOO_LARGE, DISCONNECTED], [Unavailable] * 3),
    ],
)
async def test_a_batch_that_is_refused_is_sent_one_by_one_for_as_long_as_brokers_take_any(
    brokers: Brokers, errors: list[int], expected: list[type]
) -> None:
    """A broker refuses a batch for one of its events; the first answer is the batch's, the next that of the first event, alone."""
    name = f"refused{uuid4().hex}"
    brokers.create_topic(name, 1)
    sink = KafkaSink(settings(brokers.bootstrap, **{"linger.ms": 100}))
    events = [Event(name, f"lead:{n}", n) for n in range(3)]
    for error in errors:
        brokers.answer_once(PRODUCE, error)
    assert [type(answer) for answer in await sink.publish(events)] == expected
    assert await sink.publish(events) == [None] * 3
    await sink.close()


async def test_none_of_an_aggregate_overtakes_one_that_was_refused(brokers: Brokers) -> None:
    """A request may be on its way when a broker refuses the one before it: a real one refuses that too, for its number; these take it."""
    name = "gap"
    brokers.create_topic(name, 1)
    one_at_a_time = {"batch.num.messages": 1, "max.in.flight": 1, "linger.ms": 100}
    sink = KafkaSink(settings(brokers.bootstrap, **one_at_a_time))
    brokers.answer_once(PRODUCE, INVALID)
    assert await sink.publish([Event(name, "lead:1", n) for n in range(5)]) == [None] * 5
    await sink.close()
    what = await read(KafkaSource(settings(brokers.bootstrap, **group()), topics=[name]), 5)
    assert [n for n in what.seen["lead:1"] if n != 1] == [0, 2, 3, 4]


async def test_a_member_that_is_gone_leaves_what_it_did_not_acknowledge(brokers: Brokers) -> None:
    sink = KafkaSink(settings(brokers.bootstrap))
    await sink.publish([Event("left", "lead:1", n) for n in range(10)])
    await sink.close()
    # The mock brokers wait nearly as long as a session for members that left.
    members = {**group(), "session.timeout.ms": 3_000}
    gone = KafkaSource(settings(brokers.bootstrap, **members), topics=["left"], together=4)
    async for found in gone.rounds():
        if found:
            [(partition, entries)] = found
            await gone.acknowledge(partition, [entries[0][0]])
            break
    await gone.release()
    what = await read(KafkaSource(settings(brokers.bootstrap, **members), topics=["left"]), 9)
    assert what.seen == {"lead:1": list(range(1, 10))}


@pytest.mark.parametrize("fault", ["gone", "hung"])
async def test_a_consumer_says_that_brokers_are_away_and_that_they_are_back(brokers: Brokers, fault: str) -> None:
    sink, what, name = KafkaSink(settings(brokers.bootstrap)), Read(2), f"told{fault}"
    source = KafkaSource(settings(brokers.bootstrap, **group()), topics=[name], quiet_s=0.05)
    brokers.create_topic(name, 1)
    consumer = Consumer(source, what.handle, dead_letter=what.set_aside, pause_s=0.01)
    task = asyncio.create_task(consumer.run())
    assert await sink.publish([Event(name, "lead:1", 0)]) == [None]
    await until(lambda: what.seen["lead:1"], "the first is handled")
    with brokers.away() if fault == "gone" else brokers.hung(for_ms=2_000):
        # Before that, perhaps, that the first could not be acknowledged.
        await until(lambda: (consumer.trouble() or "").startswith(NOT_READ), "it says why nothing is read")
    await until(lambda: consumer.trouble() is None, "it reads again, though nothing has come")
    assert await sink.publish([Event(name, "lead:1", 1)]) == [None]
    await asyncio.wait_for(what.done.wait(), 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await sink.close()
    assert (list(dict.fromkeys(what.seen["lead:1"])), what.dead) == ([0, 1], [])


async def test_what_cannot_be_set_aside_holds_its_partition(brokers: Brokers) -> None:
    sink = KafkaSink(settings(brokers.bootstrap))
    await sink.publish([Event("held", "lead:1", n) for n in range(4)])
    await sink.close()
    seen: list[int] = []
    refused = 0
    done = asyncio.Event()

    async def handle(event: Event) -> None:
        if event.payload == 2:
            raise RuntimeError("poison")
        seen.append(event.payload)
        if event.payload == 3:
            done.set()

    async def dead_letter(_body: bytes, _reason: str) -> None:
        nonlocal refused
        refused += 1
        if refused < 3:
            raise OSError("the letters' table is gone")

    source = KafkaSource(settings(brokers.bootstrap, **group()), topics=["held"])
    task = asyncio.create_task(Consumer(source, handle, dead_letter=dead_letter, attempts=1, pause_s=0.01).run())
    await asyncio.wait_for(done.wait(), 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (seen, refused) == ([0, 1, 3], 3)
