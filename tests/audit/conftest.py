from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from scaleworthy.servers import Postgres


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """One server for all audits, with the extension that they read in every new database."""
    with Postgres.start(fsync=False, settings={"shared_buffers": "128MB", "autovacuum": "off"}) as postgres:
        postgres.create_extension("pg_stat_statements", database="template1")
        yield postgres


@pytest.fixture
def database(server: Postgres) -> Iterator[Callable[[], str]]:
    """Makes empty databases; they are dropped after the test."""
    numbers, made = itertools.count(), []

    def make() -> str:
        name = f"audited_{next(numbers)}"
        made.append(name)
        return server.create_database(name)

    yield make
    for name in made:
        server.run_sql(f"DROP DATABASE {name} WITH (FORCE)")
