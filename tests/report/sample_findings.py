"""Findings as the audit makes them: proved ones, unsure ones, passed ones, and one whose every text is hostile."""

from __future__ import annotations

from scaleworthy.finding import Evidence, Finding, Fix, Proof

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}|`"

PLAN_BEFORE = """Limit  (cost=14522.11..14522.16 rows=20 width=312) (actual time=44.912..44.917 rows=20 loops=1)
  Buffers: shared hit=612 read=10922
  ->  Sort  (cost=14522.11..14527.13 rows=2006 width=312) (actual time=44.910..44.912 rows=20 loops=1)
        Sort Key: created_at DESC
        Sort Method: top-N heapsort  Memory: 35kB
        ->  Seq Scan on leads  (cost=0.00..14468.73 rows=2006 width=312) (actual time=0.051..43.871 rows=2000 loops=1)
              Filter: (tenant_id = '0b54c3b0-8a2f-4e05-9a4c-0f6e5d0b7a11'::uuid)
              Rows Removed by Filter: 198000"""
PLAN_AFTER = """Limit  (cost=0.42..21.37 rows=20 width=312) (actual time=0.031..0.078 rows=20 loops=1)
  Buffers: shared hit=23
  ->  Index Scan using leads_tenant_id_created_at_idx on leads  (cost=0.42..2101.88 rows=2006 width=312)
        Index Cond: (tenant_id = '0b54c3b0-8a2f-4e05-9a4c-0f6e5d0b7a11'::uuid)"""


def findings() -> tuple[Finding, ...]:
    """Return seventeen findings over five dimensions, every verdict among them."""
    return (*_database(), *_service(), _hostile(), *_passed())


def _database() -> tuple[Finding, ...]:
    return (
        Finding(
            id="database/0002/leads(tenant_id,created_at)",
            check="database/0002_missing_index",
            dimension="database",
            verdict="fail",
            title="No index serves the newest leads of a tenant: `leads(tenant_id, created_at DESC)`",
            detail="Every call of the lead list reads all 200,000 rows of `leads` to return 20 of them.",
            evidence=(
                Evidence("mean time of the statement", 44.9, "ms", 1842, (44.1, 45.8), "pg_stat_statements"),
                Evidence("share of PostgreSQL's time", 0.612, "ratio", 1842, None, "pg_stat_statements"),
                Evidence("rows read for one row returned", 10_000.0, "rows", 1842, None, "EXPLAIN (ANALYZE, BUFFERS)"),
            ),
            impact="61 % of PostgreSQL's time goes into this one statement.",
            impact_level="high",
            effort="low",
            priority="now",
            fix=Fix(
                "Create the index that the lead list needs",
                "sql",
                (
                    "CREATE INDEX CONCURRENTLY leads_tenant_id_created_at_idx\n    ON leads (tenant_id, created_at DESC);",
                ),
                ("DROP INDEX CONCURRENTLY leads_tenant_id_created_at_idx;",),
                Proof(
                    "on a copy of the database",
                    "SELECT id, name, phone, status, created_at FROM leads WHERE tenant_id = $1 ORDER BY created_at DESC LIMIT 20",
                    44.9,
                    0.0781,
                    25,
                    PLAN_BEFORE,
                    PLAN_AFTER,
                ),
            ),
        ),
        Finding(
            id="database/0003/activities.lead_id",
            check="database/0003_foreign_key_without_index",
            dimension="database",
            verdict="fail",
            title="Foreign key `activities.lead_id` has no index",
            evidence=(Evidence("rows of activities", 1_000_000.0, "rows", None, None, "pg_class"),),
            impact="Each lead shown reads activities by a sequential scan; each lead deleted locks and scans the table.",
            impact_level="high",
            effort="low",
            priority="now",
            fix=Fix(
                "Index the foreign key",
                "sql",
                ("CREATE INDEX CONCURRENTLY activities_lead_id_idx ON activities (lead_id);",),
                ("DROP INDEX CONCURRENTLY activities_lead_id_idx;",),
                Proof(
                    "on a copy of the database", "SELECT count(*) FROM activities WHERE lead_id = $1", 61.3, 0.0412, 25
                ),
            ),
        ),
        Finding(
            id="database/0006/leads_status_idx+leads_status_idx1",
            check="database/0006_duplicate_index",
            dimension="database",
            verdict="warn",
            title="Two equal indexes on `leads(status)`",
            evidence=(Evidence("size of the second", 4_300_000.0, "bytes"),),
            impact="Every write pays for both.",
            impact_level="low",
            effort="low",
            priority="next",
            fix=Fix("Drop the second one", "sql", ("DROP INDEX CONCURRENTLY leads_status_idx1;",)),
        ),
        Finding(
            id="database/0012/shared_buffers",
            check="database/0012_settings_against_memory",
            dimension="database",
            verdict="warn",
            title="`shared_buffers` is 128 MB on a machine with 8.20 GB",
            evidence=(Evidence("cache hit ratio", 0.871, "ratio", 192_331, (0.8695, 0.8725), "pg_stat_database"),),
            impact_level="medium",
            effort="low",
            priority="next",
            fix=Fix(
                "Give the buffer cache a quarter of memory; needs a restart",
                "setting",
                ("ALTER SYSTEM SET shared_buffers = '2GB';",),
                ("ALTER SYSTEM RESET shared_buffers;",),
            ),
        ),
        Finding(
            id="database/0010/replicas",
            check="database/0010_replication_lag",
            dimension="database",
            verdict="unknown",
            title="Whether replicas keep up is not known",
            missing="The role may not read `pg_stat_replication`: `GRANT pg_monitor TO app;` and run the audit again.",
        ),
    )


def _service() -> tuple[Finding, ...]:
    return (
        Finding(
            id="api/0001/GET /api/leads",
            check="api/0001_statements_per_request",
            dimension="api",
            verdict="fail",
            title="N+1: a request of `GET /api/leads` runs 21.3 statements",
            evidence=(Evidence("statements per request", 21.3, "statements", 1842, (21.1, 21.5), "recording"),),
            impact="Twenty of them fetch one row each; together 31 % of the service's time.",
            impact_level="high",
            effort="medium",
            priority="now",
            fix=Fix("Fetch the activities of the page with one statement (`WHERE lead_id = ANY($1)`)", "code"),
        ),
        Finding(
            id="caching/0001/dashboard",
            check="caching/0001_repeated_reads",
            dimension="caching",
            verdict="warn",
            title="The dashboard computes the same aggregates for every request of a tenant",
            evidence=(Evidence("equal statements within 5 s", 0.934, "ratio", 5120, (0.927, 0.941), "recording"),),
            impact="A cache of 5 s would spare 93 % of them.",
            impact_level="medium",
            effort="medium",
            priority="next",
            fix=Fix("Cache the dashboard for five seconds per tenant", "code"),
        ),
        Finding(
            id="monitoring/0001/slow-log",
            check="monitoring/0001_slow_request_log",
            dimension="monitoring",
            verdict="unknown",
            title="Slow requests may go unseen",
            missing="No log was given: `scaleworthy assess --log FILE`.",
        ),
    )


def _hostile() -> Finding:
    return Finding(
        id=f"database/0001/{HOSTILE}",
        check="database/0001_slow_statement",
        dimension="database",
        verdict="warn",
        title=f"Slow statement {HOSTILE}",
        detail=f"Detail {HOSTILE}",
        evidence=(Evidence(f"Evidence {HOSTILE}", 212.4, "ms", 31, (180.0, 251.0), f"source {HOSTILE}"),),
        impact=f"Impact {HOSTILE}",
        impact_level="low",
        effort="medium",
        priority="later",
        fix=Fix(
            f"Rewrite {HOSTILE}",
            "sql",
            (f"SELECT '</code></pre></template></style></svg>{HOSTILE}' -- ```",),
            (f"-- back {HOSTILE}",),
            Proof(f"where {HOSTILE}", f"what {HOSTILE}", 212.4, 0.0, 31, f"before {HOSTILE}", f"after {HOSTILE}"),
        ),
        labels={f"label {HOSTILE}": HOSTILE},
    )


def _passed() -> tuple[Finding, ...]:
    passed = {
        "database/0005_unused_index": "No index of the last 7 days went unused",
        "database/0007_invalid_index": "Every index is valid",
        "database/0009_connections_against_limit": "Connections stay under 80 % of max_connections",
        "database/0011_long_transactions": "No transaction was open for more than 2.00 s",
        "database/0013_sequence_near_end": "The fullest sequence has used 0.0466 % of its range",
        "database/0014_offset_pagination_in_a_statement_whose_name_is_very_long_indeed": "No statement skips rows by OFFSET",
        "api/0003_compression": "Answers over 1 KB are compressed",
        "load-testing/0001_generator_headroom": "The generator could send 12.7 times what the service takes",
    }
    return tuple(
        Finding(id=f"{check}/all", check=check, dimension=check.split("/")[0], verdict="pass", title=title)  # type: ignore[arg-type]
        for check, title in passed.items()
    )
