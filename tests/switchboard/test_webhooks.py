"""Payment events: only the provider's, and each with its effect once."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from scaleworthy.switchboard.routes.webhooks import BODY_BYTES_MAX
from scaleworthy.switchboard.signature import TOLERANCE_S, complaint, sign

from .running import SECRET, Api, Data, handled, serving

AT = 1_700_000_000


def test_the_signature_is_the_providers() -> None:
    """HMAC-SHA-256 over `<time>.<body>`; the value was computed with `openssl dgst -sha256 -hmac`."""
    assert sign(b'{"a":1}', secret="whsec_x", at_s=AT) == (
        "t=1700000000,v1=b3438763ab46d9634b9844c8722818eaf523f803db1327484c6067462a5fd6d1"
    )


@pytest.mark.parametrize("late", [-TOLERANCE_S, 0, TOLERANCE_S])
def test_a_recent_signature_is_good(late: int) -> None:
    assert complaint(sign(b"x", secret="s", at_s=AT), b"x", secret="s", now_s=AT + late) is None


def test_one_of_several_signatures_suffices() -> None:
    header = sign(b"x", secret="s", at_s=AT).replace("t=1700000000,", "t=1700000000,v0=1,v1=00,")

    assert complaint(header, b"x", secret="s", now_s=AT) is None


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (sign(b"y", secret="s", at_s=AT), "does not fit"),
        (sign(b"x", secret="other", at_s=AT), "does not fit"),
        (sign(b"x", secret="s", at_s=AT).replace("t=1700000000", "t=1700000001"), "does not fit"),
        (sign(b"x", secret="s", at_s=AT - TOLERANCE_S - 1), "more than 300 s"),
        (sign(b"x", secret="s", at_s=AT + TOLERANCE_S + 1), "more than 300 s"),
        ("", "has the form"),
        ("v1=00", "has the form"),
        ("t=1700000000", "has the form"),
        ("t=soon,v1=00", "has the form"),
        ("t=٣,v1=00", "has the form"),
        ("t=1700000000,v1=é", "does not fit"),
    ],
)
def test_any_other_signature_is_refused(header: str, said: str) -> None:
    assert said in (complaint(header, b"x", secret="s", now_s=AT) or "")


@pytest.fixture(params=["day-one", "tuned"])
async def demo(request: pytest.FixtureRequest, data: dict[str, Data]) -> AsyncIterator[Api]:
    async with serving(data[request.param], request.param, demo=True) as running:
        yield running


def event(name: str, *, customer: str | None = None, kind: str = "invoice.payment_succeeded") -> dict[str, Any]:
    return {
        "id": name,
        "type": kind,
        "data": {"object": {"amount_paid": 1200, "currency": "eur", "customer": customer}},
    }


async def deliver(api: Api, body: bytes | dict[str, Any], *, secret: str = SECRET) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    header = sign(raw, secret=secret, at_s=int(api.clock.at.timestamp()))
    answer = await api.post("/api/webhooks/stripe", tenant=None, content=raw, headers={"stripe-signature": header})
    await handled(api.data)
    return answer


def customer(api: Api, tenant: int) -> str:
    [(name,)] = api.data.rows("select stripe_customer from tenants where id = %s", [api.data.tenants[tenant][0]])
    return str(name)


def effects(api: Api, name: str) -> tuple[Any, ...]:
    """Events stored and payments made of an event."""
    return api.data.rows(
        "select count(distinct e.id), count(p.id), coalesce(sum(p.amount_cents), 0)::int"
        " from webhook_events e left join payments p on p.webhook_event_id = e.id where e.event_id = %s",
        [name],
    )[0]


async def test_an_event_pays_once_however_often_it_comes(api: Api) -> None:
    body = event("evt_often", customer=customer(api, 2))

    answers = [await deliver(api, body) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["duplicate"] for answer in answers] == [False, True, True]
    assert {answer.json()["tenant_id"] for answer in answers} == {api.data.tenants[2][0]}
    assert effects(api, "evt_often") == (1, 1, 1200)


async def test_deliveries_at_the_same_moment_pay_once(api: Api) -> None:
    body = event("evt_at_once", customer=customer(api, 1))

    answers = await asyncio.gather(*(deliver(api, body) for _ in range(12)))

    assert sorted(answer.json()["duplicate"] for answer in answers) == [False] + [True] * 11
    assert effects(api, "evt_at_once") == (1, 1, 1200)


async def test_an_event_that_is_no_payment_is_stored_and_pays_nothing(api: Api) -> None:
    await deliver(api, event("evt_other", customer=customer(api, 1), kind="customer.updated"))

    assert effects(api, "evt_other") == (1, 0, 0)


async def test_an_event_that_is_not_signed_has_no_effect(api: Api) -> None:
    body = event("evt_forged", customer=customer(api, 1))
    raw = json.dumps(body).encode()

    wrong = await deliver(api, body, secret="whsec_wrong")
    none = await api.post("/webhooks/stripe", content=raw)
    test = await api.post("/webhooks/stripe", content=raw, headers={"stripe-signature": "test_signature"})
    api.clock.advance(seconds=-301)
    header = sign(raw, secret=SECRET, at_s=int(api.clock.at.timestamp()))
    api.clock.advance(seconds=301)
    old = await api.post("/webhooks/stripe", content=raw, headers={"stripe-signature": header})

    assert [answer.status_code for answer in (wrong, none, test, old)] == [400] * 4
    assert wrong.json()["error"] == old.json()["error"] == "signature_refused"
    assert none.json()["error"] == "signature_missing"
    assert effects(api, "evt_forged") == (0, 0, 0)


async def test_an_event_of_an_unknown_customer_is_refused(api: Api) -> None:
    answer = await deliver(api, event("evt_unknown", customer="cus_nobody"))

    assert (answer.status_code, answer.json()["error"]) == (422, "unknown_customer")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"type": ""}',
        b'{"type": "a", "data": {"object": {"amount_paid": -1}}}',
        b'{"type": "a"}',
    ],
)
async def test_a_signed_body_that_is_no_event_is_refused(api: Api, body: bytes) -> None:
    answer = await deliver(api, body)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_event")


async def test_a_body_without_end_is_cut_off(api: Api) -> None:
    answer = await deliver(api, b" " * (BODY_BYTES_MAX + 1))

    assert answer.status_code == 413


async def test_the_test_signature_works_where_there_is_a_demo_tenant(demo: Api) -> None:
    """The form of a webhook flood that people already have: no id, no customer, no key."""
    header = {"stripe-signature": "test_signature"}
    first = await demo.post(
        "/api/webhooks/stripe", tenant=None, json={"type": "invoice.payment_succeeded"}, headers=header
    )
    second = await demo.post(
        "/api/webhooks/stripe", tenant=None, json={"type": "invoice.payment_succeeded"}, headers=header
    )
    keyed = await demo.post("/api/webhooks/stripe", tenant=3, json=event("evt_keyed"), headers=header)
    nobody = await demo.post(
        "/api/webhooks/stripe", tenant=None, json=event("evt_k2"), headers={**header, "x-tenant-key": "nobody"}
    )

    assert (first.status_code, first.json()["tenant_id"]) == (200, demo.data.tenants[0][0])
    assert first.json()["event_id"] != second.json()["event_id"]
    assert keyed.json()["tenant_id"] == demo.data.tenants[3][0]
    assert nobody.status_code == 401


async def test_without_a_key_the_demo_tenant_is_meant(demo: Api) -> None:
    assert (await demo.get("/api/users", tenant=None)).json()["tenant_id"] == demo.data.tenants[0][0]
    assert (await demo.get("/api/users", tenant=2)).json()["tenant_id"] == demo.data.tenants[2][0]
    assert (await demo.get("/api/users", tenant=None, headers={"x-tenant-key": "nobody"})).status_code == 401
