"""Many leads at once: created or changed one by one, or together. Both ways answer alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from scaleworthy.runtime.bulk import Outcome, bulk_create, bulk_update
from scaleworthy.runtime.bulk.outcome import failure_of, is_of_a_row
from scaleworthy.runtime.bulk.texts import is_unsendable
from scaleworthy.switchboard.database import Row
from scaleworthy.switchboard.queries import leads as sql
from scaleworthy.switchboard.shape import BulkWrites

Given = Mapping[int, Mapping[str, Any]]
Failed = dict[int, str]
_REFERENCES = {"owner_id": "users", "campaign_id": "campaigns"}


@dataclass(frozen=True, slots=True)
class LeadWrites:
    """Writes in a transaction of the tenant's; each method takes rows by their index and returns why some are not in."""

    connection: AsyncConnection[Any]
    tenant: UUID
    now: datetime
    way: BulkWrites

    async def create(self, leads: Given) -> Failed:
        """Create *leads* (all fields), each with its first activity."""
        if self.way == "row by row":
            return await self._each(leads, [sql.REFERENCES, sql.CREATE])
        failed = await self._without_references(leads)
        places = [index for index in leads if index not in failed]
        if not places:
            return failed
        ids = await self._rows(sql.NEW_IDS, {"count": len(places)})
        stamps = {"tenant_id": self.tenant, "created_at": self.now, "updated_at": self.now}
        rows = [
            {**leads[place], **stamps, "id": new["lead_id"], "last_activity_id": new["activity_id"]}
            for place, new in zip(places, ids, strict=True)
        ]
        created = await bulk_create(self.connection, "leads", rows)
        refused = _into(failed, places, created)
        activities = [
            {
                "id": row["last_activity_id"],
                "tenant_id": self.tenant,
                "lead_id": row["id"],
                "user_id": row["owner_id"],
                "kind": "created",
                "note": "Lead created",
                "occurred_at": self.now,
            }
            for place, row in zip(places, rows, strict=True)
            if place not in refused
        ]
        noted = await bulk_create(self.connection, "activities", activities)
        if noted.failures:
            raise psycopg.DataError(noted.failures[0].reason)
        return failed

    async def change(self, leads: Given) -> Failed:
        """Set what is given of *leads*, each of which has its `id`, none twice."""
        if self.way == "row by row":
            return await self._each(leads, [sql.REFERENCES])
        failed = await self._without_references(leads)
        # An UPDATE sets the same columns of all its rows: one for each set of fields that clients send.
        alike: dict[frozenset[str], list[int]] = {}
        for index, lead in leads.items():
            if index not in failed:
                alike.setdefault(frozenset(lead), []).append(index)
        for places in alike.values():
            rows = [{**leads[place], "updated_at": self.now} for place in places]
            changed = await bulk_update(self.connection, "leads", rows)
            for failure in changed.failures:
                index = places[failure.index]
                failed[index] = missing(leads[index]["id"]) if failure.code == "02000" else failure.reason
        return failed

    async def _each(self, leads: Given, statements: Sequence[str]) -> Failed:
        """Run *statements*, or the change of a lead, for one lead after the other."""
        failed: Failed = {}
        for index, lead in leads.items():
            values = {"owner_id": None, "campaign_id": None, "tenant_id": self.tenant, "now": self.now, **lead}
            try:
                async with self.connection.transaction():
                    references = (await self._rows(statements[0], values))[0]
                    lacking = [name for name in _REFERENCES if not references[name]]
                    if lacking:
                        failed[index] = no_such(lacking[0])
                        continue
                    write = statements[1] if len(statements) > 1 else sql.change(set(lead) - {"id"})
                    if not await self._rows(write, values):
                        failed[index] = missing(values["id"])
            except psycopg.Error as error:
                if not (is_of_a_row(error) or is_unsendable(error)):
                    raise
                failed[index] = failure_of(index, error).reason
        return failed

    async def _without_references(self, leads: Given) -> Failed:
        """Return those that name an owner or a campaign that this tenant does not have: the foreign key does not ask the policies."""
        failed: Failed = {}
        for name, table in _REFERENCES.items():
            wanted = {lead[name] for lead in leads.values() if lead.get(name) is not None}
            if wanted:
                there = {row["id"] for row in await self._rows(sql.PRESENT[table], {"ids": list(wanted)})}
                for index, lead in leads.items():
                    if lead.get(name) is not None and lead[name] not in there:
                        failed.setdefault(index, no_such(name))
        return failed

    async def _rows(self, text: str, values: Mapping[str, Any]) -> list[Row]:
        async with self.connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(text.encode(), values)
            return await cursor.fetchall()


def missing(lead: int) -> str:
    """Return what is said of a lead that the tenant does not have."""
    return f"there is no lead {lead}"


def no_such(field: str) -> str:
    """Return what is said of a reference to what the tenant does not have."""
    return f"{field}: this tenant has no such {field.removesuffix('_id')}"


def _into(failed: Failed, places: Sequence[int], outcome: Outcome) -> set[int]:
    refused = {places[failure.index]: failure.reason for failure in outcome.failures}
    failed.update(refused)
    return set(refused)
