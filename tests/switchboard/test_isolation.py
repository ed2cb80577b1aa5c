"""A tenant sees its own rows and no others, whatever it asks, and whatever the service forgets."""

import asyncio
import random
from uuid import UUID

import psycopg
import pytest

from scaleworthy.switchboard.database import Database, Statement
from scaleworthy.switchboard.seed.fill import TABLES
from scaleworthy.switchboard.shape import RoundTrips

from .running import Api, Data
from .test_routes import READS, owners_of

SCOPED = [table for table in TABLES if table != "tenants"]


@pytest.mark.parametrize("key", [None, "", "key_of_nobody", "' or 1=1 --", "ké"])
async def test_without_a_tenants_key_there_is_no_answer(api: Api, key: str | None) -> None:
    headers = {} if key is None else {"x-tenant-key": key.encode("latin-1")}
    answer = await api.client.get("/api/leads", headers=headers)

    assert answer.status_code == 401
    assert "x-tenant-key" in answer.json()["message"]


async def test_another_tenants_ids_do_not_exist(api: Api) -> None:
    theirs = (await api.get("/leads?limit=1", tenant=1)).json()["leads"][0]
    call = (await api.get("/dashboard/metrics", tenant=1)).json()["active_calls"][0]
    user = (await api.get("/users", tenant=1)).json()["users"][0]
    campaign = (await api.get("/campaigns", tenant=1)).json()["campaigns"][0]

    assert (await api.get(f"/leads/{theirs['id']}")).status_code == 404
    assert (await api.send("PUT", f"/leads/{theirs['id']}", json={"score": 1})).status_code == 404
    assert (await api.send("DELETE", f"/leads/{theirs['id']}")).status_code == 404
    assert (await api.post("/calls/end", json={"call_id": call["id"]})).status_code == 404
    assert (await api.post("/calls/start", json={"phone": "+1555", "lead_id": theirs["id"]})).status_code == 422
    assert (await api.post("/leads", json={"name": "A", "owner_id": user["id"]})).status_code == 422
    assert (await api.post("/leads", json={"name": "A", "campaign_id": campaign["id"]})).status_code == 422
    mine = (await api.get("/leads?limit=1")).json()["leads"][0]
    assert (await api.send("PUT", f"/leads/{mine['id']}", json={"owner_id": user["id"]})).status_code == 422
    assert (await api.get(f"/leads/{theirs['id']}", tenant=1)).json()["score"] == theirs["score"]


async def test_another_tenants_number_identifies_nobody(api: Api) -> None:
    theirs = (await api.get("/leads?limit=1", tenant=1)).json()["leads"][0]

    call = (await api.post("/calls/start", json={"phone": theirs["phone"]})).json()

    assert call["lead_id"] is None


async def test_another_tenants_cursor_leads_into_ones_own_list(api: Api) -> None:
    cursor = (await api.get("/leads?limit=5", tenant=1)).json()["next"]

    page = (await api.get(f"/leads?limit=5&cursor={cursor}")).json()

    assert owners_of(page) == {api.data.tenants[0][0]}


async def test_many_tenants_at_once_on_few_connections_see_only_their_own(api: Api) -> None:
    choice = random.Random(3)
    # More at once than there are connections, and few enough that none waits for long on a busy machine.
    at_once = asyncio.Semaphore(12)

    async def ask() -> None:
        tenant = choice.randrange(len(api.keys))
        async with at_once:
            answer = await api.get(choice.choice(READS), tenant=tenant)
        assert owners_of(answer.json()) == {api.data.tenants[tenant][0]}

    await asyncio.gather(*(ask() for _ in range(150)))


@pytest.mark.parametrize("table", SCOPED)
def test_without_a_tenant_the_service_sees_nothing(data: dict[str, Data], table: str) -> None:
    for one in data.values():
        with psycopg.connect(one.app, autocommit=True) as connection:
            assert connection.execute(f"select count(*) from {table}").fetchone() == (0,)
            with connection.transaction():
                connection.execute("select set_config('app.current_tenant', %s, true)", [one.tenants[0][0]])
                mine = connection.execute(f"select count(*), count(distinct tenant_id) from {table}").fetchone()
            # The setting is '' now, not NULL, on this connection.
            assert connection.execute(f"select count(*) from {table}").fetchone() == (0,)
        assert mine is not None
        assert mine[0] > 0
        assert mine[1] == 1


def test_no_row_can_be_written_into_another_tenant(data: dict[str, Data]) -> None:
    one = data["tuned"]
    insert = "insert into users (tenant_id, name, email, role) values (%s, 'Eve', 'e@example.org', 'admin')"
    with psycopg.connect(one.app, autocommit=True) as connection, connection.transaction(force_rollback=True):
        connection.execute("select set_config('app.current_tenant', %s, true)", [one.tenants[0][0]])
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute(insert, [one.tenants[1][0]])
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("update users set tenant_id = %s", [one.tenants[1][0]])


def test_the_service_cannot_read_the_keys(data: dict[str, Data]) -> None:
    with psycopg.connect(data["tuned"].app) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select key from tenants")


def test_policies_hold_for_the_owner_too_and_the_service_cannot_step_around_them(data: dict[str, Data]) -> None:
    for one in data.values():
        forced = one.rows(
            "select relname, relrowsecurity and relforcerowsecurity from pg_class where relname = any(%s)", [SCOPED]
        )
        role = one.rows(
            "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = 'switchboard_app'"
        )
        owned = one.rows("select count(*) from pg_tables where tableowner = 'switchboard_app'")

        assert dict(forced) == dict.fromkeys(SCOPED, True)
        assert role == [(False, False, False, False)]
        assert owned == [(0,)]


@pytest.mark.parametrize("round_trips", ["per statement", "one"])
async def test_a_connection_goes_back_to_the_pool_without_its_tenant(
    data: dict[str, Data], round_trips: RoundTrips
) -> None:
    one = data["tuned"]
    database = Database(one.app, connections=1, round_trips=round_trips)
    await database.open(wait_s=5.0)
    try:
        count = Statement("select count(*) as leads from leads")
        [[scoped]] = await database.run(UUID(one.tenants[0][0]), count)
        [unscoped] = await database.unscoped(count)
    finally:
        await database.close()

    assert scoped["leads"] > 0
    assert unscoped["leads"] == 0
