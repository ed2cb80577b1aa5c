"""Events to Kafka: a topic per channel, keyed by tenant and aggregate, so that an aggregate's share a partition and keep their order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from scaleworthy.errors import MissingExtra
from scaleworthy.runtime.events.event import Event
from scaleworthy.runtime.events.sink import BEHIND, Unavailable, Unpublishable

# What an event itself can be refused for. All else is the cluster's, or our way to it: no event may become a dead letter of that.
_TOO_LARGE = {"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"}
_INVALID = {
    "INVALID_MSG_SIZE",
    "INVALID_RECORD",
    "INVALID_TIMESTAMP",
    "POLICY_VIOLATION",
    "TOPIC_EXCEPTION",
    "_INVALID_ARG",
}


def library() -> Any:
    """Return confluent-kafka.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import confluent_kafka
    except ImportError as error:
        raise MissingExtra("kafka", needed_for="events over Kafka") from error
    return confluent_kafka


class KafkaSink:
    """Publishes with an idempotent producer (confluent-kafka): a partition's events stay in order, also where they are sent again.

    Args:
        settings: librdkafka's, `bootstrap.servers` at least. What order depends on is ours: idempotence, no gaps, no time-out of a message.
        prefix: What topics' names begin with.
        acknowledged_within_s: After which what no broker took is called back; it comes again.
        now: Monotonic seconds.

    Raises:
        MissingExtra: confluent-kafka is not installed.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        prefix: str = "",
        acknowledged_within_s: float = 30.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka = library()
        self._prefix = prefix
        self._within_s = acknowledged_within_s
        self._now = now
        self._closing = False
        self._said = ""
        self._settings = {
            "linger.ms": 2,
            # Brokers that are back are found within a second; librdkafka's own limit is ten.
            "reconnect.backoff.max.ms": 1_000,
            "error_cb": self._hear,
            "log_level": 0,
            **settings,
            # The promise of order, so nobody's to change. No message ends by a time-out of its own, which one behind it would not have;
            # and after one that was refused the producer sends nothing more.
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
            "message.timeout.ms": 0,
            "delivery.timeout.ms": 0,
        }
        self._producer: Any = None

    async def publish(self, events: Sequence[Event]) -> list[Exception | None]:
        """Publish *events*; return for each None once all in-sync replicas have it, or why not."""
        return await asyncio.to_thread(self._publish, events)

    async def close(self) -> None:
        """Call back what is under way."""
        self._closing = True
        if self._producer is not None:
            with suppress(self._kafka.KafkaException):
                await asyncio.to_thread(self._producer.flush, 0)

    def _publish(self, events: Sequence[Event]) -> list[Exception | None]:
        deadline = self._now() + self._within_s
        results = self._sent(events, deadline)
        refused = [place for place, error in enumerate(results) if _is_refusal(error)]
        if len(events) > 1 and refused:
            self._one_by_one(events, results, refused[0], deadline)
        return _in_order(events, results)

    def _one_by_one(
        self, events: Sequence[Event], results: list[Exception | None], first: int, deadline: float
    ) -> None:
        """Send from *first* on what was not taken: a broker refuses a whole batch for one event; alone it is the only one refused."""
        blamed: set[str] = set()
        for place in range(first, len(events)):
            event = events[place]
            if results[place] is None or event.key in blamed:
                continue
            [results[place]] = self._sent([event], deadline)
            if isinstance(results[place], Unavailable):
                # Nor would the next be taken, and each would be waited for.
                results[place:] = [results[place]] * (len(events) - place)
                return
            if results[place] is not None:
                blamed.add(event.key)

    def _sent(self, events: Sequence[Event], deadline: float) -> list[Exception | None]:
        """Send *events*, wait for each one's answer, and call back what has none in time."""
        producer = self._producer = self._producer or self._kafka.Producer(self._settings)
        results: list[Exception | None] = [None] * len(events)
        left = len(events)
        over = late = False

        def answered(place: int, error: Any) -> None:
            nonlocal left
            left -= 1
            if error is not None:
                results[place] = self._as_error(error, late=late)
                if _is_refusal(results[place]):
                    self._producer = None

        blamed: set[str] = set()
        for place, event in enumerate(events):
            if event.key in blamed:
                results[place] = Unavailable(BEHIND)
                left -= 1
                continue
            try:
                producer.produce(
                    self._prefix + event.channel,
                    key=event.key.encode(),
                    value=event.to_json(),
                    # Of text, but not if a trigger of somebody's wrote a number: it would hold up all events behind it.
                    headers={name: str(value).encode() for name, value in event.headers.items()},
                    on_delivery=lambda error, _message, place=place: answered(place, error),
                )
            except BufferError:
                left -= 1
                blamed.add(event.key)
                results[place] = Unavailable("the producer's queue is full")
            except self._kafka.KafkaException as error:
                left -= 1
                blamed.add(event.key)
                results[place] = self._as_error(error.args[0], late=False)
        while left:
            if not over and (self._closing or self._now() >= deadline):
                over = late = True
            if over:
                producer.purge(in_queue=True, in_flight=True, blocking=True)
            try:
                producer.poll(0.05)
            except self._kafka.KafkaException as error:
                # The library raises what a producer cannot go on after: all that this one has is called back, and the next is a new one.
                self._producer, over = None, True
                if not late:
                    self._hear(error.args[0])
        if None in results:
            self._said = ""
        return results

    def _hear(self, error: Any) -> None:
        self._said = str(error.str())

    def _as_error(self, error: Any, *, late: bool) -> Exception:
        if error.name() in _TOO_LARGE:
            return Unpublishable(error.str())
        if error.name() in _INVALID:
            return RuntimeError(f"Kafka: {error.str()}")
        if error.fatal() or error.name() == "_FATAL":
            self._producer = None
        if late:
            return Unavailable(f"Kafka did not take it within {self._within_s:g} s: {self._said or 'no answer'}")
        purged = error.name() in ("_PURGE_QUEUE", "_PURGE_INFLIGHT")
        return Unavailable(f"Kafka: {self._said if purged else error.str()}")


def _is_refusal(error: Exception | None) -> bool:
    return error is not None and not isinstance(error, Unavailable)


def _in_order(events: Sequence[Event], results: Sequence[Exception | None]) -> list[Exception | None]:
    """Return *results* with those called failed that were taken behind a failed one of their key: they come again, behind it."""
    blamed: set[str] = set()
    ordered: list[Exception | None] = []
    for event, result in zip(events, results, strict=True):
        if result is not None:
            blamed.add(event.key)
        ordered.append(Unavailable(BEHIND) if result is None and event.key in blamed else result)
    return ordered
