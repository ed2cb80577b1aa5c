"""A writer with two replicas, and a table whose rows belong to tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from scaleworthy.runtime.database import Database, PoolSizes
from scaleworthy.servers import Postgres

ROLE = """
create role service login;
create table leads (id int generated always as identity primary key, tenant text not null, name text not null);
alter table leads enable row level security;
alter table leads force row level security;
create policy own on leads using (tenant = nullif(current_setting('app.current_tenant', true), ''));
grant select, insert, update, delete on leads to service;
"""


@pytest.fixture(scope="session")
def writer() -> Iterator[Postgres]:
    with Postgres.start() as started:
        started.create_database("crm")
        with psycopg.connect(started.dsn_for("crm"), autocommit=True) as connection:
            connection.execute(ROLE)
        yield started


@pytest.fixture(scope="session")
def replicas(writer: Postgres) -> Iterator[list[Postgres]]:
    with writer.replica() as first, writer.replica() as second:
        yield [first, second]


def as_service(server: Postgres) -> str:
    """Return the address of the table's database, as the role that owns nothing."""
    return server.dsn_for("crm").replace("postgres@", "service@")


SMALL = PoolSizes(write=(2, 8), read=(1, 8), acquire="5s")


@pytest.fixture
async def database(writer: Postgres, replicas: list[Postgres]) -> AsyncIterator[Database]:
    made = Database(
        as_service(writer),
        replicas=[as_service(replica) for replica in replicas],
        sizes=SMALL,
        # So long that a machine that is busy with something else does not make the writer answer.
        wait="20s",
        heartbeat="1s",
    )
    async with made:
        await made.ready()
        yield made
