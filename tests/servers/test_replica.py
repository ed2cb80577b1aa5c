"""A replica streams from its primary, reads only, and can take its place."""

from __future__ import annotations

import psycopg
import pytest

from scaleworthy.servers import Patience, Postgres


def rows(dsn: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(statement).fetchall()


def test_a_replica_follows_and_refuses_writes_until_it_is_promoted(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as primary, postgres.replica() as replica:
        primary.execute("create table followed (n int)")
        primary.execute("insert into followed values (1)")
        position = primary.execute("select pg_current_wal_insert_lsn()").fetchone()
        assert position is not None

        def has_replayed() -> bool:
            return rows(replica.dsn, f"select pg_last_wal_replay_lsn() >= '{position[0]}'") == [(True,)]

        assert Patience().until(has_replayed)
        assert rows(replica.dsn, "select n from followed") == [(1,)]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            rows(replica.dsn, "insert into followed values (2) returning n")
        assert rows(replica.dsn, "select pg_promote()") == [(True,)]
        assert rows(replica.dsn, "insert into followed values (2) returning n") == [(2,)]
        assert rows(postgres.dsn, "select n from followed") == [(1,)]
        primary.execute("drop table followed")
