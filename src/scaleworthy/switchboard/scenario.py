"""The load to put on Switchboard: what a working day asks of it, as a plan.

Question: which requests, how often, from whom?
Answer:   people at desks (dashboards, lists, leads) make most of the requests, telephony and payment events the rest. Every
          scenario has one step, so that the plan's rate is requests per second. Tenants take turns at random.
Not here: how fast; that is the caller's `rate`, or find-limit's search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from scaleworthy.errors import TargetError
from scaleworthy.switchboard.tenancy import HEADER

OBJECTIVES = ("p95 < 200ms", "failed < 1%")
# Requests in a hundred, and why that many.
WEIGHTS = {
    "list leads": 15,  # the page an agent works from, reloaded after each call
    "list leads, deep page": 3,  # few people page on; day-one's cost grows with the page, tuned's does not
    "get lead": 12,  # opened before each call
    "search leads": 2,  # somebody calls back, and all there is is a name; few, but day-one reads every lead for each
    "leads in bulk": 1,  # lists that are imported a page at a time: one request, ten leads
    "create lead": 6,  # web forms and imports, all day
    "lead statistics": 4,  # the head of the lead page, where it is shown
    "dashboard metrics": 11,  # the start page, on a screen that refreshes itself
    "analytics dashboard": 4,  # managers, some times a day
    "kpis": 4,  # managers, for a range of days
    "overview": 1,  # the same managers, first thing in the morning
    "list campaigns": 5,  # the selector beside the lead list
    "list recordings": 5,  # listening back
    "start call": 8,  # telephony: each call starts,
    "end call": 8,  # and ends
    "call context": 2,  # what the agent sees when a call comes, where it is not the lead's page
    "knowledge search": 1,  # a question that came up in a call
    "payment event": 5,  # billing runs
    "health": 3,  # balancers and monitors
}
_TENANTS_MAX = 40
_LEADS_PER_TENANT = 20
_DEEP_PAGE = 20
_WORD_LEAST = 2
_LEADS_IN_BULK = 10
_TIMEOUT_S = 30.0
_SAMPLERS = 2


class HasKey(Protocol):
    """A tenant, as far as a plan needs it."""

    @property
    def key(self) -> str:
        """What to send as `x-tenant-key`."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """What exists at one tenant: leads to open, their numbers and last names, calls to end, a cursor deep in the list."""

    key: str
    leads: list[tuple[int, str, str]]
    calls: list[int]
    cursor: str


def mixed_plan(
    url: str,
    tenants: Sequence[HasKey],
    *,
    rate: str = "20/s",
    duration: str = "30s",
    seed: int = 1,
    tenants_max: int = _TENANTS_MAX,
) -> dict[str, Any]:
    """Return the mixed scenario as a plan for a Switchboard that answers at *url* with its demo tenant on.

    Three requests per tenant, of at most *tenants_max* tenants, find out which leads and calls there are.

    Args:
        rate: Requests per second, such as `50/s`.
        duration: How long requests start, such as `30s`.
        seed: Of the plan's random choices.

    Raises:
        TargetError: The service does not answer as it should.
    """
    with ThreadPoolExecutor(_SAMPLERS) as pool:
        samples = list(pool.map(lambda tenant: _sample(url, tenant.key), tenants[:tenants_max]))
    if not samples:
        raise TargetError("Switchboard has no tenants to send requests as", hint="seed its database")
    steps = _steps()
    return {
        "target": url,
        "headers": {HEADER: "{{ key }}"},
        "http": {"timeout": "10s"},
        "feeders": [{"rows": list(_rows(samples)), "order": "random"}],
        "scenarios": [
            {"name": name, "weight": weight, "steps": [{**steps[name], "name": name}]}
            for name, weight in WEIGHTS.items()
        ],
        "load": {"rate": rate, "for": duration, "arrivals": "poisson"},
        "objectives": list(OBJECTIVES),
        "seed": seed,
    }


def _steps() -> dict[str, dict[str, Any]]:
    """Return the request of each scenario."""
    ok, created = {"expect": {"status": 200}}, {"expect": {"status": 201}}
    # An end that is reported twice is answered 200 too: when all calls of the rows are over, this is what is measured.
    event = {"type": "invoice.payment_succeeded", "id": "evt_load_{{ $uuid }}"}
    paid = {"data": {"object": {"amount_paid": 4900, "currency": "usd"}}}
    return {
        "list leads": {"get": "/api/leads?limit=20", **ok},
        "list leads, deep page": {"get": "/api/leads?limit=20&cursor={{ cursor }}", **ok},
        "get lead": {"get": "/api/leads/{{ lead }}", **ok},
        "search leads": {"get": "/api/leads/search?q={{ word }}&limit=20", **ok},
        "leads in bulk": {
            "post": "/api/leads/bulk",
            "json": {
                "leads": [
                    {"name": f"Ann {{{{ $n }}}}-{number}", "phone": f"+1555{{{{ $n }}}}{number}", "source": "import"}
                    for number in range(_LEADS_IN_BULK)
                ]
            },
            **ok,
        },
        "create lead": {
            "post": "/api/leads",
            "json": {"name": "Ann {{ $n }}", "phone": "+1555{{ $n }}", "source": "web", "value_cents": 120000},
            **created,
        },
        "lead statistics": {"get": "/api/leads/statistics", **ok},
        "dashboard metrics": {"get": "/api/dashboard/metrics", **ok},
        "analytics dashboard": {"get": "/api/analytics/dashboard", **ok},
        "kpis": {"post": "/api/analytics/kpis", "json": {"dateRange": "7d"}, **ok},
        "overview": {"get": "/api/analytics/overview", **ok},
        "list campaigns": {"get": "/api/campaigns", **ok},
        "list recordings": {"get": "/api/recordings?limit=20", **ok},
        "start call": {"post": "/api/calls/start", "json": {"phone_number": "{{ phone }}"}, **created},
        "end call": {
            "post": "/api/calls/end",
            "json": {"call_id": "{{ call }}", "status": "completed", "duration_s": 95},
            **ok,
        },
        "call context": {"get": "/api/context?lead_id={{ lead }}", **ok},
        "knowledge search": {"get": "/api/knowledge/search?q=how+much+does+{{ word }}+cost", **ok},
        "payment event": {
            "post": "/api/webhooks/stripe",
            "headers": {"stripe-signature": "test_signature"},
            "json": {**event, **paid},
            **ok,
        },
        "health": {"get": "/api/health", **ok},
    }


def _rows(samples: Sequence[_Sample]) -> Iterator[dict[str, str]]:
    """Return the feeder's rows: each names a tenant and things of that same tenant."""
    for sample in samples:
        for index, (lead, phone, word) in enumerate(sample.leads):
            call = sample.calls[index % len(sample.calls)]
            yield {
                "key": sample.key,
                "lead": str(lead),
                "phone": phone,
                "word": word,
                "call": str(call),
                "cursor": sample.cursor,
            }


