"""Limits let their rate and burst through, and tell a refused client when to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from scaleworthy.errors import UsageError
from scaleworthy.runtime.limit import FleetLimit, Limit, Quota
from scaleworthy.servers import Valkey

SECOND = 10**9


@pytest.fixture
async def client(valkey: Valkey) -> AsyncIterator[Redis]:
    client = Redis.from_url(valkey.url)
    yield client
    await client.aclose()


def test_a_refused_event_is_told_when_it_would_pass() -> None:
    now = 0
    limit = Limit("60/m", burst=3, now_ns=lambda: now)
    assert [limit.allows("a") for _ in range(4)] == [True, True, True, False]
    refused = limit.check("a")
    assert (refused.allowed, refused.retry_after_s, refused.reset_after_s) == (False, 1.0, 3.0)
    assert refused.headers() == {
        "ratelimit-policy": '"default";q=3;w=3',
        "ratelimit": '"default";r=0;t=3',
        "retry-after": "1",
    }
    now = SECOND
    passed = limit.check("a")
    assert passed.allowed
    assert "retry-after" not in passed.headers()


def test_who_waits_as_told_is_let_through() -> None:
    now = 0
    limit = Limit("7/m", burst=1, now_ns=lambda: now)
    assert limit.allows("a")
    told = int(limit.check("a").headers()["retry-after"])
    now = told * SECOND
    assert limit.allows("a")


def test_more_than_the_burst_is_never_let_through() -> None:
    refused = Limit("10/s", burst=5).check("a", cost=6)
    assert (refused.allowed, refused.retry_after_s) == (False, None)
    assert "retry-after" not in refused.headers()


@pytest.mark.parametrize("rate", ["0/s", "fast", "-1/s"])
def test_a_rate_that_cannot_be_is_refused(rate: str) -> None:
    with pytest.raises(UsageError, match=rate):
        Quota.parse(rate)


async def test_a_fleet_counts_together(client: Redis) -> None:
    processes = [FleetLimit(client, "1/h", burst=10, prefix="together:", budget_s=5) for _ in range(4)]
    verdicts = await asyncio.gather(*(process.check("a") for process in processes for _ in range(5)))
    assert sum(verdict.allowed for verdict in verdicts) == 10
    refused = [verdict for verdict in verdicts if not verdict.allowed]
    assert {verdict.remaining for verdict in refused} == {0}
    assert all(3599 <= (verdict.retry_after_s or 0) <= 3600 for verdict in refused)
    assert (await processes[0].check("b")).remaining == 9
    assert (await processes[0].check("b", cost=11)).retry_after_s is None


async def test_without_its_server_each_process_counts_its_share() -> None:
    with Valkey.start() as gone:
        client = Redis.from_url(gone.url, retry=None)
        limit = FleetLimit(client, "4/h", burst=4, processes=2, budget_s=5)
        assert (await limit.check("a")).allowed
        assert limit.trouble() is None
    assert [(await limit.check("a")).allowed for _ in range(4)] == [True, True, False, False]
    assert "limit's Valkey" in (limit.trouble() or "")
    await client.aclose()
