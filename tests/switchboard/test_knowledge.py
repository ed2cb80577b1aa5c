"""Knowledge is found by what it is about, within the tenant, whichever way the database takes; context puts all together."""

import math

import psycopg
import pytest

from scaleworthy.switchboard.embedding import DIMENSIONS, embed, written
from scaleworthy.switchboard.queries.knowledge import KEEP_SEARCHING, NEAREST

from .running import Api, Data


def likeness(one: str, other: str) -> float:
    return math.fsum(a * b for a, b in zip(embed(one), embed(other), strict=True))


def test_texts_that_share_words_lie_closer_than_those_that_share_none() -> None:
    question = "How do I cancel the annual plan?"

    assert likeness(question, question) == pytest.approx(1)
    assert likeness(question, "How to cancel an annual plan") > 0.5 > 0.25 > likeness(question, "Voicemail greeting")
    assert likeness("webhooks", "webhook") > 0.5
    assert embed("") == embed("!?")
    assert len(embed("é 汉字 \x00")) == DIMENSIONS
    # The same on every machine and in every process: rows hold it.
    assert {at: round(value, 4) for at, value in enumerate(embed("hello")) if value} == {
        69: 0.6667,
        128: 0.3333,
        141: 0.3333,
        154: -0.3333,
        202: 0.3333,
        207: -0.3333,
    }


async def test_the_nearest_article_comes_first_and_a_new_one_is_found_at_once(api: Api) -> None:
    first = (await api.get("/api/knowledge/search", params={"q": "how to cancel a refund", "limit": 3})).json()

    scores = [one["score"] for one in first["results"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    article = {"title": "Zebra crossings in Utrecht", "body": "Where zebras cross."}
    added = await api.post("/api/knowledge", json=article)
    found = (await api.get("/knowledge/search?q=zebra crossing utrecht")).json()["results"]
    assert added.status_code == 201
    assert (found[0]["id"], found[0]["title"]) == (added.json()["id"], article["title"])
    theirs = (await api.get("/knowledge/search?q=zebra crossing utrecht", tenant=1)).json()["results"]
    assert added.json()["id"] not in [one["id"] for one in theirs]


async def test_the_graph_finds_a_small_tenants_articles_among_many_others(data: dict[str, Data]) -> None:
    """An index over all tenants meets strangers first; the search goes on until it has what was asked for."""
    one = data["tuned"]
    vector = written(embed("why a webhook does not arrive"))
    found = {}
    with psycopg.connect(one.app) as connection:
        connection.execute("select set_config('app.current_tenant', %s, true)", [one.tenants[2][0]])
        for way, off in (("graph", "bitmapscan"), ("exact", "indexscan")):
            with connection.transaction(force_rollback=True):
                connection.execute("select set_config('enable_seqscan', 'off', true)")
                connection.execute("select set_config('enable_sort', %s, true)", ["off" if way == "graph" else "on"])
                connection.execute(f"set local enable_{off} = off")
                connection.execute(KEEP_SEARCHING)
                values = {"vector": vector, "rows": 20}
                plan = "\n".join(row[0] for row in connection.execute("explain " + NEAREST, values))
                rows = connection.execute(NEAREST, values).fetchall()
                found[way] = [row[0] for row in rows]
            # Whatever the way, the rows are filtered by the tenant within the scan, and not by the service.
            assert "tenant_id = " in plan, plan
            assert ("knowledge_nearest" in plan) == (way == "graph"), plan
    assert len(found["graph"]) == len(found["exact"]) == 20
    assert len(set(found["graph"]) & set(found["exact"])) >= 18


async def test_context_shows_the_lead_its_calls_its_tasks_and_what_may_help(api: Api) -> None:
    [(lead, phone)] = api.data.rows(
        "select l.id, l.phone from leads l join tasks t on t.lead_id = l.id where l.tenant_id = %s limit 1",
        [api.data.tenants[0][0]],
    )
    call = (await api.post("/calls/start", json={"phone": phone, "lead_id": lead})).json()

    by_call = (await api.get(f"/api/context?call_id={call['id']}")).json()
    by_lead = (await api.get(f"/context?lead_id={lead}")).json()
    by_phone = (await api.get("/context", params={"phone": phone})).json()

    assert by_call == by_lead == by_phone
    assert by_lead["lead"]["id"] == lead
    assert by_lead["calls"][0]["id"] == call["id"]
    assert {task["status"] for task in by_lead["tasks"]} == {"open"}
    assert len(by_lead["knowledge"]) == 3
    nobody = (await api.get("/context?phone=%2B0")).json()
    assert (nobody["lead"], nobody["calls"]) == (None, [])
    assert (await api.get(f"/context?lead_id={lead}", tenant=1)).status_code == 404
    assert (await api.get(f"/context?call_id={call['id']}", tenant=1)).status_code == 404
    assert (await api.get("/context")).status_code == 422
    assert (await api.get(f"/context?lead_id={lead}&call_id=1")).status_code == 422
