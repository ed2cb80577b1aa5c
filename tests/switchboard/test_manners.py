"""What is done with every request and answer: limits, tags, compression, metrics, and leaving without a loss."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from scaleworthy.switchboard.service import Switchboard

from .running import Api, Data, serving

DEEP = b"[" * 100_000 + b"]" * 100_000
ROUTES = ["/leads", "/calls/start", "/analytics/kpis", "/webhooks/stripe"]


def counted(text: str, name: str) -> dict[tuple[str, ...], float]:
    """Values of a metric by its labels' values."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


@pytest.mark.parametrize(
    "body",
    [DEEP, b'{"name": ' + DEEP + b"}", b'{"name": "\xff\xfe"}', b'{"name": "Ann', b"", b"\x00", b'"\\ud800"'],
    ids=["deep", "deeper", "no UTF-8", "half", "nothing", "zero", "surrogate"],
)
async def test_a_body_that_is_no_json_is_refused_with_a_reason(api: Api, body: bytes) -> None:
    for path in ROUTES:
        headers = {"content-type": "application/json", "stripe-signature": "test_signature"}
        answer = await api.post(path, content=body, headers=headers)
        assert answer.status_code in (400, 422), (path, answer.text)
        assert set(answer.json()) <= {"error", "message", "problems"}


async def test_a_body_that_is_too_large_is_refused_in_both_shapes(api: Api) -> None:
    async def endless() -> Any:
        for _ in range(20):
            yield b"x" * 100_000

    for content in (b"x" * 2_000_000, endless()):
        answer = await api.post("/leads", content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


async def test_the_metrics_name_routes_and_no_tenant(api: Api) -> None:
    lead = (await api.get("/leads")).json()["leads"][0]["id"]
    await api.get(f"/api/leads/{lead}")
    await api.get(f"/nowhere/{lead}")
    answer = await api.get("/metrics", tenant=None)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    requests = counted(answer.text, "scaleworthy_runtime_http_requests_total")
    assert requests["GET", "/api/leads/{lead_id}", "200", "0"] == 1
    assert requests["GET", "(no route)", "404", "0"] == 1
    assert api.data.tenants[0][0] not in answer.text
    assert counted(answer.text, "scaleworthy_runtime_http_at_work") == {("0",): 1}
    connections = counted(answer.text, "scaleworthy_runtime_db_connections")
    assert connections["writer", "connections", "0"] == {"day-one": 4, "tuned": 8}[api.shape]


@pytest.fixture
async def tuned(data: dict[str, Data]) -> Any:
    async with serving(data["tuned"], "tuned", demo=True) as running:
        yield running


async def test_tuned_compresses_tags_and_says_what_is_left(tuned: Api) -> None:
    first = await tuned.get("/leads?limit=100", headers={"accept-encoding": "gzip"})
    assert (first.headers["content-encoding"], first.headers["cache-control"]) == ("gzip", "private, no-cache")
    again = await tuned.get("/leads?limit=100", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await tuned.get("/leads?limit=100", tenant=1, headers={"if-none-match": first.headers["etag"]})
    assert other.status_code == 200
    assert other.json()["tenant_id"] == tuned.data.tenants[1][0]


async def test_a_tenant_that_asks_too_much_is_refused_alone(data: dict[str, Data]) -> None:
    async with serving(data["tuned"], "tuned", tenant_rate="6/h") as api:
        assert [(await api.get("/users")).status_code for _ in range(2)] == [200, 429]
        refused = await api.get("/users")
        assert refused.json()["error"] == "too_many_requests"
        assert int(refused.headers["retry-after"]) > 0
        assert refused.headers["ratelimit"].startswith('"tenant";r=0;t=')
        assert (await api.get("/users", tenant=1)).status_code == 200
        assert (await api.get("/api/health")).status_code == 200
        metrics = (await api.get("/metrics")).text
        assert counted(metrics, "scaleworthy_runtime_limit_refused_total")["tenant", "0"] == 2


async def test_a_deadline_that_cannot_be_read_is_refused_in_the_services_own_form(tuned: Api) -> None:
    refused = await tuned.get("/users", headers={"request-timeout": "soon"})
    assert (refused.status_code, refused.json()["error"]) == (400, "unreadable_deadline")


async def test_the_description_names_all_fields(tuned: Api) -> None:
    assert "webhooks" in (await tuned.get("/openapi.json")).text


async def test_a_restart_under_load_answers_every_request(data: dict[str, Data]) -> None:
    """Twelve clients ask without a pause while the processes are replaced, twice; none is cut off or refused."""
    one = data["tuned"]
    statuses: Counter[int] = Counter()
    with Switchboard.start(shape="tuned", database=one.owner, cache=None, workers=2) as board:
        going = True

        async def ask(client: httpx.AsyncClient) -> None:
            while going:
                statuses[(await client.get("/api/users")).status_code] += 1

        async with httpx.AsyncClient(
            base_url=board.url, headers={"x-tenant-key": one.tenants[0][1]}, timeout=30
        ) as client:
            asking = [asyncio.create_task(ask(client)) for _ in range(12)]
            for shape in ("day-one", "tuned"):
                await asyncio.to_thread(board.restart, shape=shape)
            going = False
            await asyncio.gather(*asking)
            metrics = [(await client.get("/metrics")).text for _ in range(3)]
    assert list(statuses) == [200]
    for text in metrics:
        assert {labels[-1] for labels in counted(text, "scaleworthy_runtime_http_at_work")} == {"0", "1"}
