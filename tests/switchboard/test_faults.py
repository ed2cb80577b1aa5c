"""The database goes and comes back; the cache goes and nobody notices but health."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaleworthy.servers import Postgres, Valkey

from .running import Api, Data, fill, handled, serving


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    with Postgres.start(data=tmp_path / "data", fsync=False) as server:
        yield server


async def well(api: Api) -> None:
    """Wait until nothing is wrong: each part comes back by itself, at its own time."""
    while (await api.get("/health", tenant=None)).json()["reasons"]:  # noqa: ASYNC110 - health tells when asked
        await asyncio.sleep(0.01)


async def test_health_is_ok_when_everything_answers(api: Api) -> None:
    await handled(api.data)
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

            health = await api.get("/health", tenant=None)
            assert health.status_code == 200
            assert (health.json()["status"], health.json()["cache"], health.json()["database"]) == (
                "degraded",
                "gone",
                "ok",
            )
            assert health.json()["reasons"][0].startswith("cache: ")
            assert (await api.get("/leads/statistics")).status_code == 200
            assert (await api.get("/dashboard/metrics")).status_code == 200

            with Valkey.start(port=port):
                await well(api)
                assert (await api.get("/campaigns")).status_code == 200


async def test_without_its_database_the_service_says_so_and_comes_back_by_itself(own_postgres: Postgres) -> None:
    data = fill(own_postgres, "goes_away")
    port, folder = own_postgres.port, own_postgres.data
    async with serving(data, "day-one") as api:
        assert (await api.get("/leads")).status_code == 200
        own_postgres.stop()

        gone = await api.get("/leads")
        health = await api.get("/health", tenant=None)
        assert (gone.status_code, gone.json()["error"]) == (503, "database_unavailable")
        assert gone.headers["retry-after"] == "1"
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
