"""Two shapes, one service: the same question has the same answer."""

from typing import Any

import psycopg
import pytest

from scaleworthy.errors import UsageError
from scaleworthy.servers import Postgres, Valkey
from scaleworthy.switchboard.shape import SHAPES, shape_named

from .running import Api, fill, handled, serving

WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/leads", {"name": "Ann", "owner_id": 2, "campaign_id": 3, "phone": "+15550123", "value_cents": 5}),
    ("POST", "/leads", {"name": "Bo"}),
    ("POST", "/leads", {"name": "Bo", "owner_id": 10**9}),
    ("PUT", "/leads/{lead}", {"status": "won", "owner_id": None}),
    ("PUT", "/leads/{lead}", {}),
    ("POST", "/calls/start", {"phone_number": "+15550123"}),
    ("POST", "/calls/start", {"phone_number": "+15550123", "lead_id": 1, "direction": "inbound"}),
    ("POST", "/calls/end", {"call_id": "{call}", "status": "voicemail", "duration_s": 7}),
    ("POST", "/calls/end", {"call_id": "{call}"}),
    ("POST", "/webhooks/stripe", {"id": "evt_1", "type": "invoice.payment_succeeded"}),
    ("POST", "/webhooks/stripe", {"id": "evt_1", "type": "invoice.payment_succeeded"}),
    ("DELETE", "/leads/{lead}", {}),
]
READS = [
    "/leads",
    "/leads?limit=100&page=2",
    "/leads?limit=3&status=lost",
    "/leads?limit=9&page=400",
    "/leads/{lead}",
    "/leads/{owned}",
    "/leads/statistics",
    "/campaigns",
    "/recordings?limit=4",
    "/users",
    "/dashboard/metrics",
    "/analytics/dashboard",
    "/analytics/overview",
    "/knowledge/search?q=how to cancel a seat",
    "/context?lead_id={lead}",
    "/files",
]
TENANTS = (0, 3)


async def transcript(api: Api) -> list[tuple[str, int, str]]:
    """Send the same requests, and keep what came back, letter by letter."""
    kept = []
    for tenant in TENANTS:
        lead = (await api.get("/leads?limit=2", tenant=tenant)).json()["leads"][1]["id"]
        owned = (await api.get("/leads?limit=50", tenant=tenant)).json()["leads"][30]["id"]
        call = (await api.get("/dashboard/metrics", tenant=tenant)).json()["active_calls"][0]["id"]
        reads = [("GET", path.format(lead=lead, owned=owned), None) for path in READS]
        kpis = [("POST", "/analytics/kpis", {"dateRange": days}) for days in ("24h", "90d")]
        writes = [
            (
                method,
                path.format(lead=lead),
                {name: call if value == "{call}" else value for name, value in body.items()},
            )
            for method, path, body in WRITES
        ]
        for method, path, body in [*reads, *kpis, *writes, *reads, *kpis]:
            answer = await api.send(
                method, path, tenant=tenant, json=body, headers={"stripe-signature": "test_signature"}
            )
            await handled(api.data)
            kept.append((f"{method} {path}", answer.status_code, answer.text))
        cursor: str | None = (await api.get("/leads?limit=40", tenant=tenant)).json()["next"]
        while cursor is not None:
            page = await api.get(f"/leads?limit=40&cursor={cursor}", tenant=tenant)
            kept.append((cursor, page.status_code, page.text))
            cursor = page.json()["next"]
    return kept


async def test_both_shapes_answer_every_request_alike(postgres: Postgres) -> None:
    transcripts = {}
    for shape in SHAPES.values():
        data = fill(postgres, f"compare_{len(transcripts)}", sets=shape.migrations)
        async with serving(data, shape.name, demo=True) as api:
            transcripts[shape.name] = await transcript(api)

    assert len(transcripts["day-one"]) > 80
    assert transcripts["day-one"] == transcripts["tuned"]


async def test_a_cached_aggregate_is_kept_for_its_tenant_alone(postgres: Postgres, valkey: Valkey) -> None:
    data = fill(postgres, "cached", sets=("tuned",))
    async with serving(data, "tuned", cache=valkey.url) as api:
        first = await api.get("/leads/statistics")
        await api.post("/leads", json={"name": "Ann"})

        assert (await api.get("/leads/statistics")).text == first.text
        assert (await api.get("/leads/statistics", tenant=1)).json()["tenant_id"] == data.tenants[1][0]
        assert (await api.post("/analytics/kpis", json={"dateRange": "7d"})).json()["date_range"] == "7d"
        assert (await api.post("/analytics/kpis", json={"dateRange": "30d"})).json()["date_range"] == "30d"

    async with (
        serving(data, "tuned", cache=valkey.url) as api,
        serving(data, "tuned", cache=valkey.url) as other,
    ):
        # What one process computed another shows, also where it has been changed since.
        shown = await api.get("/campaigns")
        await api.post("/leads", json={"name": "Bo", "campaign_id": shown.json()["campaigns"][0]["id"]})
        assert (await other.get("/campaigns")).text == shown.text

    async with serving(data, "day-one", cache=valkey.url) as api:
        assert (await api.get("/leads/statistics")).json()["total"] == first.json()["total"] + 2


async def test_the_lead_list_of_day_one_asks_twice_per_lead_and_that_of_tuned_once_per_page(postgres: Postgres) -> None:
    statements = {}
    for shape in SHAPES.values():
        data = fill(postgres, f"counted_{len(statements)}", sets=shape.migrations)
        data.rows("create extension pg_stat_statements")
        async with serving(data, shape.name) as api:
            data.rows("select pg_stat_statements_reset()")
            await api.get("/leads?limit=20")
        statements[shape.name] = int(
            data.rows(
                "select sum(calls)::int from pg_stat_statements s join pg_roles r on r.oid = s.userid"
                " where rolname = 'switchboard_app' and query ~ 'from (leads|users|activities)'"
                " and dbid = (select oid from pg_database where datname = current_database())"
            )[0][0]
        )

    assert statements == {"day-one": 41, "tuned": 1}


@pytest.mark.parametrize(
    "statement",
    [
        "select id from leads order by created_at desc, id desc limit 20",
        "select id from activities where lead_id = 17 order by occurred_at desc, id desc limit 10",
        "select count(*) from calls where status = 'active'",
        "select id from leads where phone = '+12000000001' order by created_at desc limit 1",
        "select id from webhook_events where event_id = 'evt_7_1'",
        "select id from recordings order by created_at desc, id desc limit 20",
        "select id from leads where (created_at, id) < ('2026-10-01', 400) order by created_at desc, id desc limit 20",
    ],
)
def test_what_day_one_reads_whole_tuned_finds_by_an_index(data: Any, statement: str) -> None:
    plans = {}
    for shape, one in data.items():
        with psycopg.connect(one.app) as connection:
            connection.execute("select set_config('app.current_tenant', %s, true)", [one.tenants[0][0]])
            # The tables of these tests are so small that reading them whole is quicker; the question is what is possible.
            connection.execute("set local enable_seqscan = off")
            plans[shape] = "\n".join(row[0] for row in connection.execute(f"explain {statement}"))

    assert "Seq Scan on" in plans["day-one"]
    assert "Seq Scan on" not in plans["tuned"]
    assert "tenant_id = " in plans["tuned"].partition("Index Cond")[2]


def test_an_unknown_shape_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no shape 'day-two'") as refused:
        shape_named("day-two")

    assert "day-one, tuned" in str(refused.value.hint)
