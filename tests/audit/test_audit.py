"""The audit as a whole: what is missing is named, what breaks is contained, what is ignored stays out."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from scaleworthy.audit import Check, apply_fix, read_evidence, run_audit
from scaleworthy.audit.runner import run_check
from scaleworthy.cli.audit import audit
from scaleworthy.errors import InvalidInput, ScaleworthyError, TargetError
from scaleworthy.finding import Finding, Fix
from scaleworthy.servers import Postgres

FOREIGN_KEY = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a_id int REFERENCES a)"


@pytest.fixture
def faulty(database: Callable[[], str]) -> str:
    dsn = database()
    with psycopg.connect(dsn) as connection:
        connection.execute(FOREIGN_KEY)
    return dsn


def test_without_pg_stat_statements_the_cure_is_named(faulty: str, server: Postgres) -> None:
    server.run_sql("DROP EXTENSION pg_stat_statements", database=faulty.rpartition("/")[2])

    found = {finding.id: finding for finding in run_audit(faulty, prove=None)}

    assert found["database/0001/unknown"].verdict == "unknown"
    assert "CREATE EXTENSION pg_stat_statements" in found["database/0001/unknown"].missing
    assert found["database/0003/b(a_id)"].verdict == "warn"


def test_without_rights_the_grant_is_named(faulty: str, server: Postgres) -> None:
    server.run_sql("CREATE ROLE stranger LOGIN")

    found = {finding.id: finding for finding in run_audit(faulty.replace("postgres@", "stranger@"), prove=None)}

    assert "GRANT pg_read_all_stats TO stranger" in found["database/0001/unknown"].missing


def test_a_role_that_may_not_read_the_settings_gets_a_cure_all_the_same(faulty: str, server: Postgres) -> None:
    """pg_read_all_stats does not include shared_preload_libraries: whether the library is loaded stays open."""
    server.run_sql("DROP EXTENSION pg_stat_statements", database=faulty.rpartition("/")[2])
    server.run_sql("CREATE ROLE reader LOGIN; GRANT pg_read_all_stats TO reader")

    found = {finding.id: finding for finding in run_audit(faulty.replace("postgres@", "reader@"), prove=None)}

    assert "where shared_preload_libraries does not name it" in found["database/0001/unknown"].missing
    assert "CREATE EXTENSION pg_stat_statements" in found["database/0001/unknown"].missing


def test_a_session_that_breaks_is_a_target_error(faulty: str) -> None:
    from scaleworthy.audit.evidence import connect

    with pytest.raises(TargetError, match="cannot be read"), connect(faulty) as connection:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_the_audit_s_session_cannot_write(faulty: str) -> None:
    from scaleworthy.audit.evidence import connect

    with connect(faulty) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TABLE mine ()")


def test_our_own_statements_are_left_out(faulty: str) -> None:
    run_audit(faulty, prove="here")

    assert not [item for item in read_evidence(faulty).statements if "scaleworthy" in item.text]


def test_a_check_that_breaks_is_unknown_and_sinks_nothing(faulty: str) -> None:
    def broken(_evidence):
        raise ZeroDivisionError("division by zero")
        yield

    found = run_check(Check("database/9999_broken", "A broken check", "Fine", broken), read_evidence(faulty))

    assert [finding.verdict for finding in found] == ["unknown"]
    assert found[0].missing == "the check broke: ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    "pattern", ["database/0003/b(a_id)", "database/0003", "database/0003_foreign_key_index", "database/0003/*"]
)
def test_what_is_ignored_stays_out(faulty: str, pattern: str) -> None:
    assert run_audit(faulty, only=["0003"], ignore=[pattern]) == []


def test_a_check_that_does_not_exist_is_refused_with_the_nearest(faulty: str) -> None:
    with pytest.raises(InvalidInput, match="0003_foreign_key_index") as refused:
        run_audit(faulty, only=["foreign_key_index", "0001"])
    assert len(refused.value.problems) == 1


def test_a_database_that_is_not_there_is_a_target_error() -> None:
    with pytest.raises(TargetError, match="cannot be opened"):
        run_audit("postgresql://nobody@127.0.0.1:1/none")


def test_findings_survive_json(faulty: str) -> None:
    for finding in run_audit(faulty, prove=None):
        assert Finding.from_dict(finding.to_dict()) == finding


def test_a_fix_that_fails_names_its_statement_and_the_way_back(faulty: str) -> None:
    fix = Fix("Break", "sql", ("CREATE INDEX x ON b (a_id)", "CREATE INDEX y ON b (nothing)"), ("DROP INDEX x",))

    with pytest.raises(ScaleworthyError, match=r"CREATE INDEX y ON b \(nothing\)(.|\n)*DROP INDEX x"):
        apply_fix(faulty, fix)


def test_the_command_shows_the_fix_and_ends_with_its_verdict(faulty: str, capsys, tmp_path) -> None:
    assert audit(database=faulty, only=("0003",), json_to=str(tmp_path / "found.json")) == 0
    shown = capsys.readouterr().out

    assert "warn    Foreign key b_a_id_fkey of b has no index" in shown
    assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS b_a_id_idx ON public.b (a_id);" in shown
    assert '"schema": 1' in (tmp_path / "found.json").read_text()


def test_the_command_explains_a_check(capsys) -> None:
    assert audit(explain="0005") == 0
    assert capsys.readouterr().out.startswith("# Duplicate indexes")
