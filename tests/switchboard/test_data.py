"""Migrations and seed: once, all or nothing, and the same again for the same seed."""

import dataclasses
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from scaleworthy.errors import UsageError
from scaleworthy.servers import Postgres
from scaleworthy.switchboard import migrate as migrating
from scaleworthy.switchboard.migrate import migrate, migrations_of
from scaleworthy.switchboard.seed import SIZES, is_empty, seed_database, size_named
from scaleworthy.switchboard.seed.fill import TABLES
from scaleworthy.switchboard.service import _reached

from .running import TINY, UNTIL, Data, fill, fill_anew

FOREIGN_KEYS = sum(migration.text.count(" references ") for migration in migrations_of("base"))
HASH = "select md5(string_agg(t::text, '|' order by t.id)) from {} t"


def content(data: Data) -> dict[str, str]:
    return {table: str(data.rows(HASH.format(table))[0][0]) for table in TABLES}


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(postgres: Postgres) -> None:
    first, again = fill_anew(postgres, "seed_a"), fill_anew(postgres, "seed_b")
    other = fill_anew(postgres, "seed_c", seed=8)

    assert content(first) == content(again)
    assert all(content(first)[table] != content(other)[table] for table in TABLES)


def test_the_sizes_are_what_they_are_said_to_be(postgres: Postgres) -> None:
    full = SIZES["full"]
    assert (full.tenants, full.leads, full.activities, full.calls) == (100, 200_000, 1_000_000, 100_000)
    small = SIZES["small"]
    assert (small.tenants, small.leads) == (10, 20_000)

    dsn = postgres.create_database("small_size")
    migrate(dsn)
    said: list[str] = []
    counts = seed_database(dsn, small, seed=1, until=UNTIL, on_progress=said.append)

    with psycopg.connect(dsn) as connection:
        for table in TABLES:
            row = connection.execute(f"select count(*) from {table}").fetchone()
            assert row == (counts[table],)
    assert counts["leads"] == 20_000
    assert counts["activities"] == small.activities
    assert "seeded 20,000 leads" in said


def test_seeded_rows_hold_together(data: dict[str, Data], postgres: Postgres) -> None:
    one = fill(postgres, "whole")
    strangers = """
        select count(*) from {child} c join {parent} p on p.id = c.{column} where p.tenant_id <> c.tenant_id
    """
    pairs = [
        ("leads", "users", "owner_id"),
        ("leads", "campaigns", "campaign_id"),
        ("leads", "activities", "last_activity_id"),
        ("activities", "leads", "lead_id"),
        ("activities", "users", "user_id"),
        ("calls", "leads", "lead_id"),
        ("recordings", "calls", "call_id"),
        ("payments", "webhook_events", "webhook_event_id"),
    ]

    for child, parent, column in pairs:
        assert one.rows(strangers.format(child=child, parent=parent, column=column)) == [(0,)]
    assert one.rows("""
        select count(*) from leads l where l.last_activity_id is distinct from
            (select id from activities a where a.lead_id = l.id order by occurred_at desc, id desc limit 1)""") == [
        (0,)
    ]
    assert one.rows(
        "select count(*) from activities a join leads l on l.id = a.lead_id where a.occurred_at < l.created_at"
    ) == [(0,)]
    assert one.rows("select max(created_at) <= %s, count(*) > 0 from leads", [UNTIL]) == [(True, True)]
    # Seeding took them away to copy quickly: all that the migrations made are back, and checked.
    assert one.rows("select count(*) from pg_constraint where contype = 'f' and convalidated") == [(FOREIGN_KEYS,)]


def test_a_filled_database_is_not_filled_again(data: dict[str, Data]) -> None:
    before = content(data["day-one"])

    with pytest.raises(UsageError, match="already has 4 tenants"):
        seed_database(data["day-one"].owner, TINY, seed=1, until=UNTIL, on_progress=lambda _: None)

    assert content(data["day-one"]) == before


def test_a_seed_that_fails_leaves_nothing(postgres: Postgres) -> None:
    dsn = postgres.create_database("half_seeded")
    migrate(dsn)

    def stop(text: str) -> None:
        if "activities" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seed_database(dsn, TINY, seed=1, until=UNTIL, on_progress=stop)

    assert is_empty(dsn)
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "select count(*), bool_and(convalidated) from pg_constraint where contype = 'f'"
        ).fetchone()
    assert row == (FOREIGN_KEYS, True)


