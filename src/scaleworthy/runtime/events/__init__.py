"""Events: published if and only if their transaction committed, each at least once, those of one aggregate in their order.

async with database.transaction() as connection:
    await connection.execute(...)
    await publish(connection, Event("lead.created", "lead:5", {"name": "Ann"}, tenant="a"))
"""

from scaleworthy.runtime.events.consumer import Consumer, ConsumerStatistics, create_inbox, first_time, purge_inbox
from scaleworthy.runtime.events.event import Event
from scaleworthy.runtime.events.kafka import KafkaSink, KafkaSource
from scaleworthy.runtime.events.outbox import create, dead_letters, publish, replay, revive, statements
from scaleworthy.runtime.events.relay import Relay, RelayStatistics, Unpublishable
from scaleworthy.runtime.events.streams import StreamSink, StreamSource

__all__ = [
    "Consumer",
    "ConsumerStatistics",
    "Event",
    "KafkaSink",
    "KafkaSource",
    "Relay",
    "RelayStatistics",
    "StreamSink",
    "StreamSource",
    "Unpublishable",
    "create",
    "create_inbox",
    "dead_letters",
    "first_time",
    "publish",
    "purge_inbox",
    "replay",
    "revive",
    "statements",
]
