"""Kept answers follow what changes in the database; where that cannot be, health says why and they end by time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from scaleworthy.runtime.invalidation import SlotFollower
from scaleworthy.servers import Postgres, Valkey
from scaleworthy.switchboard.follow import PUBLICATION, RULES, forget_slot, slot_of
from scaleworthy.switchboard.migrate import follower_dsn
from scaleworthy.switchboard.shape import SHAPES
from waiting import until

from .conftest import memory_folder
from .running import Api, Data, fill, serving

_KPIS = {"dateRange": "7d"}


@pytest.fixture(scope="module")
def followed() -> Iterator[Data]:
    with Postgres.start(fsync=False, settings={"wal_level": "logical"}, temporary=memory_folder()) as server:
        yield fill(server, "followed", sets=("tuned",))


async def shows(api: Api, path: str, tenant: int, leads: int) -> None:
    """Wait until the answer counts so many leads: sooner than its time is over."""

    async def counted() -> bool:
        return (await api.get(path, tenant=tenant)).json()["leads"]["total"] == leads

    await until(counted, f"{path} counts {leads}")


async def test_a_dashboard_shows_what_its_tenant_wrote_before_its_time_is_over(
    followed: Data, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHAPES, "tuned", replace(SHAPES["tuned"], cache_s=3600.0))
    async with serving(followed, "tuned", cache=valkey.url, follower_dsn=follower_dsn(followed.owner)) as api:
        reads = "select 1 from pg_replication_slots where slot_name = %s and active"
        # Before that all there is is dropped: whoever asks then would see the change whatever the rules say.
        await until(lambda: followed.rows(reads, [slot_of(followed.owner)]), "the log is read")
        path = "/api/dashboard/metrics"
        first = (await api.get(path)).json()["leads"]["total"]
        others = (await api.get(path, tenant=1)).json()
        made = await api.post("/api/leads", json={"name": "Ann", "source": "web"})
        assert made.status_code == 201
        await shows(api, path, 0, first + 1)
        assert (await api.send("DELETE", f"/api/leads/{made.json()['id']}")).status_code == 204
        await shows(api, path, 0, first)
        assert (await api.get(path, tenant=1)).json() == others

        async def well() -> dict[str, object] | None:
            health = (await api.get("/api/health", tenant=None)).json()
            return None if health["reasons"] else health

        # A server that was slow for a moment is no fault of who follows, and is told too.
        assert (await until(well, "health has no reasons"))["status"] == "ok"


async def test_the_migration_publishes_what_the_rules_name(followed: Data) -> None:
    follower = SlotFollower(followed.owner, _Nobody(), RULES, slot=slot_of(followed.owner), publication=PUBLICATION)
    # It looks at tables and publication before it makes anything: what the migration made is what it would make.
    await follower.create()
    rows = followed.rows("select tablename, attnames from pg_publication_tables where pubname = %s", [PUBLICATION])
    found = {str(table): set(columns) for table, columns in rows}
    wanted = {rule.table: {"id", *rule.columns} for rule in RULES}
    assert {table: columns for table, columns in found.items() if table != "tenants"} == {
        table: columns for table, columns in wanted.items() if table != "tenants"
    }
    assert set(found) == set(wanted)


async def test_where_the_log_is_not_decoded_health_says_so_and_answers_are_served(
    data: dict[str, Data], valkey: Valkey
) -> None:
    tuned = data["tuned"]
    async with serving(tuned, "tuned", cache=valkey.url, follower_dsn=follower_dsn(tuned.owner)) as api:
        assert (await api.post("/api/analytics/kpis", json=_KPIS)).status_code == 200

        async def told() -> dict[str, object] | None:
            health = (await api.get("/api/health", tenant=None)).json()
            return health if any("wal_level is replica" in reason for reason in health["reasons"]) else None

        assert (await until(told, "health says why"))["status"] == "degraded"


def test_a_slot_that_nobody_reads_is_dropped(followed: Data) -> None:
    dsn = follower_dsn(followed.owner)
    slots = "select count(*) from pg_replication_slots where slot_name = %s"
    followed.rows(
        "select pg_create_logical_replication_slot(%s, 'pgoutput') where (" + slots + ") = 0", [slot_of(dsn)] * 2
    )
    assert followed.rows(slots, [slot_of(dsn)]) == [(1,)]
    forget_slot(dsn)
    assert followed.rows(slots, [slot_of(dsn)]) == [(0,)]
    forget_slot(dsn)
    forget_slot("postgresql://nobody@127.0.0.1:1/nothing")


class _Nobody:
    """Is told nothing here."""

    async def invalidate(self, **_: object) -> bool:
        return True
