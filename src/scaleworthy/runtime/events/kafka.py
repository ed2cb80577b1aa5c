"""Events over Kafka: one topic each, keyed by tenant and aggregate, so that an aggregate's share a partition and keep their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from scaleworthy.errors import MissingExtra
from scaleworthy.runtime.events.event import Event
from scaleworthy.runtime.events.relay import Unpublishable

_TOO_LARGE = "MSG_SIZE_TOO_LARGE"


def _library() -> Any:
    try:
        import confluent_kafka
    except ImportError as error:
        raise MissingExtra("kafka", needed_for="events over Kafka") from error
    return confluent_kafka


class KafkaSink:
    """Publishes with an idempotent producer (confluent-kafka): a partition's events stay in order, also where they are sent again.

    Args:
        settings: librdkafka's, `bootstrap.servers` at least.
        prefix: What topics' names begin with.
        acknowledged_within_s: After which an event counts as not taken, and comes again.

    Raises:
        MissingExtra: confluent-kafka is not installed.
    """

    def __init__(self, settings: Mapping[str, Any], *, prefix: str = "", acknowledged_within_s: float = 30.0) -> None:
        self._kafka = _library()
        self._prefix = prefix
        self._producer = self._kafka.Producer(
            {
                "enable.idempotence": True,
                "linger.ms": 2,
                "delivery.timeout.ms": round(acknowledged_within_s * 1e3),
                "request.timeout.ms": min(10_000, round(acknowledged_within_s * 1e3)),
                **settings,
            }
        )

    async def publish(self, events: Sequence[Event]) -> list[Exception | None]:
        """Publish *events*; return for each None once all in-sync replicas have it, or why not."""
        return await asyncio.to_thread(self._publish, events)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.to_thread(self._producer.flush, 10)

    def _publish(self, events: Sequence[Event]) -> list[Exception | None]:
        results: list[Exception | None] = [None] * len(events)
        done = 0

        def delivered(place: int, error: Any) -> None:
            nonlocal done
            done += 1
            if error is not None:
                results[place] = _as_error(error)

        failed: set[str] = set()
        for place, event in enumerate(events):
            if event.key in failed:
                results[place] = RuntimeError("one before it was not taken")
                done += 1
                continue
            try:
                self._producer.produce(
                    self._prefix + event.topic,
                    key=event.key.encode(),
                    value=event.to_json(),
                    headers={name: value.encode() for name, value in event.headers.items()},
                    on_delivery=lambda error, _message, place=place: delivered(place, error),
                )
            except (BufferError, self._kafka.KafkaException) as error:
                failed.add(event.key)
                done += 1
                results[place] = _as_error(error.args[0]) if isinstance(error, self._kafka.KafkaException) else error
        # Each is delivered or has failed by its own time-out.
        while done < len(events):
            self._producer.poll(0.1)
        return results


def _as_error(error: Any) -> Exception:
    name = error.name() if hasattr(error, "name") else ""
    return Unpublishable(str(error)) if name == _TOO_LARGE else RuntimeError(str(error))


class KafkaSource:
    """Events of *topics* for one member of a consumer group; what is not acknowledged comes again to whoever has the partition next.

    Args:
        settings: librdkafka's, `bootstrap.servers` and `group.id` at least.
        topics: Without the prefix.
        prefix: As published.
        together: Most events read at once.

    Raises:
        MissingExtra: confluent-kafka is not installed.
    """

    def __init__(
        self, settings: Mapping[str, Any], *, topics: Sequence[str], prefix: str = "", together: int = 100
    ) -> None:
        self._kafka = _library()
        self._together = together
        self._consumer = self._kafka.Consumer(
            {
                "auto.offset.reset": "earliest",
                **settings,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
            }
        )
        self._consumer.subscribe([prefix + topic for topic in topics])

    async def batches(self) -> AsyncIterator[tuple[str, list[tuple[str, bytes]]]]:
        """Yield a partition's next events, in order, as (partition, [(offset, event as bytes)])."""
        while True:
            messages = await asyncio.to_thread(self._consumer.consume, self._together, 0.1)
            by_partition: dict[str, list[tuple[str, bytes]]] = {}
            for message in messages:
                if message.error() is None:
                    name = f"{message.topic()}|{message.partition()}"
                    by_partition.setdefault(name, []).append((str(message.offset()), message.value()))
            for name, entries in by_partition.items():
                yield name, entries

    async def acknowledge(self, stream: str, entries: Sequence[str]) -> None:
        """Say that *entries* are dealt with, and all before them."""
        topic, _, partition = stream.rpartition("|")
        offset = max(int(entry) for entry in entries) + 1
        position = self._kafka.TopicPartition(topic, int(partition), offset)
        await asyncio.to_thread(self._consumer.commit, offsets=[position], asynchronous=False)

    async def release(self) -> None:
        """Leave the group, so that others have this member's partitions at once."""
        await asyncio.to_thread(self._consumer.close)
