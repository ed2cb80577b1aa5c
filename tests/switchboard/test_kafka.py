"""Every event of the outbox goes to Kafka too, and Kafka's absence is nobody's but its own: librdkafka's mock brokers, stopped and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import Consumer

import waiting
from runtime.events.brokers import Brokers
from scaleworthy.errors import UsageError
from scaleworthy.runtime.events import Event
from scaleworthy.servers import Postgres, Valkey
from scaleworthy.switchboard.live.kafka import PREFIX
from scaleworthy.switchboard.service import Switchboard

from .running import Data, fill
from .test_events import Served, heard, reasons, serve, until, write_leads

_TOPICS = ("lead", "call", "payment", "webhook")


@pytest.fixture(scope="module")
def brokers() -> Iterator[Brokers]:
    with Brokers() as started:
        for topic in _TOPICS:
            started.create_topic(PREFIX + topic, 3)
        yield started


@pytest.fixture(scope="module")
def served(postgres: Postgres, valkey: Valkey, brokers: Brokers) -> Iterator[Served]:
    data = fill(postgres, "events_to_kafka", sets=("tuned",))
    yield from serve(data, "tuned", valkey.url, 2, kafka=brokers.bootstrap)


def read(bootstrap: str, is_enough: Callable[[list[Event]], bool]) -> list[Event]:
    """Read all that was ever published, until it is enough; each must lie under its key and in its topic."""
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": uuid4().hex,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 20,
        "reconnect.backoff.max.ms": 100,
    }
    events: list[Event] = []
    with closing(Consumer(settings)) as consumer:
        consumer.subscribe([PREFIX + topic for topic in _TOPICS])
        for _ in range(200):
            for message in consumer.consume(100, 0.1):
                if message.error() is None:
                    event = Event.from_json(message.value() or b"")
                    assert (message.key() or b"").decode() == event.key
                    assert message.topic() == PREFIX + event.channel
                    events.append(event)
            if is_enough(events):
                return events
    raise AssertionError(f"only {len(events)} events came: {[event.topic for event in events]}")


def change(served: Served, method: str, path: str, tenant: int, body: dict[str, Any] | None = None) -> None:
    headers = {"x-tenant-key": served.keys[tenant]}
    answer = httpx.request(method, served.url + path, json=body, headers=headers, timeout=15)
    assert answer.is_success, answer.text


def pay(served: Served) -> None:
    """Deliver a webhook that pays, for the demo tenant."""
    header = {"stripe-signature": "test_signature"}
    body = {"type": "invoice.payment_succeeded"}
    assert httpx.post(f"{served.url}/webhooks/stripe", json=body, headers=header, timeout=15).status_code == 200


def written(data: Data) -> set[str]:
    """Return the ids of the events that were committed."""
    return {str(row[0]) for row in data.rows("select id from scaleworthy_outbox")}


def first_of_each(events: list[Event]) -> list[Event]:
    """Return *events* without those that came once more."""
    return list({event.id: event for event in events}.values())


def of(served: Served, events: list[Event], aggregate: str, tenant: int = 1) -> list[Event]:
    key = f"{served.data.tenants[tenant][0]}/{aggregate}"
    return [event for event in first_of_each(events) if event.key == key]


async def well(served: Served) -> dict[str, Any]:
    """Return health once it is ok: brokers are given a second to answer, and a busy machine may take longer the first time."""

    async def is_well() -> dict[str, Any] | None:
        health: dict[str, Any] = (await asyncio.to_thread(httpx.get, f"{served.url}/api/health", timeout=15)).json()
        return health if health["status"] == "ok" else None

    return await waiting.until(is_well, "health is ok")


async def test_events_arrive_keyed_and_in_order_with_their_ids(served: Served, brokers: Brokers) -> None:
    lead = await asyncio.to_thread(served.post, "/api/leads", 1, {"name": "Ann", "phone": "+15550178"})
    for number in range(5):
        await asyncio.to_thread(change, served, "PUT", f"/api/leads/{lead['id']}", 1, {"name": f"Ann {number}"})
    await asyncio.to_thread(change, served, "DELETE", f"/api/leads/{lead['id']}", 1)
    call = await asyncio.to_thread(served.post, "/api/calls/start", 1, {"phone_number": "+15550100"})
    await asyncio.to_thread(served.post, "/api/calls/end", 1, {"call_id": call["id"]})
    async with served.socket(0, "payment.*") as paid:
        await asyncio.to_thread(pay, served)
        assert (await heard(paid))["type"] == "payment.received"
    expected = written(served.data)
    events = await asyncio.to_thread(
        read, brokers.bootstrap, lambda so_far: expected <= {str(event.id) for event in so_far}
    )
    assert {str(event.id) for event in events} == expected
    history = of(served, events, f"lead:{lead['id']}")
    assert [event.topic for event in history] == ["lead.created", *["lead.updated"] * 5, "lead.deleted"]
    assert [event.payload["name"] for event in history[1:6]] == [f"Ann {number}" for number in range(5)]
    assert [event.topic for event in of(served, events, f"call:{call['id']}")] == ["call.started", "call.ended"]
    assert {"payment.received", "webhook.received"} <= {event.topic for event in events}
    health = await well(served)
    assert (health["kafka"], health["reasons"]) == ("ok", [])
    metrics = (await asyncio.to_thread(httpx.get, f"{served.url}/api/metrics")).text
    assert any("runtime_events_waiting" in line and 'outbox="kafka"' in line for line in metrics.splitlines())


async def test_brokers_that_are_gone_hold_nobody_up_and_get_everything_when_they_are_back(
    served: Served, brokers: Brokers
) -> None:
    async with served.socket(1, "lead.*") as told, served.socket(0, "payment.*") as paid:
        with brokers.away():
            lead = await asyncio.to_thread(served.post, "/api/leads", 1, {"name": "Bo"})
            assert (await heard(told))["data"]["id"] == lead["id"]
            health = await reasons(served, "kafka")
            assert (health["status"], health["kafka"]) == ("degraded", "waits")
            assert [
                reason for reason in health["reasons"] if "no broker answers" in reason or "did not take it" in reason
            ]
            # More than a batch, behind one that is refused already: the stream and the webhooks go on all the while.
            for number in range(5):
                await asyncio.to_thread(change, served, "PUT", f"/api/leads/{lead['id']}", 1, {"name": f"Bo {number}"})
                assert (await until(told, "lead.updated"))["data"]["name"] == f"Bo {number}"
            await asyncio.to_thread(write_leads, served.data, 1, "outbox; set switchboard.kafka = on", 600)
            for _ in range(600):
                assert (await heard(told))["type"] == "lead.created"
            await asyncio.to_thread(pay, served)
            assert (await heard(paid))["type"] == "payment.received"
            await asyncio.to_thread(change, served, "DELETE", f"/api/leads/{lead['id']}", 1)
            assert (await until(told, "lead.deleted"))["data"]["id"] == lead["id"]
            assert served.data.rows("select 1 from webhook_queue") == []
    expected = written(served.data)
    events = await asyncio.to_thread(
        read, brokers.bootstrap, lambda so_far: expected <= {str(event.id) for event in so_far}
    )
    history = of(served, events, f"lead:{lead['id']}")
    assert [event.topic for event in history] == ["lead.created", *["lead.updated"] * 5, "lead.deleted"]
    assert [event.payload["name"] for event in history[1:6]] == [f"Bo {number}" for number in range(5)]
    await well(served)
    dead = "select dead_because from switchboard_kafka.scaleworthy_outbox where dead_because is not null"
    assert served.data.rows(dead) == []


async def test_brokers_that_hang_hold_nobody_up_either(served: Served, brokers: Brokers) -> None:
    """They answer after more than the second that health gives them."""
    async with served.socket(2, "lead.*") as told:
        with brokers.hung(for_ms=2_500):
            lead = await asyncio.to_thread(served.post, "/api/leads", 2, {"name": "Cy"})
            assert (await heard(told))["data"]["id"] == lead["id"]
            health = await reasons(served, "kafka: events wait: no broker answers")
            assert (health["status"], health["kafka"]) == ("degraded", "waits")
            await asyncio.to_thread(change, served, "DELETE", f"/api/leads/{lead['id']}", 2)
            assert (await heard(told))["type"] == "lead.deleted"
    expected = written(served.data)
    events = await asyncio.to_thread(
        read, brokers.bootstrap, lambda so_far: expected <= {str(event.id) for event in so_far}
    )
    history = of(served, events, f"lead:{lead['id']}", tenant=2)
    assert [event.topic for event in history] == ["lead.created", "lead.deleted"]
    await well(served)


def test_without_kafka_nothing_is_kept_for_it(postgres: Postgres) -> None:
    data = fill(postgres, "events_without_kafka", sets=("tuned",))
    write_leads(data, 1, "outbox", 3)
    assert len(written(data)) == 3
    assert data.rows("select count(*) from switchboard_kafka.scaleworthy_outbox") == [(0,)]


@pytest.mark.parametrize(
    ("shape", "brokers_named", "said"),
    [
        ("day-one", "127.0.0.1:9092", "shape day-one has none: it tells of them by NOTIFY"),
        ("tuned", "kafka://127.0.0.1:9092", "host:port, with commas between"),
        ("tuned", "127.0.0.1:9092,", "host:port, with commas between"),
    ],
)
def test_what_cannot_go_to_kafka_is_refused_before_anything_starts(shape: str, brokers_named: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Switchboard.start(shape=shape, kafka=brokers_named)
