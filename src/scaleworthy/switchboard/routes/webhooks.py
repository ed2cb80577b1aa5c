"""Payment events of the provider: signed, and each with its effect once."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

import orjson
from fastapi import APIRouter, Request
from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field, StringConstraints, ValidationError

from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.queries import webhooks as sql
from scaleworthy.switchboard.refusal import Refusal, problems_of
from scaleworthy.switchboard.request import AnyService, Service
from scaleworthy.switchboard.signature import complaint
from scaleworthy.switchboard.tenancy import HEADER, Tenant

router = APIRouter(tags=["webhooks"])

SIGNATURE_HEADER = "stripe-signature"
# Accepted where there is a demo tenant, and only there.
TEST_SIGNATURE = "test_signature"
BODY_BYTES_MAX = 256 * 1024
_PAYMENT = "invoice.payment_succeeded"

_Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class _Object(BaseModel):
    customer: _Text | None = None
    amount_paid: Annotated[int, Field(ge=0, le=10**12)] = 0
    currency: Annotated[str, StringConstraints(min_length=3, max_length=3)] = "usd"


class _Data(BaseModel):
    object: _Object = Field(default_factory=_Object)


class Event(BaseModel):
    """The part of a provider's event that is read here; all of it is stored."""

    id: _Text | None = None
    type: _Text
    data: _Data = Field(default_factory=_Data)


@router.post("/webhooks/stripe", response_model=None)
async def receive_event(service: AnyService, request: Request) -> Any:
    """Take a payment event. A second delivery is answered alike, with `duplicate`, and has no second effect."""
    body = await _read(request)
    tested = _verify(service, request.headers.get(SIGNATURE_HEADER), body)
    event, payload = _parse(body)
    if event.id is None and not tested:
        raise Refusal(400, "invalid_event", "the event has no id")
    event_id = event.id or f"evt_test_{uuid4().hex}"
    tenant = await _tenant_of(service, request, event, tested=tested)
    paid = event.data.object
    values = {
        "tenant_id": tenant.id,
        "event_id": event_id,
        "type": event.type,
        "payload": Jsonb(payload),
        "pays": event.type == _PAYMENT,
        "amount_cents": paid.amount_paid,
        "currency": paid.currency,
        "now": service.now(),
    }
    queued = service.shape.webhooks == "queued"
    store = Statement(sql.QUEUE if queued else sql.STORE, values)
    _, stored = await service.database.run(tenant.id, Statement(sql.LOCK, values), store)
    if queued and stored:
        service.live.nudge()
    return service.answer({"received": True, "event_id": event_id, "tenant_id": tenant.id, "duplicate": not stored})


async def _read(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise Refusal(413, "too_large", f"an event has at most {BODY_BYTES_MAX} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _verify(service: Service, header: str | None, body: bytes) -> bool:
    """Refuse a body that is not signed; return whether it was let in by the demo's test signature."""
    if header is None:
        raise Refusal(400, "signature_missing", f"the header {SIGNATURE_HEADER} is missing")
    if header == TEST_SIGNATURE and service.default_key is not None:
        return True
    if service.webhook_secret is None:
        raise Refusal(400, "signature_refused", "no webhook secret is configured: no signature can be checked")
    problem = complaint(header, body, secret=service.webhook_secret, now_s=service.now().timestamp())
    if problem is not None:
        raise Refusal(400, "signature_refused", problem)
    return False


def _parse(body: bytes) -> tuple[Event, dict[str, Any]]:
    try:
        payload = orjson.loads(body)
        return Event.model_validate(payload), payload
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "invalid_event", f"the event is not JSON: {error}") from error
    except ValidationError as error:
        message, problems = problems_of(error.errors())
        raise Refusal(400, "invalid_event", message, problems=problems) from error


async def _tenant_of(service: Service, request: Request, event: Event, *, tested: bool) -> Tenant:
    """Return the tenant billed as the event's customer; a test event may name its tenant by key, or mean the demo tenant."""
    customer = event.data.object.customer
    tenant = await service.tenants.by_customer(customer) if customer is not None else None
    if tenant is None and tested:
        key = request.headers.get(HEADER) or service.default_key
        tenant = await service.tenants.by_key(key) if key is not None else None
        if tenant is None:
            raise Refusal(401, "unknown_tenant", f"no tenant has the key given in {HEADER}")
    if tenant is None:
        raise Refusal(422, "unknown_customer", f"no tenant is billed as customer {customer!r}")
    return tenant
