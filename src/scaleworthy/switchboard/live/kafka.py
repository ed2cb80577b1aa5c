"""Events for a team's other systems: out of an outbox of their own to Kafka, whatever else is gone.

A topic for each noun (`switchboard.lead`, `switchboard.call`, ...), keyed by tenant and aggregate. What is to go there is written by the
database beside the outbox of the event stream (migrations/base/0031_kafka.sql), so Kafka may be gone for as long as there is disk.
"""

from __future__ import annotations

import asyncio
from typing import Any

from psycopg.conninfo import make_conninfo

from scaleworthy.errors import UsageError
from scaleworthy.runtime.events import KafkaSink, Relay
from scaleworthy.series.meter import Meter
from scaleworthy.switchboard.shape import Shape

PREFIX = "switchboard."
_SCHEMA = "switchboard_kafka"
_ANSWERS_S = 1.0
# Brokers that are back are found within a second, a topic that was made late within five; left to itself librdkafka takes ten, and minutes.
_BACK = {"reconnect.backoff.ms": 100, "reconnect.backoff.max.ms": 1_000, "topic.metadata.refresh.interval.ms": 5_000}


def check_kafka(bootstrap: str | None, shape: Shape) -> None:
    """Refuse what cannot work before anything is started.

    Raises:
        UsageError: The shape has no outbox, or *bootstrap* is no list of brokers.
        MissingExtra: confluent-kafka is not installed.
    """
    if bootstrap is None:
        return
    if shape.events != "outbox":
        raise UsageError(
            f"events go to Kafka from the outbox, and shape {shape.name} has none: it tells of them by NOTIFY",
            hint="leave --kafka out, or serve in shape tuned",
        )
    if "://" in bootstrap or not all(broker.strip() for broker in bootstrap.split(",")):
        raise UsageError(f"--kafka takes brokers as host:port, with commas between, got {bootstrap!r}")
    KafkaSink({"bootstrap.servers": bootstrap})


class ToKafka:
    """The relay of one process, which takes turns with those of the others, and a client that asks whether brokers answer."""

    def __init__(self, bootstrap: str, relay_dsn: str, *, meter: Meter | None = None) -> None:
        self._settings: dict[str, Any] = {"bootstrap.servers": bootstrap, **_BACK}
        # A batch that is not taken is called back after five seconds, so that its reason is said, and comes again, without end.
        sink = KafkaSink(self._settings, prefix=PREFIX, acknowledged_within_s=5.0)
        dsn = make_conninfo(relay_dsn, options=f"-c search_path={_SCHEMA}")
        self._relay = Relay(dsn, sink, idle="100ms", lock=_SCHEMA, meter=meter, labels={"outbox": "kafka"})
        self._client: Any = None
        self._asking: asyncio.Task[str | None] | None = None

    def start(self) -> None:
        """Begin to relay."""
        self._relay.start()

    async def stop(self) -> None:
        """End; another process goes on."""
        await self._relay.stop()
        if self._asking is not None:
            await asyncio.gather(self._asking, return_exceptions=True)

    def nudge(self) -> None:
        """Say that an event was committed."""
        self._relay.nudge()

    async def trouble(self) -> str | None:
        """Return why events wait, or None; brokers are given a second to answer, and all who ask meanwhile wait for the same answer."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(self._ask))
        return await asyncio.shield(self._asking) or self._relay.trouble()

    def _ask(self) -> str | None:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        if self._client is None:
            self._client = AdminClient({**self._settings, "log_level": 0})
        try:
            self._client.list_topics(timeout=_ANSWERS_S)
        except KafkaException as error:
            return f"events wait: no broker answers ({error.args[0].str()})"
        return None
