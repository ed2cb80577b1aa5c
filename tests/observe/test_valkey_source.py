"""What Valkey did is counted exactly, without what observing it adds."""

from collections.abc import Iterator

import pytest
import redis
from tests.observe.looking import value, values

from scaleworthy.observe import ValkeySource
from scaleworthy.servers import Valkey


@pytest.fixture
def client(valkey: Valkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        yield client


def test_hits_misses_and_commands_are_exact(valkey: Valkey, client: redis.Redis) -> None:
    source = ValkeySource(valkey.url)
    base = source.sample()
    client.set("a", 1)
    for _ in range(3):
        client.get("a")
    for _ in range(2):
        client.get("b")
    sample = source.sample()
    quiet = source.sample()
    source.close()

    assert values(base, "valkey.commands") == {}
    assert value(sample, "valkey.hits") == 3
    assert value(sample, "valkey.misses") == 2
    assert value(sample, "valkey.commands") == 6
    assert value(quiet, "valkey.commands") == 0
    assert value(sample, "valkey.clients") == 1
    assert value(sample, "valkey.blocked_clients") == 0
    assert (value(sample, "valkey.memory") or 0) > 500_000
    assert value(sample, "valkey.memory_max") == 256 * 2**20


def test_after_a_lost_connection_the_count_begins_anew(valkey: Valkey, client: redis.Redis) -> None:
    source = ValkeySource(valkey.url)
    source.sample()
    client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(redis.ConnectionError):
        source.sample()

    assert values(source.sample(), "valkey.commands") == {}
    client.get("c")
    assert value(source.sample(), "valkey.misses") == 1
    source.close()


def test_a_reset_of_the_statistics_is_survived(valkey: Valkey, client: redis.Redis) -> None:
    source = ValkeySource(valkey.url)
    for _ in range(9):
        client.get("d")
    source.sample()
    client.config_resetstat()
    client.get("d")
    assert value(source.sample(), "valkey.misses") == 1
    source.close()
