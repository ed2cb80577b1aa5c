"""Real servers, one of each for all tests of the runtime; what a test breaks it starts itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scaleworthy.servers import Postgres, Valkey


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    with Valkey.start() as started:
        yield started


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    with Postgres.start() as started:
        yield started.create_database("runtime")
