"""Index advice on a service with tenants: found on what ran, proved on a copy or in a rolled-back transaction."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scaleworthy.audit import apply_fix, run_audit
from scaleworthy.finding import Finding
from scaleworthy.servers import Postgres

from .staging import staged

LIST = "SELECT id, name, status, created_at FROM leads ORDER BY created_at DESC LIMIT $1"
COUNTS = """SELECT format('%I.%I', schemaname, relname), n_tup_ins, n_tup_upd, n_tup_del, n_dead_tup
  FROM pg_stat_user_tables ORDER BY 1"""
OBJECTS = "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
WANTED = "database/0002/leads(tenant_id,created_at)"


@pytest.fixture(scope="module")
def application(server: Postgres) -> Iterator[str]:
    """A seeded database that the application has used, as its own role."""
    dsn = server.create_database("application")
    with staged(dsn, (Path(__file__).parent / "application.sql").read_text("utf-8")):
        pass
    use(server)
    yield dsn
    server.run_sql("DROP DATABASE application WITH (FORCE)")


def use(server: Postgres, times: int = 12) -> None:
    with psycopg.connect(f"postgresql://audited_app@127.0.0.1:{server.port}/application") as app:
        for number in range(times):
            app.execute("SELECT set_config('app.current_tenant', %s, true)", [f"{number + 1:032x}"])
            app.execute("SELECT id, name, status, created_at FROM leads ORDER BY created_at DESC LIMIT %s", [20])
            app.execute(
                "SELECT count(*) FROM leads WHERE created_at > now() - interval '30 days' AND status = %s", ["won"]
            )
            app.execute("UPDATE leads SET name = %s WHERE id = %s", ["Ann", 7])
            app.rollback()


def state(dsn: str) -> tuple[list, list]:
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        return connection.execute(COUNTS).fetchall(), connection.execute(OBJECTS).fetchall()


def is_the_wanted_advice(finding: Finding) -> bool:
    """Whether it is proved with the application's own plan: its policy filters, for a real tenant."""
    proof = finding.fix.proof
    assert finding.verdict == "fail"
    assert proof.after_ms < 0.7 * proof.before_ms
    assert proof.samples >= 3
    assert "Seq Scan on leads" in proof.plan_before
    assert "app.current_tenant" in proof.plan_before
    assert "leads_tenant_id_created_at_idx" in proof.plan_after
    assert finding.fix.statements == (
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS leads_tenant_id_created_at_idx ON public.leads (tenant_id, created_at)",
    )
    assert finding.fix.rollback == ("DROP INDEX CONCURRENTLY IF EXISTS public.leads_tenant_id_created_at_idx",)
    return True


def test_the_index_that_the_tenant_list_wants_is_proved_here_and_nothing_remains(application: str) -> None:
    before = state(application)

    found = {finding.id: finding for finding in run_audit(application, prove="here", only=["0002"])}

    assert is_the_wanted_advice(found[WANTED])
    assert state(application) == before


def test_a_role_that_may_only_read_has_it_proved_on_a_copy(application: str, server: Postgres) -> None:
    server.run_sql("CREATE ROLE auditor LOGIN BYPASSRLS; GRANT pg_read_all_stats TO auditor")
    server.run_sql("GRANT SELECT ON leads, tenants TO auditor", database="application")
    before = state(application)

    found = {finding.id: finding for finding in run_audit(application.replace("postgres@", "auditor@"), only=["0002"])}

    assert is_the_wanted_advice(found[WANTED])
    assert state(application) == before


def test_a_role_under_the_policies_is_told_what_it_lacks(application: str, server: Postgres) -> None:
    server.run_sql("CREATE ROLE onlooker LOGIN; GRANT pg_read_all_stats TO onlooker")
    server.run_sql("GRANT SELECT ON leads, tenants TO onlooker", database="application")

    found = run_audit(application.replace("postgres@", "onlooker@"), only=["0002"])

    assert [finding.verdict for finding in found] == ["unknown"]
    assert "ALTER ROLE onlooker BYPASSRLS" in found[0].missing


def test_without_a_proof_advice_stays_open(application: str) -> None:
    found = run_audit(application, prove=None, only=["0002"])

    assert {finding.verdict for finding in found} == {"unknown"}
    assert all("--prove copy" in finding.missing for finding in found)


ADVICE = """
import json, sys
from scaleworthy.audit import run_audit
found = run_audit(sys.argv[1], prove="here", only=["0002"])
print(json.dumps(sorted([item.id, item.verdict, item.fix.statements if item.fix else None] for item in found)))
"""


def test_the_same_database_gives_the_same_advice(application: str) -> None:
    said = []
    for seed in ("0", "4711"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", ADVICE, application], env=environment, capture_output=True, text=True, check=True
        )
        said.append(json.loads(done.stdout))

    assert said[0] == said[1]
    assert WANTED in {row[0] for row in said[0]}


def test_an_applied_fix_ends_the_finding(application: str, server: Postgres) -> None:
    finding = next(item for item in run_audit(application, prove="here", only=["0002"]) if item.id == WANTED)

    apply_fix(application, finding.fix)
    try:
        assert WANTED not in {item.id for item in run_audit(application, prove="here", only=["0002"])}
    finally:
        server.run_sql(finding.fix.rollback[0], database="application")
