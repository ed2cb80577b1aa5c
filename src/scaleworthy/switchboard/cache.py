"""Answers kept for some seconds in Valkey. A cache that is gone costs time, never an answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

_TIMEOUT_S = 0.25
# After a failure nobody asks the cache for this long: a server that is gone is not waited for by each request.
_PAUSE_S = 1.0


class Cache:
    """A Valkey server, used for *ttl_s* seconds per entry, or (None) only asked whether it is there."""

    def __init__(self, url: str | None, *, ttl_s: float | None, now: Callable[[], float] = time.monotonic) -> None:
        # redis-py types its keyword arguments loosely; one connection attempt, no retry: the pause is our retry.
        options: dict[str, Any] = {"socket_timeout": _TIMEOUT_S, "socket_connect_timeout": _TIMEOUT_S, "retry": None}
        self._client: Redis | None = Redis.from_url(url, **options) if url else None
        self._ttl_ms = round(ttl_s * 1000) if ttl_s else None
        self._now = now
        self._paused_until = float("-inf")

    async def get(self, key: str) -> bytes | None:
        """Return what is kept under *key*, or None: nothing, or no cache."""
        if self._client is None or self._ttl_ms is None or self._now() < self._paused_until:
            return None
        try:
            kept = await self._client.get(key)
        except (RedisError, OSError):
            self._pause()
            return None
        return kept if isinstance(kept, bytes) else None

    async def put(self, key: str, body: bytes) -> None:
        """Keep *body* under *key* for the cache's time."""
        if self._client is None or self._ttl_ms is None or self._now() < self._paused_until:
            return
        try:
            await self._client.set(key, body, px=self._ttl_ms)
        except (RedisError, OSError):
            self._pause()

    async def trouble(self) -> str | None:
        """Return why the cache does not serve, or None when it answers or there is none to ask."""
        if self._client is None:
            return None
        try:
            await self._client.ping()
        except (RedisError, OSError) as error:
            self._pause()
            return str(error) or type(error).__name__
        self._paused_until = float("-inf")
        return None

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def _pause(self) -> None:
        self._paused_until = self._now() + _PAUSE_S
