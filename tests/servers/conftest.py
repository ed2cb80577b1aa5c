"""One PostgreSQL and one Valkey for all tests that do not need their own."""

from collections.abc import Iterator

import pytest

from scaleworthy.servers import Postgres, Valkey


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres.start(settings={"work_mem": "7MB"}) as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    with Valkey.start() as server:
        yield server
