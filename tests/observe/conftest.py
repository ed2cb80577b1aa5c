"""One PostgreSQL and one Valkey for all tests of observing."""

from collections.abc import Iterator

import pytest

from scaleworthy.servers import Postgres, Valkey


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with Postgres.start(fsync=False, settings={"autovacuum": "off"}) as started:
        yield started


@pytest.fixture
def database(server: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database with pg_stat_statements, for one test."""
    name = request.node.name[:60]
    dsn = server.create_database(name)
    server.create_extension("pg_stat_statements", database=name)
    yield dsn
    server.run_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    with Valkey.start() as started:
        yield started
