"""Valkey (or Redis): INFO, by difference. The source's own commands are taken out again."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from scaleworthy.errors import MissingExtra
from scaleworthy.observe.source import Differences, Sample

if TYPE_CHECKING:
    import redis

TIMEOUT_S = 5.0
_COUNTERS = {
    "total_commands_processed": ("valkey.commands", "commands"),
    "keyspace_hits": ("valkey.hits", "lookups"),
    "keyspace_misses": ("valkey.misses", "lookups"),
    "evicted_keys": ("valkey.evicted", "keys"),
    "expired_keys": ("valkey.expired", "keys"),
}
_GAUGES = {
    "used_memory": ("valkey.memory", "bytes"),
    "blocked_clients": ("valkey.blocked_clients", "clients"),
}


class ValkeySource:
    """One connection to the server at *url* (redis://, rediss://, unix://), and one INFO a second."""

    name = "valkey"

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: redis.Redis | None = None
        self._counters: Differences[str] = Differences()

    def sample(self) -> Sample:
        """Return what happened since the last call.

        Raises:
            MissingExtra: redis-py is not installed.
            redis.RedisError: The server does not answer.
        """
        sample = Sample()
        try:
            said = self._info()
        except Exception:
            # The next connection greets the server anew: its greetings must not count as the service's commands.
            self.close()
            raise
        grown = self._counters.since({name: float(said[name]) for name in _COUNTERS})
        if grown:
            # The last INFO was counted after it was answered.
            grown["total_commands_processed"] = max(0.0, grown["total_commands_processed"] - 1)
        for field, (series, unit) in _COUNTERS.items():
            if field in grown:
                sample.counter(series, unit, grown[field])
        for field, (series, unit) in _GAUGES.items():
            sample.gauge(series, unit, float(said[field]))
        sample.gauge("valkey.clients", "clients", float(said["connected_clients"]) - 1)
        if int(said.get("maxmemory", 0)) > 0:
            sample.gauge("valkey.memory_max", "bytes", float(said["maxmemory"]))
        return sample

    def close(self) -> None:
        """Close the connection; the next sample opens one and is a first one."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._counters.forget()

    def _info(self) -> dict[str, Any]:
        if self._client is None:
            if importlib.util.find_spec("redis") is None:
                raise MissingExtra("redis", needed_for="observing Valkey or Redis")
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            self._client = redis.Redis.from_url(
                self._url,
                single_connection_client=True,
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
            )
        said: dict[str, Any] = self._client.info()
        return said
