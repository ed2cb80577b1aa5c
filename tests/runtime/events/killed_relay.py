"""A relay in a process of its own, to be killed: `killed_relay.py DSN VALKEY_URL PREFIX`."""

from __future__ import annotations

import asyncio
import sys

from redis.asyncio import Redis

from scaleworthy.runtime.events import Relay, StreamSink


async def main(dsn: str, url: str, prefix: str) -> None:
    """Work until killed."""
    relay = Relay(dsn, StreamSink(Redis.from_url(url), prefix=prefix, partitions=2), together=20, idle="1ms")
    relay.start()
    await relay.working()
    print("works", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
