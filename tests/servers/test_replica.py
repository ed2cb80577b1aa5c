"""A replica streams from its primary, reads only, and can take its place."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from scaleworthy.errors import UsageError
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


def test_a_replica_whose_folder_is_kept_is_started_again_as_what_it_was(postgres: Postgres, tmp_path: Path) -> None:
    folder = tmp_path / "replica"
    with postgres.replica(data=folder) as first:
        port = first.port
    with Postgres.start(data=folder, port=port) as again:
        assert again.port == port
        assert rows(again.dsn, "select pg_is_in_recovery()") == [(True,)]
    with pytest.raises(UsageError, match="is not empty"):
        postgres.replica(data=folder)


def test_replicas_start_while_the_primary_is_written_to(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as primary:
        primary.execute("create table busy as select generate_series(1, 20000) as n")
        with postgres.replica() as first, postgres.replica() as second:
            primary.execute("insert into busy select generate_series(1, 20000)")
            for replica in (first, second):
                assert Patience().until(lambda at=replica: rows(at.dsn, "select count(*) from busy") == [(40_000,)])
        primary.execute("drop table busy")
