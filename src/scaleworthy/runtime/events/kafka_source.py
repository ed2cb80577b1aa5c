"""Events from Kafka: a member of a consumer group reads its partitions, and commits what was dealt with."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

from scaleworthy.runtime.events.cancelling import heed_cancellation
from scaleworthy.runtime.events.consumer import Round
from scaleworthy.runtime.events.kafka import library

_ANSWERS_S = 1.0


class KafkaSource:
    """Events of *topics* for one member of a consumer group; what is not acknowledged comes again to whoever has the partition next.

    Args:
        settings: librdkafka's, `bootstrap.servers` and `group.id` at least.
        topics: Channels: topics up to their first dot.
        prefix: As published.
        together: Most events read at once.
        quiet_s: After so long without an event the brokers are asked whether they are there, and again after as long.
        now: Monotonic seconds.

    Raises:
        MissingExtra: confluent-kafka is not installed.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        topics: Sequence[str],
        prefix: str = "",
        together: int = 100,
        quiet_s: float = 5.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka = library()
        self._together = together
        # A consumer that is closed while another thread reads from it is undefined.
        self._one_at_a_time = threading.Lock()
        self._closed = False
        self._said: str | None = None
        self._quiet_s = quiet_s
        self._now = now
        self._heard_at = now()
        self._consumer = self._kafka.Consumer(
            {
                "auto.offset.reset": "earliest",
                "log_level": 0,
                # What is fetched ahead is bounded too: librdkafka's own limit is 64 MB of each topic.
                "queued.max.messages.kbytes": 16_384,
                "reconnect.backoff.max.ms": 1_000,
                "error_cb": self._hear,
                "auto.commit.interval.ms": 1_000,
                **settings,
                # What is acknowledged is committed in the background: a commit that is waited for hangs with its broker.
                "enable.auto.commit": True,
                "enable.auto.offset.store": False,
            }
        )
        self._topics = [prefix + topic.partition(".")[0] for topic in topics]
        self._consumer.subscribe(self._topics)

    async def rounds(self) -> AsyncGenerator[Round, None]:
        """Yield the next events of each partition held; the next round begins when those are dealt with.

        Raises:
            ConnectionError: No broker answers.
        """
        while True:
            heed_cancellation()
            by_partition: dict[str, list[tuple[str, bytes]]] = {}
            for message in await asyncio.to_thread(self._read):
                if message.error() is None:
                    name = f"{message.topic()}|{message.partition()}"
                    by_partition.setdefault(name, []).append((str(message.offset()), message.value() or b""))
            yield list(by_partition.items())

    async def acknowledge(self, partition: str, entries: Sequence[str]) -> None:
        """Say that *entries* are dealt with, and all before them; a consumer that is killed within a second of it may see them again."""
        self._consumer.store_offsets(offsets=[self._position(partition, max(int(entry) for entry in entries) + 1)])

    async def again(self, partition: str, entries: Sequence[str]) -> None:
        """Read on from the first of *entries*."""
        await asyncio.to_thread(self._consumer.seek, self._position(partition, min(int(entry) for entry in entries)))

    async def release(self) -> None:
        """Leave the group, so that others have this member's partitions at once."""
        await asyncio.to_thread(self._close)

    def _position(self, partition: str, offset: int) -> Any:
        topic, _, number = partition.rpartition("|")
        return self._kafka.TopicPartition(topic, int(number), offset)

    def _read(self) -> list[Any]:
        with self._one_at_a_time:
            if self._closed:
                return []
            messages = list(self._consumer.consume(self._together, 0.1))
            if messages:
                self._heard_at = self._now()
            elif self._said is not None or self._now() - self._heard_at >= self._quiet_s:
                self._ask()
            return messages

    def _hear(self, error: Any) -> None:
        self._said = str(error.str())

    def _ask(self) -> None:
        """Ask whether any broker answers: the library tells mostly that one is gone, seldom that one hangs, and not that it is back."""
        try:
            self._consumer.list_topics(*self._topics[:1], timeout=_ANSWERS_S)
        except self._kafka.KafkaException as error:
            raise ConnectionError(f"Kafka: {self._said or error.args[0].str()}") from error
        self._said = None
        self._heard_at = self._now()

    def _close(self) -> None:
        with self._one_at_a_time:
            if not self._closed:
                self._closed = True
                self._consumer.close()
