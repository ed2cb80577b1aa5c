"""One PostgreSQL and one Valkey for all tests here, and the same data as each shape has it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from scaleworthy.servers import Postgres, Valkey

from .running import Api, Data, fill, serving


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres.start(fsync=False) as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    with Valkey.start() as server:
        yield server


@pytest.fixture(scope="session")
def data(postgres: Postgres) -> dict[str, Data]:
    """The same rows twice: a database as each shape has it."""
    return {"day-one": fill(postgres, "day_one"), "tuned": fill(postgres, "tuned", sets=("tuned",))}


@pytest.fixture(params=["day-one", "tuned"])
async def api(request: pytest.FixtureRequest, data: dict[str, Data]) -> AsyncIterator[Api]:
    """The service in each shape, without a cache: what is written is read at once."""
    async with serving(data[request.param], request.param) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_secret_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCHBOARD_WEBHOOK_SECRET", raising=False)