def test_an_owner_without_special_rights_can_migrate_and_seed_where_the_role_exists(postgres: Postgres) -> None:
    migrate(postgres.create_database("first_of_the_cluster"))
    postgres.run_sql("create role plain_owner login")
    plain = make_conninfo(postgres.create_database("plain"), user="plain_owner")
    postgres.run_sql("alter database plain owner to plain_owner")
    with pytest.raises(UsageError, match="permission denied to create extension") as refused, _reached():
        migrate(plain)
    assert "CREATE EXTENSION vector" in str(refused.value.hint)
    postgres.create_extension("vector", database="plain")
    migrate(plain)

    seed_database(plain, TINY, seed=7, until=UNTIL, on_progress=lambda _: None)

    with psycopg.connect(plain) as connection:
        assert connection.execute("select count(*) from leads").fetchone() == (0,), "the policies hold for the owner"


def test_migrations_are_applied_once(postgres: Postgres) -> None:
    dsn = postgres.create_database("migrated")

    assert migrate(dsn) == [f"base/{one.name}" for one in migrations_of("base")]
    assert migrate(dsn) == []
    assert migrate(dsn, sets=["tuned"]) == [f"tuned/{one.name}" for one in migrations_of("tuned")]
    assert migrate(dsn, sets=["tuned"]) == []
    with psycopg.connect(dsn) as connection:
        forced = connection.execute("select relname from pg_class where relforcerowsecurity").fetchall()
        of_tenants = connection.execute(
            "select attrelid::regclass::text from pg_attribute a join pg_class c on c.oid = attrelid"
            " where attname = 'tenant_id' and relkind = 'r'"
        ).fetchall()
    assert set(forced) == set(of_tenants)
    assert {(table,) for table in TABLES} - {("tenants",)} <= set(forced)


RELEASED = {
    "base/0001_role": "37d32aef020debfbc60a5c617e696a1de64bdb23e0bb223fdd4fd3010a27a68e",
    "base/0002_tables": "6ab9f06b1ca152783476e09c276fd84c730fed74436059c43d1323eecfaafc16",
    "base/0003_row_level_security": "210c8e42347013436cb695093685d4760f5803a0c751edeb97cd2f308a58fb22",
    "base/0004_tenant_lookup": "57f7dedb7750f11347bf1179d326cc73d813a2b50d1bdb11bebcd5eb5e3d120c",
    "tuned/0001_indexes": "92ff2b3a0f711e1dd8f012474c5dd52e427d4556dedd5e0d38d63e7476ab029b",
}


def test_what_an_earlier_version_applied_is_as_it_was() -> None:
    """Or its databases would be refused: what is new stands in migrations of its own."""
    here = {f"{set_}/{one.name}": one.checksum for set_ in ("base", "tuned") for one in migrations_of(set_)}

    assert RELEASED.items() <= here.items()


def test_a_migration_that_was_changed_after_it_was_applied_is_refused(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = postgres.create_database("edited")
    migrate(dsn)
    edited = [dataclasses.replace(one, text=one.text + " ") for one in migrations_of("base")]
    monkeypatch.setattr(migrating, "migrations_of", lambda _set: edited)

    with pytest.raises(UsageError, match="base/0001_role was applied to this database with another text"):
        migrate(dsn)


def test_somebody_elses_database_is_left_alone(postgres: Postgres) -> None:
    dsn = postgres.create_database("theirs")
    postgres.run_sql("create table users (id int)", database="theirs")

    with pytest.raises(UsageError, match=r"holds 1 tables that are not Switchboard's \(users\)"):
        migrate(dsn)

    assert postgres.run_sql("select count(*) from pg_tables where schemaname = 'public'", database="theirs") == "1"


def test_the_tenants_keys_and_times_do_not_depend_on_the_day(postgres: Postgres) -> None:
    other_day = postgres.create_database("other_day")
    migrate(other_day)
    seed_database(other_day, TINY, seed=7, until=datetime(2027, 1, 1, tzinfo=UTC), on_progress=lambda _: None)
    one = fill(postgres, "one_day")

    with psycopg.connect(other_day) as connection:
        keys = connection.execute("select id::text, key from tenants order by demo desc, key").fetchall()
    assert [tuple(row) for row in keys] == one.tenants


def test_an_unknown_size_is_refused() -> None:
    with pytest.raises(UsageError, match="no size 'huge'"):
        size_named("huge")
