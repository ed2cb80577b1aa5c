"""Make the rows: vectors of random numbers, turned into the text of COPY.

Question: what does a year of several tenants' work look like?
Model:    tenants differ in size (the largest has some ten times the smallest); leads arrive more often as time goes on; an
          activity lies between its lead's creation and the end; ids grow with time across tenants, as sequences give them.
Units:    times are microseconds since 1970, UTC; durations are seconds; money is cents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_DNS, UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from scaleworthy.switchboard.seed import voice, words
from scaleworthy.switchboard.seed.size import Size

Ints = NDArray[np.int64]
_DAY_US = 86_400 * 10**6
_YEAR_US = 365 * _DAY_US
_CHUNK_ROWS = 50_000
_ACTIVE_SHARE = 0.02
_RECORDED_PER_TRANSCRIPT = 20


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table, as COPY takes them."""

    table: str
    columns: tuple[str, ...]
    count: int
    values: Sequence[Sequence[Any]]

    def chunks(self) -> Iterator[bytes]:
        """Return the rows as tab-separated lines, some ten thousand at a time. No value holds a tab, newline or backslash."""
        line = "\t".join(["%s"] * len(self.columns)) + "\n"
        for start in range(0, self.count, _CHUNK_ROWS):
            part = zip(*(column[start : start + _CHUNK_ROWS] for column in self.values), strict=True)
            yield "".join([line % row for row in part]).encode()


