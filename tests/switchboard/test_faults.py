"""The database goes and comes back; the cache goes, hangs and is full, and nobody notices but health."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis.asyncio import Redis

from scaleworthy.runtime.events import Event, Unavailable
from scaleworthy.servers import Postgres, Valkey
from scaleworthy.switchboard.live.carry import ToValkey
from scaleworthy.switchboard.live.sources import CHANNEL
from waiting import until

from .running import Api, Data, fill, handled, serving


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    with Postgres.start(data=tmp_path / "data", fsync=False) as server:
        yield server


async def well(api: Api) -> None:
    """Wait until nothing is wrong: each part comes back by itself, at its own time."""

    async def nothing_is_wrong() -> bool:
        return not (await api.get("/health", tenant=None)).json()["reasons"]

    await until(nothing_is_wrong, "health has no reasons")


async def complaint(api: Api, word: str) -> dict[str, Any]:
    """Return health as soon as one of its reasons has *word*."""

    async def told() -> dict[str, Any] | None:
        answer = await api.get("/health", tenant=None)
        health: dict[str, Any] = answer.json()
        return {**health, "answered": answer.status_code} if word in str(health["reasons"]) else None

    return await until(told, f"health has a reason with {word!r}")


async def test_health_is_ok_when_everything_answers(api: Api) -> None:
    await handled(api.data)
    await well(api)
    for path in ("/health", "/api/health"):
        answer = await api.get(path, tenant=None)

        assert answer.status_code == 200
        parts = {"database": "ok", "cache": "ok", "models": "none", "webhooks_waiting": 0}
        assert answer.json() == {"status": "ok", "reasons": [], **parts, "shape": api.shape}


@pytest.mark.parametrize("shape", ["day-one", "tuned"])
async def test_without_its_cache_the_service_serves_and_says_it_is_degraded(data: dict[str, Data], shape: str) -> None:
    with Valkey.start() as cache:
        port = cache.port
        async with serving(data[shape], shape, cache=cache.url) as api:
            await well(api)
            await api.get("/leads/statistics")
            cache.stop()

            async def told() -> dict[str, Any] | None:
                answer = await api.get("/health", tenant=None)
                assert answer.status_code == 200
                said: dict[str, Any] = answer.json()
                # On a busy machine the database may take longer than health waits for it, once.
                return said if said["database"] == "ok" else None

            health = await until(told, "the database answers health")
            assert (health["status"], health["cache"], health["database"]) == ("degraded", "gone", "ok")
            assert health["reasons"][0].startswith("cache: ")
            assert (await api.get("/leads/statistics")).status_code == 200
            assert (await api.get("/dashboard/metrics")).status_code == 200

            with Valkey.start(port=port):
                await well(api)
                assert (await api.get("/campaigns")).status_code == 200


@pytest.mark.parametrize("shape", ["day-one", "tuned"])
async def test_without_its_database_the_service_says_so_and_comes_back_by_itself(
    own_postgres: Postgres, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scaleworthy.switchboard.per_statement.WAIT_S", 2.5)
    data = fill(own_postgres, "goes_away", sets=("tuned",) if shape == "tuned" else ())
    port, folder = own_postgres.port, own_postgres.data
    async with serving(data, shape) as api:
        assert (await api.get("/leads")).status_code == 200
        own_postgres.stop()

        # One whose connection was broken, and one that waits for another in vain.
        for _ in range(2):
            gone = await api.get("/leads")
            assert (gone.status_code, gone.json()["error"]) == (503, "database_unavailable")
            assert gone.headers["retry-after"] == "1"
        health = await api.get("/health", tenant=None)
        assert health.status_code == 503
        assert (health.json()["status"], health.json()["database"]) == ("degraded", "gone")
        assert health.json()["reasons"][0].startswith("database: ")

        with Postgres.start(data=folder, port=port, fsync=False):
            # A request waits for a connection, and the pool makes one as soon as it can: no sleep is needed here.
            back = await api.get("/leads")
            assert back.status_code == 200
            await well(api)


async def test_a_service_that_starts_before_its_database_serves_when_it_comes(own_postgres: Postgres) -> None:
    data = fill(own_postgres, "comes_late")
    port, folder = own_postgres.port, own_postgres.data
    own_postgres.stop()
    async with serving(data, "tuned", database_wait_s=0.1) as api:
        assert (await api.get("/health", tenant=None)).status_code == 503
        with Postgres.start(data=folder, port=port, fsync=False):
            assert (await api.get("/users")).status_code == 200


async def test_a_cache_that_hangs_is_told_and_holds_up_no_request(data: dict[str, Data]) -> None:
    with Valkey.start() as cache:
        async with serving(data["tuned"], "tuned", cache=cache.url) as api:
            await well(api)
            os.kill(cache.pid, signal.SIGSTOP)
            try:
                answers = await asyncio.gather(*(api.get("/leads/statistics", tenant=tenant) for tenant in range(4)))
                health = await api.get("/health", tenant=None)
            finally:
                os.kill(cache.pid, signal.SIGCONT)

            assert [answer.status_code for answer in answers] == [200] * 4
            assert (health.status_code, health.json()["status"], health.json()["cache"]) == (200, "degraded", "gone")
            await well(api)


async def test_a_full_cache_keeps_nothing_new_and_loses_no_event(data: dict[str, Data]) -> None:
    with Valkey.start(settings={"maxmemory-policy": "noeviction"}) as cache:
        async with serving(data["tuned"], "tuned", cache=cache.url) as api, Redis.from_url(cache.url) as admin:
            await well(api)
            await admin.config_set("maxmemory", "1")
            made = await api.post("/leads", json={"name": "while it is full"})
            assert made.status_code == 201
            assert (await api.get("/leads/statistics")).status_code == 200
            health = await complaint(api, "memory")
            assert any("memory" in reason for reason in health["reasons"]), health

            await admin.config_set("maxmemory", "0")
            await well(api)
            waiting = "select 1 from scaleworthy_outbox where published_at is null"
            await until(lambda: not api.data.rows(waiting), "the outbox is empty")


async def test_of_a_batch_that_a_cache_has_no_room_for_sockets_hear_nothing_yet() -> None:
    """Half of it would be heard before what comes again."""
    batch = [Event("lead.updated", "lead:1", {"note": "x" * 100_000}, tenant="a") for _ in range(50)]
    with Valkey.start(settings={"maxmemory-policy": "noeviction"}) as cache:
        sink = ToValkey(cache.url)
        async with Redis.from_url(cache.url) as admin:
            used = (await admin.info("memory"))["used_memory"]
            await admin.config_set("maxmemory", str(used + 2_000_000))
            answers = await sink.publish(batch)
            heard = await admin.xlen(CHANNEL)
            await admin.config_set("maxmemory", "0")
            again = await sink.publish(batch)
            assert await admin.xlen(CHANNEL) == len(batch)
        await sink.close()
    assert [type(answer) for answer in answers] == [Unavailable] * len(batch)
    assert (heard, again) == (0, [None] * len(batch))


@pytest.mark.parametrize("shape", ["day-one", "tuned"])
async def test_a_pool_that_is_used_up_is_told_and_serves_again(data: dict[str, Data], shape: str) -> None:
    """Every connection waits for a lock that somebody else has; health says so at once, and they all go on behind it."""
    async with serving(data[shape], shape) as api:
        await well(api)
        with psycopg.connect(api.data.owner) as owner:
            owner.execute("lock table leads in access exclusive mode")
            # No two alike: tuned asks once for those.
            asked = [asyncio.create_task(api.get(f"/leads?limit={limit}")) for limit in range(5, 17)]
            health = await complaint(api, "database: ")
            owner.rollback()
        assert (health["answered"], health["database"]) == (200, "busy")
        assert health["reasons"][0].startswith("database: ")
        assert [answer.status_code for answer in await asyncio.gather(*asked)] == [200] * 12
        await well(api)


@pytest.mark.parametrize("shape", ["day-one", "tuned"])
async def test_what_was_acknowledged_is_there_after_a_restart_under_load(own_postgres: Postgres, shape: str) -> None:
    data = fill(own_postgres, "restarted", sets=("tuned",) if shape == "tuned" else ())
    port, folder = own_postgres.port, own_postgres.data
    acknowledged: list[int] = []
    refused: list[str] = []
    over = asyncio.Event()

    async def write(api: Api) -> None:
        while not over.is_set():
            answer = await api.post("/leads", json={"name": "under load"})
            if answer.status_code == 201:
                acknowledged.append(answer.json()["id"])
            else:
                assert answer.status_code == 503
                refused.append(answer.json()["error"])

    async with serving(data, shape) as api:
        writers = [asyncio.create_task(write(api)) for _ in range(4)]
        await until(lambda: len(acknowledged) >= 20, "writes are acknowledged")
        await asyncio.to_thread(own_postgres.stop)
        await until(lambda: refused, "writes are refused")
        with Postgres.start(data=folder, port=port, fsync=False):
            before = len(acknowledged)
            await until(lambda: len(acknowledged) >= before + 20, "writes are acknowledged again")
            over.set()
            await asyncio.gather(*writers)
            kept = {row[0] for row in data.rows("select id from leads where name = 'under load'")}
            assert set(acknowledged) <= kept
            assert set(refused) == {"database_unavailable"}
            await well(api)
