"""The processes of bench_invalidation.py: one that follows, and one whose memory layer is watched.

watch: prints `ready`, then for each key of the form `row:N` that it forgets the monotonic clock at that moment, ns.
follow: prints `ready` when it follows, by the slot or by NOTIFY; at the end of its input it prints its counts.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict
from typing import Any

from scaleworthy.runtime.cache import Cache, Policy, ValkeyLayer
from scaleworthy.runtime.invalidation import NotifyFollower, Rule, SlotFollower

RULES = [Rule("watched", keys=["row:{id}"]), Rule("written", keys=["written:{id}"])]
_POLICY = Policy(entries=100_000, memory="1h", valkey=None, table=None, early=0.0)


def make_cache(url: str) -> Cache:
    """Return a cache of the fleet at *url*."""
    return Cache(valkey=ValkeyLayer(url, prefix="bench:", budget="2s"), classes={"default": _POLICY})


def make_follower(way: str, dsn: str, cache: Cache) -> SlotFollower | NotifyFollower:
    """Return who follows by *way*: slot or notify."""
    return SlotFollower(dsn, cache, RULES) if way == "slot" else NotifyFollower(dsn, cache, RULES)


async def watch(url: str, count: int) -> None:
    """Keep *count* rows in memory and print when each is gone."""
    async with make_cache(url) as cache:
        await cache.listening()
        for number in range(count):
            await cache.set(f"row:{number}", number)
        print("ready", flush=True)
        for number in range(count):
            while await cache.get(f"row:{number}") is not None:
                await cache.next_change()
            print(time.monotonic_ns(), flush=True)


async def follow(way: str, dsn: str, url: str) -> None:
    """Follow until the input ends."""
    async with make_cache(url) as cache:
        follower: Any = make_follower(way, dsn, cache)
        await follower.create()
        follower.start()
        await follower.reading()
        print("ready", flush=True)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.read)
        print(json.dumps(asdict(follower.statistics())), flush=True)
        await follower.stop()
        await follower.drop()


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    asyncio.run(watch(given[0], int(given[1])) if what == "watch" else follow(*given))