class Generator:
    """The data of one size, seed and end; call the tables in the order of `tables`."""

    def __init__(self, size: Size, *, seed: int, until: datetime) -> None:
        self._size = size
        self._seed = seed
        self._until_us = int(until.astimezone(UTC).timestamp()) * 10**6
        self._random = np.random.default_rng(seed)
        self.tenant_ids = [_tenant_id(seed, index) for index in range(size.tenants)]
        shares = 1.0 / (np.arange(size.tenants) + size.tenants / 10) ** 0.9
        # The demo tenant, the first, is of middling size whatever the seed.
        order = np.concatenate([[size.tenants // 2], np.delete(np.arange(size.tenants), size.tenants // 2)])
        self._shares = (shares / shares.sum())[order]
        self._lead_tenant = self._random.choice(size.tenants, size.leads, p=self._shares).astype(np.int64)
        age = self._random.random(size.leads) ** 1.4
        self._lead_created = np.sort(self._until_us - (age * _YEAR_US).astype(np.int64))
        self._heard: tuple[Ints, Ints] = (np.empty(0, np.int64), np.empty(0, np.int64))
        self._lead_phone = self._random.permutation(np.arange(size.leads, dtype=np.int64)) + 2_000_000_000

    def tables(self) -> Iterator[Rows]:
        """Return every table, those pointed at before those that point."""
        yield self._tenants()
        yield self._users()
        yield self._campaigns()
        activities, last_activity = self._activities()
        yield self._leads(last_activity)
        yield activities
        yield from self._calls_and_recordings()
        yield from self._events_and_payments()
        yield from self._voice()

    def _tenants(self) -> Rows:
        size = self._size
        keys = [f"key_{self._random.bytes(12).hex()}" for _ in range(size.tenants)]
        names = [
            f"{_pick(words.COMPANY_FIRST, i)} {_pick(words.COMPANY_LAST, i // 16)} {i + 1}" for i in range(size.tenants)
        ]
        customers = [f"cus_{self._seed}_{i + 1}" for i in range(size.tenants)]
        demo = ["t" if i == 0 else "f" for i in range(size.tenants)]
        created = [_time(self._until_us - _YEAR_US)] * size.tenants
        columns = ("id", "key", "name", "stripe_customer", "demo", "created_at")
        return Rows("tenants", columns, size.tenants, (self.tenant_ids, keys, names, customers, demo, created))

    def _users(self) -> Rows:
        each = self._size.users_per_tenant
        count = self._size.tenants * each
        tenants = np.repeat(np.arange(self._size.tenants), each)
        names = self._people(count)
        emails = [f"{name.lower().replace(' ', '.')}.{i + 1}@example.com" for i, name in enumerate(names)]
        roles = [("admin" if i % each == 0 else "manager" if i % each < 4 else "agent") for i in range(count)]
        created = _times(np.full(count, self._until_us - _YEAR_US) + np.arange(count) * 10**6)
        columns = ("id", "tenant_id", "name", "email", "role", "created_at")
        return Rows("users", columns, count, (_ids(count), self._ids_of(tenants), names, emails, roles, created))

    def _campaigns(self) -> Rows:
        each = self._size.campaigns_per_tenant
        count = self._size.tenants * each
        tenants = np.repeat(np.arange(self._size.tenants), each)
        names = [f"{_pick(words.COMPANY_LAST, i * 5)} outreach {i % each + 1}" for i in range(count)]
        channels = self._choose(("phone", "email", "sms"), (0.5, 0.4, 0.1), count)
        statuses = self._choose(("running", "paused", "finished", "draft"), (0.4, 0.1, 0.4, 0.1), count)
        budgets = (self._random.integers(10, 500, count) * 10_000).tolist()
        created = _times(self._until_us - self._random.integers(0, _YEAR_US, count))
        columns = ("id", "tenant_id", "name", "channel", "status", "budget_cents", "created_at")
        values = (_ids(count), self._ids_of(tenants), names, channels, statuses, budgets, created)
        return Rows("campaigns", columns, count, values)

    def _leads(self, last_activity: Ints) -> Rows:
        size, count, random = self._size, self._size.leads, self._random
        owners = self._lead_tenant * size.users_per_tenant + random.integers(1, size.users_per_tenant + 1, count)
        campaigns = self._lead_tenant * size.campaigns_per_tenant + random.integers(
            1, size.campaigns_per_tenant + 1, count
        )
        names = self._people(count)
        companies = [
            f"{first} {last}"
            for first, last in zip(
                self._choose(words.COMPANY_FIRST, None, count),
                self._choose(words.COMPANY_LAST, None, count),
                strict=True,
            )
        ]
        created = _times(self._lead_created)
        values = {
            "id": _ids(count),
            "tenant_id": self._ids_of(self._lead_tenant),
            "owner_id": owners.tolist(),
            "campaign_id": _nullable(campaigns, random.random(count) < 0.15),
            "name": names,
            "email": [f"{name.lower().replace(' ', '.')}{i}@example.org" for i, name in enumerate(names, 1)],
            "phone": self._phones(self._lead_phone),
            "company": companies,
            "status": self._choose(words.STATUSES, words.STATUS_SHARES, count),
            "source": self._choose(words.SOURCES, words.SOURCE_SHARES, count),
            "score": random.integers(0, 101, count).tolist(),
            "value_cents": (random.gamma(2.0, 150_000, count).astype(np.int64) // 100 * 100).tolist(),
            "last_activity_id": _nullable(last_activity, last_activity == 0),
            "created_at": created,
            "updated_at": created,
        }
        return Rows("leads", tuple(values), count, tuple(values.values()))

    def _activities(self) -> tuple[Rows, Ints]:
        """Return the activities, and per lead the id of its last one (0: it has none)."""
        size, count, random = self._size, self._size.activities, self._random
        lead = random.integers(0, size.leads, count)
        created = self._lead_created[lead]
        at = created + ((self._until_us - created) * random.random(count) ** 2).astype(np.int64)
        order = np.argsort(at, kind="stable")
        lead, at = lead[order], at[order]
        last = np.zeros(size.leads, dtype=np.int64)
        np.maximum.at(last, lead, np.arange(1, count + 1))
        tenants = self._lead_tenant[lead]
        users = tenants * size.users_per_tenant + random.integers(1, size.users_per_tenant + 1, count)
        values = {
            "id": _ids(count),
            "tenant_id": self._ids_of(tenants),
            "lead_id": (lead + 1).tolist(),
            "user_id": users.tolist(),
            "kind": self._choose(words.ACTIVITY_KINDS, words.ACTIVITY_SHARES, count),
            "note": self._choose(words.NOTES, None, count),
            "occurred_at": _times(at),
        }
        return Rows("activities", tuple(values), count, tuple(values.values())), last

    def _calls_and_recordings(self) -> Iterator[Rows]:
        """Ninety days of calls; the latest are still active."""
        count, random = self._size.calls, self._random
        active = round(count * _ACTIVE_SHARE)
        lead = random.integers(0, self._size.leads, count)
        started = np.sort(self._until_us - random.integers(_DAY_US // 24, 90 * _DAY_US, count))
        started[count - active :] = np.sort(self._until_us - random.integers(0, _DAY_US // 48, active))
        statuses = np.array(self._choose(words.CALL_STATUSES, words.CALL_SHARES, count), dtype=object)
        talked = np.isin(statuses, ["completed", "voicemail"])
        duration = np.where(talked, random.gamma(1.5, 120.0, count).astype(np.int64) + 5, 0)
        is_active = np.arange(count) >= count - active
        statuses[is_active] = "active"
        ended = started + (duration + 20) * 10**6
        values = {
            "id": _ids(count),
            "tenant_id": self._ids_of(self._lead_tenant[lead]),
            "lead_id": _nullable(lead + 1, random.random(count) < 0.1),
            "phone_number": self._phones(self._lead_phone[lead]),
            "direction": self._choose(("outbound", "inbound"), (0.7, 0.3), count),
            "status": statuses.tolist(),
            "started_at": _times(started),
            "ended_at": [NULL if a else t for a, t in zip(is_active.tolist(), _times(ended), strict=True)],
            "duration_s": _nullable(duration, is_active),
        }
        yield Rows("calls", tuple(values), count, tuple(values.values()))

        recorded = np.flatnonzero(statuses == "completed")
        values = {
            "id": _ids(len(recorded)),
            "tenant_id": self._ids_of(self._lead_tenant[lead][recorded]),
            "call_id": (recorded + 1).tolist(),
            "object_key": [f"calls/{call}.wav" for call in (recorded + 1).tolist()],
            "duration_s": duration[recorded].tolist(),
            # 8,000 bytes a second: μ-law as telephony carries it.
            "size_bytes": (duration[recorded] * 8000).tolist(),
            "created_at": _times(ended[recorded]),
        }
        yield Rows("recordings", tuple(values), len(recorded), tuple(values.values()))
        self._heard = (
            recorded[::_RECORDED_PER_TRANSCRIPT],
            self._lead_tenant[lead][recorded[::_RECORDED_PER_TRANSCRIPT]],
        )

    def _voice(self) -> Iterator[Rows]:
        """Transcripts of some calls, each tenant's articles and tasks."""
        # A source of its own: what came before has the same rows as it had without these.
        random = np.random.default_rng([self._seed, 1])
        calls, tenants = self._heard
        lines = voice.transcripts(self._ids_of(tenants), (calls + 1).tolist(), random)
        yield Rows("transcripts", *lines)
        yield Rows("knowledge", *voice.articles(self.tenant_ids, _time(self._until_us - _YEAR_US), random))
        latest = [
            (np.flatnonzero(self._lead_tenant == index)[-100:] + 1).tolist() for index in range(self._size.tenants)
        ]
        yield Rows("tasks", *voice.tasks(self.tenant_ids, latest, _time(self._until_us - _DAY_US), random))

    def _events_and_payments(self) -> Iterator[Rows]:
        count, random = self._size.webhook_events, self._random
        tenant = random.choice(self._size.tenants, count, p=self._shares)
        at = _times(np.sort(self._until_us - random.integers(0, 180 * _DAY_US, count)))
        types = self._choose(words.EVENT_TYPES, words.EVENT_SHARES, count)
        event_ids = [f"evt_{self._seed}_{i}" for i in range(1, count + 1)]
        amounts = (random.integers(1, 50, count) * 4_900).tolist()
        payloads = [
            f'{{"id": "{event}", "type": "{kind}", "data": {{"object": {{"amount_paid": {amount}, "currency": "usd"}}}}}}'
            for event, kind, amount in zip(event_ids, types, amounts, strict=True)
        ]
        tenant_ids = self._ids_of(tenant)
        columns = ("id", "tenant_id", "event_id", "type", "payload", "received_at")
        yield Rows("webhook_events", columns, count, (_ids(count), tenant_ids, event_ids, types, payloads, at))

        paid = [i for i, kind in enumerate(types) if kind == words.EVENT_TYPES[0]]
        values = {
            "id": _ids(len(paid)),
            "tenant_id": [tenant_ids[i] for i in paid],
            "webhook_event_id": [i + 1 for i in paid],
            "amount_cents": [amounts[i] for i in paid],
            "currency": ["usd"] * len(paid),
            "paid_at": [at[i] for i in paid],
        }
        yield Rows("payments", tuple(values), len(paid), tuple(values.values()))

    def _choose(self, what: Sequence[str], shares: Sequence[float] | None, count: int) -> list[str]:
        chosen = self._random.choice(len(what), count, p=shares)
        return list(np.array(what, dtype=object)[chosen].tolist())

    def _people(self, count: int) -> list[str]:
        first = self._choose(words.FIRST_NAMES, None, count)
        last = self._choose(words.LAST_NAMES, None, count)
        return [f"{a} {b}" for a, b in zip(first, last, strict=True)]

    def _ids_of(self, tenants: Ints) -> list[UUID]:
        return list(np.array(self.tenant_ids, dtype=object)[tenants].tolist())

    def _phones(self, numbers: Ints) -> list[str]:
        return [f"+1{number}" for number in numbers.tolist()]


# How COPY's text form writes NULL.
NULL = "\\N"


def _tenant_id(seed: int, index: int) -> UUID:
    return uuid5(NAMESPACE_DNS, f"{seed}.{index}.tenants.switchboard.example")


def _pick(what: Sequence[str], index: int) -> str:
    return what[index % len(what)]


def _ids(count: int) -> range:
    return range(1, count + 1)


def _time(us: int) -> str:
    return f"{np.datetime64(us, 'us')}+00"


def _times(us: Ints) -> list[str]:
    # The setting of the session that copies is UTC: a time without zone is one.
    return list(us.astype("datetime64[us]").astype(str).tolist())


def _nullable(values: Ints, missing: NDArray[np.bool_]) -> list[Any]:
    column = values.astype(object)
    column[missing] = NULL
    return list(column.tolist())
