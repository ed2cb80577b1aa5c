"""Events: published if and only if their transaction committed, each at least once, those of one aggregate in their order.

async with database.transaction() as connection:
    await connection.execute(...)
    await publish(connection, Event("lead.created", "lead:5", {"name": "Ann"}, tenant="a"))
"""

from scaleworthy.errors import MissingExtra

try:
    import orjson  # noqa: F401 - before what is below needs it, so that the error says what to install
    import psycopg  # noqa: F401
    import redis  # noqa: F401
except ImportError as error:
    raise MissingExtra("runtime", needed_for="the events part") from error

from scaleworthy.runtime.events.consumer import Consumer, ConsumerStatistics
from scaleworthy.runtime.events.event import Event
from scaleworthy.runtime.events.inbox import aside, create_inbox, drop_aside, first_time, purge_inbox, set_aside
from scaleworthy.runtime.events.kafka import KafkaSink
from scaleworthy.runtime.events.kafka_source import KafkaSource
from scaleworthy.runtime.events.outbox import create, dead_letters, publish, replay, revive, statements
from scaleworthy.runtime.events.relay import Relay, RelayStatistics
from scaleworthy.runtime.events.sink import Sink, Unavailable, Unpublishable
from scaleworthy.runtime.events.stream_source import LeaseLost, StreamSource
from scaleworthy.runtime.events.streams import StreamSink

__all__ = [
    "Consumer",
    "ConsumerStatistics",
    "Event",
    "KafkaSink",
    "KafkaSource",
    "LeaseLost",
    "Relay",
    "RelayStatistics",
    "Sink",
    "StreamSink",
    "StreamSource",
    "Unavailable",
    "Unpublishable",
    "aside",
    "create",
    "create_inbox",
    "dead_letters",
    "drop_aside",
    "first_time",
    "publish",
    "purge_inbox",
    "replay",
    "revive",
    "set_aside",
    "statements",
]
