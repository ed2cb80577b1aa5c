"""What PostgreSQL did is counted exactly, whoever else looks; what may not be seen is said, with its cure."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from tests.observe.looking import facts, value, values

from scaleworthy.observe import PostgresSource, Sample
from scaleworthy.observe.sources.postgres_statements import TOP, without_secrets
from scaleworthy.servers import Patience, Postgres


@pytest.fixture
def source(database: str) -> Iterator[PostgresSource]:
    source = PostgresSource(database)
    yield source
    source.close()


@pytest.fixture
def service(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE leads (id int, name text)")
        connection.execute("INSERT INTO leads SELECT n, 'x' FROM generate_series(1, 100) n")
        yield connection


def texts(*samples: Sample) -> dict[str, str]:
    found: dict[str, str] = {}
    for sample in samples:
        found |= {queryid: fact["text"] for queryid, fact in facts(sample, "statement").items()}  # type: ignore[index]
    return found


def test_known_statements_give_exact_counts(source: PostgresSource, service: psycopg.Connection) -> None:
    """Calls, rows and time by difference; the text once, with constants taken out; nothing of what ran before."""
    base = source.sample()
    for number in range(7):
        service.execute(f"SELECT name FROM leads WHERE id <= {number + 1}")
    first = source.sample()
    service.execute("SELECT name FROM leads WHERE id <= 5")
    second = source.sample()

    assert values(base, "postgres.statement_calls") == {}
    (queryid,) = texts(first)
    assert texts(first) == {queryid: "SELECT name FROM leads WHERE id <= $1"}
    assert texts(second) == {}
    assert values(first, "postgres.statement_calls", "queryid") == {queryid: 7}
    assert values(first, "postgres.statement_rows", "queryid") == {queryid: 1 + 2 + 3 + 4 + 5 + 6 + 7}
    assert 0 < values(first, "postgres.statement_seconds", "queryid")[queryid] < 1
    assert values(second, "postgres.statement_calls", "queryid") == {queryid: 1}


def test_our_own_statements_are_never_reported(source: PostgresSource) -> None:
    samples = [source.sample() for _ in range(4)]

    assert [values(sample, "postgres.statement_calls") for sample in samples] == [{}] * 4
    assert texts(*samples) == {}


def test_our_own_transactions_are_taken_out(source: PostgresSource, service: psycopg.Connection) -> None:
    """Ten transactions of the service (and the one that has them counted at once) in the midst of ours are eleven."""
    service.execute("SELECT pg_stat_force_next_flush()")
    for _ in range(3):
        source.sample()
    for _ in range(10):
        service.execute("SELECT 1", prepare=False)
    with pytest.raises(psycopg.Error):
        service.execute("SELECT 1/0")
    service.execute("SELECT pg_stat_force_next_flush()")
    counted = [source.sample() for _ in range(3)]

    total = {
        outcome: sum(value(sample, "postgres.transactions", outcome=outcome) or 0 for sample in counted)
        for outcome in ("commit", "rollback")
    }
    assert total == {"commit": 11, "rollback": 1}


def test_a_reset_of_the_statistics_is_survived(source: PostgresSource, service: psycopg.Connection) -> None:
    """What the counters show after a reset has happened since it."""
    for _ in range(5):
        service.execute("SELECT name FROM leads")
    source.sample()
    service.execute("SELECT pg_stat_statements_reset()")
    for _ in range(2):
        service.execute("SELECT name FROM leads")
    sample = source.sample()

    known = {text: queryid for queryid, text in texts(sample).items()}
    assert value(sample, "postgres.statement_calls", queryid=known["SELECT name FROM leads"]) == 2


def test_beyond_the_top_the_rest_is_one_series(source: PostgresSource, service: psycopg.Connection) -> None:
    source.sample()
    for number in range(TOP + 20):
        service.execute(f"SELECT {'1, ' * number} 1")
    calls = values(source.sample(), "postgres.statement_calls", "queryid")

    assert len(calls) == TOP + 1
    assert sum(calls.values()) == TOP + 20
    assert calls["other"] == 20


def test_a_lock_wait_shows(source: PostgresSource, service: psycopg.Connection, database: str) -> None:
    source.sample()
    before = source.sample()
    with psycopg.connect(database) as holder, psycopg.connect(database) as waiter:
        holder.execute("LOCK TABLE leads")
        thread = threading.Thread(target=waiter.execute, args=("LOCK TABLE leads",))
        thread.start()
        looks = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        assert Patience().until(lambda: service.execute(looks).fetchone() == (1,))
        during = source.sample()
        holder.rollback()
        thread.join()
        waiter.rollback()

    assert value(before, "postgres.locks_waiting") == 0
    assert value(during, "postgres.locks_waiting") == 1
    states = {"active": 0, "idle": 1, "idle in transaction": 1, "waiting": 1}
    assert values(during, "postgres.connections", "state") == states
    assert value(during, "postgres.connections_used") == 3
    assert value(during, "postgres.connections_max") == 100
    assert (value(during, "postgres.longest_transaction") or 0) > 0
    assert value(before, "postgres.longest_transaction") == 0


def test_tables_wal_and_blocks_are_counted(source: PostgresSource, service: psycopg.Connection) -> None:
    service.execute("SELECT pg_stat_force_next_flush()")
    source.sample()
    service.execute("SET enable_indexscan = off")
    service.execute("SELECT count(*) FROM leads")
    service.execute("UPDATE leads SET name = 'y' WHERE id <= 30")
    service.execute("SELECT pg_stat_force_next_flush()")
    sample = source.sample()

    assert values(sample, "postgres.table_seq_rows", "table") == {"leads": 200}
    assert values(sample, "postgres.table_writes", "table") == {"leads": 30}
    assert (value(sample, "postgres.wal_bytes") or 0) > 30 * 20
    assert (value(sample, "postgres.blocks_hit") or 0) > 0
    assert value(sample, "postgres.deadlocks") == 0


def test_without_the_extension_the_rest_is_seen_and_the_cure_named(server: Postgres) -> None:
    source = PostgresSource(server.create_database("plain"))
    base, sample = source.sample(), source.sample()
    source.close()

    (missing,) = facts(base, "postgres")["missing"]  # type: ignore[misc]
    assert missing["cure"] == "CREATE EXTENSION pg_stat_statements"
    assert value(sample, "postgres.connections_max") == 100
    assert (facts(base, "postgres")["database_bytes"] or 0) > 10**6  # type: ignore[operator]


def test_a_library_that_is_not_loaded_is_named_with_its_cure() -> None:
    with Postgres.start(settings={"shared_preload_libraries": "auto_explain"}, fsync=False) as bare:
        bare.create_extension("pg_stat_statements")
        source = PostgresSource(bare.dsn)
        (missing,) = facts(source.sample(), "postgres")["missing"]  # type: ignore[misc]
        source.close()

    assert "must be loaded via" in missing["why"]
    assert missing["cure"].startswith("ALTER SYSTEM SET shared_preload_libraries")


def test_a_role_without_rights_sees_what_it_may_until_granted(
    server: Postgres, database: str, service: psycopg.Connection
) -> None:
    """The cure that is named works."""
    server.run_sql('DROP ROLE IF EXISTS "an observer"; CREATE ROLE "an observer" LOGIN')
    source = PostgresSource(database.replace("postgres@", "an%20observer@"))
    base = source.sample()
    service.execute("SELECT name FROM leads")
    sample = source.sample()
    (missing,) = facts(base, "postgres")["missing"]  # type: ignore[misc]

    assert missing["cure"] == 'GRANT pg_read_all_stats TO "an observer"'
    assert values(sample, "postgres.statement_calls", "queryid") == {"other": 1}
    assert texts(sample) == {}
    assert value(sample, "postgres.connections_used") == 1

    server.run_sql(missing["cure"])
    source.close()
    again = source.sample()
    service.execute("SELECT name FROM leads")
    granted = source.sample()
    source.close()
    assert facts(again, "postgres")["missing"] == []
    assert list(texts(granted).values()) == ["SELECT name FROM leads"]


def test_a_lost_connection_is_an_error_and_then_a_new_beginning(
    source: PostgresSource, service: psycopg.Connection
) -> None:
    source.sample()
    service.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'scaleworthy%'")
    with pytest.raises(psycopg.Error):
        source.sample()

    assert values(source.sample(), "postgres.transactions") == {}
    assert value(source.sample(), "postgres.transactions", outcome="rollback") is not None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ALTER ROLE a PASSWORD 'geheim'", "ALTER ROLE a PASSWORD '***'"),
        ("CREATE USER b password  'it''s' LOGIN", "CREATE USER b password  '***' LOGIN"),
        ("SELECT password FROM users WHERE id = $1", "SELECT password FROM users WHERE id = $1"),
    ],
)
def test_passwords_of_utility_statements_are_starred(text: str, kept: str) -> None:
    assert without_secrets(text) == kept