def _sample(url: str, key: str) -> _Sample:
    """Ask what one tenant has."""
    listed = _get(url, f"/api/leads?limit={_LEADS_PER_TENANT}", key)
    deep = _get(url, f"/api/leads?limit=20&page={_DEEP_PAGE}", key)
    active = _get(url, "/api/dashboard/metrics", key)["active_calls"]
    leads = [(lead["id"], lead["phone"] or "+15550100", _word(lead["name"])) for lead in listed["leads"]]
    cursor = deep["next"] or listed["next"]
    if not active or cursor is None:
        raise TargetError(
            f"tenant {listed['tenant_id']} has {len(leads)} leads on a page of {_LEADS_PER_TENANT} and {len(active)} active"
            " calls; a second page and an active call are needed",
            hint="seed its database",
        )
    return _Sample(key, leads, [call["id"] for call in active], cursor)


def _word(name: str) -> str:
    """Return what a lead is searched for by: its last name, or, where that is a letter or a digit, which is refused, a word before it."""
    return next((word for word in reversed(name.split()) if len(word) >= _WORD_LEAST), "Ann")


def _get(url: str, path: str, key: str) -> Any:
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={HEADER: key})
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        raise TargetError(f"Switchboard at {url} does not answer {path}: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise TargetError(
            f"Switchboard at {url} answers {path} with {answer.status}: {body[:200].decode(errors='replace')}"
        )
    return orjson.loads(body)
