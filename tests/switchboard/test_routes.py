"""Every route, in each shape, on real PostgreSQL."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from scaleworthy.switchboard.queries.leads import LISTS

from .running import Api

LEADS = LISTS["joined"].order


def owners_of(value: Any) -> set[str]:
    """Every tenant_id anywhere in an answer."""
    if isinstance(value, dict):
        here = {value["tenant_id"]} if "tenant_id" in value else set()
        return here.union(*(owners_of(one) for one in value.values()))
    if isinstance(value, list):
        return set().union(*(owners_of(one) for one in value))
    return set()


READS = [
    "/leads",
    "/leads?status=won&limit=5",
    "/leads/statistics",
    "/campaigns",
    "/recordings",
    "/users",
    "/dashboard/metrics",
    "/analytics/dashboard",
    "/analytics/overview",
]


async def test_each_read_answers_with_and_without_prefix_and_names_its_tenant(api: Api) -> None:
    for path in READS:
        bare, prefixed = await api.get(path, tenant=1), await api.get(f"/api{path}", tenant=1)

        assert bare.status_code == prefixed.status_code == 200, path
        assert bare.text == prefixed.text
        assert owners_of(bare.json()) == {api.data.tenants[1][0]}, path


async def test_every_resource_of_a_list_carries_its_tenant(api: Api) -> None:
    for path, noun in [
        ("/leads", "leads"),
        ("/recordings", "recordings"),
        ("/users", "users"),
        ("/campaigns", "campaigns"),
    ]:
        resources = (await api.get(path)).json()[noun]

        assert resources
        assert all("tenant_id" in resource for resource in resources)


async def test_a_lead_lives_from_create_to_delete(api: Api) -> None:
    wanted = {"name": " Ann Lee ", "email": "ann@example.org", "phone": "+1 555 0100", "score": 40, "owner_id": 1}
    created = await api.post("/api/leads", json=wanted)
    lead = created.json()

    assert created.status_code == 201
    assert lead["name"] == "Ann Lee"
    assert lead["owner"]["id"] == 1
    assert lead["last_activity"]["kind"] == "created"

    changed = await api.send("PUT", f"/api/leads/{lead['id']}", json={"status": "won", "score": 90})
    assert changed.status_code == 200
    assert (changed.json()["status"], changed.json()["score"], changed.json()["name"]) == ("won", 90, "Ann Lee")

    shown = (await api.get(f"/leads/{lead['id']}")).json()
    assert [activity["note"] for activity in shown["activities"]] == ["Lead created"]
    assert {**changed.json(), "activities": shown["activities"]} == shown

    assert (await api.send("DELETE", f"/leads/{lead['id']}")).status_code == 204
    assert (await api.get(f"/leads/{lead['id']}")).status_code == 404
    assert (await api.send("DELETE", f"/leads/{lead['id']}")).status_code == 404
    assert (await api.send("PUT", f"/leads/{lead['id']}", json={"score": 1})).status_code == 404


async def test_the_pages_of_a_list_hold_every_lead_once_and_newest_first(api: Api) -> None:
    [(count,)] = api.data.rows("select count(*) from leads where tenant_id = %s", [api.data.tenants[2][0]])
    seen, cursor = [], ""
    while cursor is not None:
        page = (await api.get(f"/leads?limit=37{cursor and f'&cursor={cursor}'}", tenant=2)).json()
        seen += [(lead["created_at"], lead["id"]) for lead in page["leads"]]
        cursor = page["next"]

    assert len(seen) == len(set(seen)) == count
    assert seen == sorted(seen, reverse=True)


async def test_a_page_number_and_a_cursor_lead_to_the_same_page(api: Api) -> None:
    first = (await api.get("/recordings?limit=7")).json()

    by_cursor = (await api.get(f"/recordings?limit=7&cursor={first['next']}")).json()
    by_number = (await api.get("/recordings?limit=7&page=2")).json()

    assert by_cursor == by_number
    assert first["recordings"] != by_cursor["recordings"]


async def test_statistics_count_what_the_table_holds(api: Api) -> None:
    tenant = api.data.tenants[1][0]
    counted = dict(api.data.rows("select status, count(*) from leads where tenant_id = %s group by 1", [tenant]))

    statistics = (await api.get("/leads/statistics", tenant=1)).json()

    assert statistics["by_status"] == counted
    assert statistics["total"] == sum(counted.values()) == sum(statistics["by_source"].values())


async def test_a_call_starts_with_the_lead_of_its_number_and_ends_once(api: Api) -> None:
    lead = (await api.post("/leads", json={"name": "Di", "phone": "+1 555 0142"})).json()
    before = (await api.get("/recordings?limit=1")).json()["recordings"][0]["id"]
    started = await api.post("/calls/start", json={"phoneNumber": lead["phone"], "provider": "any"})
    call = started.json()

    assert started.status_code == 201
    assert (call["lead_id"], call["status"]) == (lead["id"], "active")

    api.clock.advance(seconds=95)
    first = (await api.post("/calls/end", json={"call_id": call["id"]})).json()
    again = (await api.post("/calls/end", json={"call_id": call["id"], "status": "failed"})).json()

    assert (first["status"], first["duration_s"], first["ended_now"]) == ("completed", 95, True)
    assert again == {**first, "ended_now": False}
    newest = (await api.get("/recordings?limit=1")).json()["recordings"][0]
    assert (newest["call_id"], newest["duration_s"]) == (call["id"], 95)
    assert newest["id"] > before
    timeline = (await api.get(f"/leads/{lead['id']}")).json()
    assert timeline["last_activity"]["note"] == "Call completed"
    assert timeline["activities"][0]["id"] == timeline["last_activity"]["id"]


async def test_starting_a_call_says_how_many_are_active(api: Api) -> None:
    one = (await api.post("/calls/start", json={"phone": "+1 555 0199"})).json()
    two = (await api.post("/calls/start", json={"phone": "+1 555 0199"})).json()

    assert one["lead_id"] is None
    assert two["active_calls"] == one["active_calls"] + 1
    assert (await api.get("/dashboard/metrics")).json()["active_calls"][0]["id"] == two["id"]


@pytest.mark.parametrize("wanted", ["24h", "7d", "30d", "90d"])
async def test_key_figures_cover_the_days_asked_for(api: Api, wanted: str) -> None:
    answer = await api.post("/analytics/kpis", json={"dateRange": wanted})

    days = {"24h": 1, "7d": 7, "30d": 30, "90d": 90}[wanted]
    [(calls,)] = api.data.rows(
        "select count(*) from calls where tenant_id = %s and started_at >= %s::timestamptz - make_interval(days => %s)",
        [api.data.tenants[0][0], api.clock.at, days],
    )
    assert answer.status_code == 200
    assert answer.json()["date_range"] == wanted
    assert answer.json()["calls"]["calls"] == calls


async def test_the_overview_sets_thirty_days_beside_the_thirty_before(api: Api) -> None:
    shown = (await api.get("/api/analytics/overview", tenant=1)).json()

    [counted] = api.data.rows(
        "select count(*) filter (where started_at >= %(at)s::timestamptz - interval '30 days'),"
        " count(*) filter (where started_at < %(at)s::timestamptz - interval '30 days') from calls"
        " where tenant_id = %(tenant)s and started_at >= %(at)s::timestamptz - interval '60 days'",
        {"at": api.clock.at, "tenant": api.data.tenants[1][0]},
    )
    assert (shown["last_30_days"]["calls"], shown["30_days_before"]["calls"]) == counted


BAD = [
    ("POST", "/leads", {"json": {}}, "name"),
    ("POST", "/leads", {"json": {"name": ""}}, "name"),
    ("POST", "/leads", {"json": {"name": "A", "nick": "B"}}, "nick"),
    ("POST", "/leads", {"json": {"name": "A", "score": 101}}, "score"),
    ("POST", "/leads", {"json": {"name": "A", "email": "no address"}}, "email"),
    ("POST", "/leads", {"json": {"name": "A", "owner_id": 10**9}}, "owner_id"),
    ("POST", "/leads", {"json": {"name": "A", "campaign_id": 2**63}}, "campaign_id"),
    ("POST", "/leads", {"content": b"{", "headers": {"content-type": "application/json"}}, "JSON"),
    ("POST", "/leads", {"json": {"name": "nul \x00"}}, "NUL"),
    ("POST", "/leads", {"content": rb'{"name": "\ud800"}', "headers": {"content-type": "application/json"}}, "name"),
    ("PUT", "/leads/1", {"json": {"name": None}}, "name"),
    ("PUT", "/leads/1", {"json": {"status": "sold"}}, "status"),
    ("GET", "/leads/one", {}, "lead_id"),
    ("GET", "/leads/0", {}, "lead_id"),
    ("GET", f"/leads/{2**63}", {}, "lead_id"),
    ("GET", "/leads?limit=0", {}, "limit"),
    ("GET", "/leads?limit=101", {}, "limit"),
    ("GET", "/leads?page=0", {}, "page"),
    ("GET", "/leads?status=sold", {}, "status"),
    ("GET", "/leads?cursor=nonsense", {}, "cursor"),
    ("GET", "/leads?cursor=WzEsMiwzXQ&page=2", {}, "cursor"),
    ("GET", "/leads?cursor=WzEsMiwiMyJd", {}, "cursor"),
    ("GET", f"/leads?cursor={LEADS.write([5, 5])}", {}, "cursor"),
    ("GET", f"/leads?cursor={LEADS.write([datetime(2026, 1, 1, tzinfo=UTC), 2**70])}", {}, "cursor"),
    ("GET", f"/recordings?cursor={LEADS.write([datetime(2026, 1, 1, tzinfo=UTC), 2])}", {}, "cursor"),
    ("POST", "/analytics/kpis", {"json": {"dateRange": "1y"}}, "dateRange"),
    ("POST", "/calls/start", {"json": {}}, "phone_number"),
    ("POST", "/calls/start", {"json": {"phone_number": "call me"}}, "phone_number"),
    ("POST", "/calls/start", {"json": {"phone_number": "+1555", "lead_id": 10**9}}, "lead_id"),
    ("POST", "/calls/end", {"json": {"call_id": 1, "status": "active"}}, "status"),
    ("POST", "/calls/end", {"json": {"call_id": 1, "duration_s": -1}}, "duration"),
]


async def test_input_that_cannot_be_is_refused_with_the_field_at_fault(api: Api) -> None:
    for method, path, given, named in BAD:
        answer = await api.send(method, path, **given)

        assert answer.status_code == 422, (method, path, given, answer.text)
        assert answer.json()["error"] == "invalid"
        assert re.search(named, answer.json()["message"]), (method, path, given, answer.text)


async def test_an_unknown_route_is_not_found(api: Api) -> None:
    for path in ("/nothing", "/api/nothing", "/api/leads/1/nothing"):
        answer = await api.get(path)

        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_an_unknown_call_cannot_end(api: Api) -> None:
    assert (await api.post("/calls/end", json={"call_id": 10**12})).status_code == 404


async def test_the_description_lists_each_route_once_under_the_prefix(api: Api) -> None:
    paths = (await api.get("/openapi.json", tenant=None)).json()["paths"]

    assert all(path.startswith("/api/") for path in paths)
    assert {"/api/health", "/api/leads/{lead_id}", "/api/webhooks/stripe"} < set(paths)
