"""A process of the fleet that follows: prints a line when it reads the slot, and lives until it is killed."""

from __future__ import annotations

import asyncio
import sys

from runtime.invalidation.told import RULES
from scaleworthy.runtime.cache import Cache, ValkeyLayer
from scaleworthy.runtime.invalidation import SlotFollower


async def main(dsn: str, url: str, name: str) -> None:
    """Follow by the slot *name*, with a cache whose keys begin with it."""
    async with Cache(valkey=ValkeyLayer(url, prefix=f"{name}:", budget="5s")) as cache:
        follower = SlotFollower(dsn, cache, RULES, slot=name)
        follower.start()
        await follower.reading()
        print("reads", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
