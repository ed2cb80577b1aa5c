"""With replicas: what a tenant wrote it reads, wherever the answer comes from; a replica that is not well is told, and not missed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from scaleworthy.errors import UsageError
from scaleworthy.servers import Postgres, Valkey
from scaleworthy.switchboard.migrate import app_dsn
from scaleworthy.switchboard.service import Switchboard
from waiting import until

from .conftest import memory_folder
from .running import Api, Data, fill, serving


@dataclass
class Followed:
    """A filled database and one replica of it."""

    data: Data
    writer: Postgres
    replica: Postgres

    @property
    def replicas(self) -> tuple[str, ...]:
        return (app_dsn(self.replica.dsn_for("followed")),)


@pytest.fixture(scope="module")
def followed_server() -> Iterator[tuple[Postgres, Data]]:
    # Of its own: a replica copies all that its server has.
    with Postgres.start(temporary=memory_folder()) as server:
        yield server, fill(server, "followed", sets=("tuned",))


@pytest.fixture
def followed(followed_server: tuple[Postgres, Data]) -> Iterator[Followed]:
    writer, data = followed_server
    with writer.replica(temporary=memory_folder()) as replica:
        yield Followed(data, writer, replica)


async def health_that(api: Api, *, replicas: str) -> dict[str, object]:
    """Ask for health until it says that so many serve."""

    async def told() -> dict[str, object] | None:
        health = (await api.get("/health", tenant=None)).json()
        return health if health.get("replicas") == replicas else None

    return await until(told, f"health says that {replicas} serve")


async def answered_by_its_replica(api: Api) -> None:
    """Wait until a read of the service was: the first have no connection to it yet, and are not kept waiting for one."""

    async def was() -> bool:
        await api.get("/leads?limit=1")
        text = (await api.get("/metrics", tenant=None)).text
        return re.search(r'runtime_db_asked{what="replica_reads",[^}]*} [1-9]', text) is not None

    await until(was, "a replica answers")


def statements_on(server: Postgres) -> int:
    """Return how many connections of the service have asked this server for leads last."""
    asked = (
        "select count(*) from pg_stat_activity where usename = 'switchboard_app' and query ~ 'from (leads|activities)'"
    )
    return int(server.run_sql(asked, database="followed"))


async def test_what_a_tenant_wrote_it_reads_from_a_replica(followed: Followed) -> None:
    async with serving(followed.data, "tuned", replicas=followed.replicas) as api:
        assert (await health_that(api, replicas="1 of 1"))["status"] == "ok"
        for number in range(20):
            created = await api.post("/leads", json={"name": f"lead {number}"})
            listed = (await api.get("/leads?limit=1")).json()["leads"]
            assert [lead["id"] for lead in listed] == [created.json()["id"]]
            assert (await api.get(f"/leads/{created.json()['id']}")).status_code == 200
            await api.send("DELETE", f"/leads/{created.json()['id']}")
            assert (await api.get(f"/leads/{created.json()['id']}")).status_code == 404
        assert statements_on(followed.replica) >= 1


async def test_a_replica_that_is_behind_is_waited_for_no_longer_than_the_writer_takes(followed: Followed) -> None:
    async with (
        serving(followed.data, "tuned", replicas=followed.replicas) as api,
        serving(followed.data, "tuned", replicas=followed.replicas) as other,
    ):
        for one in (api, other):
            await health_that(one, replicas="1 of 1")
            await answered_by_its_replica(one)
        followed.replica.run_sql("select pg_wal_replay_pause()")

        created = await api.post("/leads", json={"name": "Ann"})
        path = f"/leads/{created.json()['id']}"

        assert (await api.get(path)).status_code == 200, "another client of the tenant, the same process"
        token = created.headers["x-read-position"]
        cookie = created.headers["set-cookie"].partition(";")[0]
        api.client.cookies.clear()
        assert (await other.get(path)).status_code == 404, "another process knows nothing of it"
        for told in ({"x-read-position": token}, {"cookie": cookie}):
            assert (await other.get(path, headers=told)).status_code == 200, "until the client says so"
        assert "x-read-position" not in (await api.get(path)).headers, "who only reads is told nothing"
        followed.replica.run_sql("select pg_wal_replay_resume()")


async def test_a_replica_that_is_gone_is_told_and_not_missed(followed: Followed) -> None:
    async with serving(followed.data, "tuned", replicas=followed.replicas) as api:
        await health_that(api, replicas="1 of 1")
        followed.replica.stop()

        assert (await api.get("/leads")).status_code == 200
        health = await health_that(api, replicas="0 of 1")

        assert (health["status"], health["database"]) == ("degraded", "ok")
        assert str(health["reasons"]).startswith("['replica 1: ")
        assert (await api.get("/health", tenant=None)).status_code == 200
        assert (await api.get("/leads")).status_code == 200


async def test_a_promoted_replica_is_told(followed: Followed) -> None:
    async with serving(followed.data, "tuned", replicas=followed.replicas) as api:
        await health_that(api, replicas="1 of 1")
        followed.replica.run_sql("select pg_promote()")

        health = await health_that(api, replicas="0 of 1")

        assert health["reasons"] == ["replica 1: it is no replica (any more): it does not replay a writer's log"]
        created = (await api.post("/leads", json={"name": "Bo"})).json()
        assert (await api.get(f"/leads/{created['id']}")).status_code == 200


async def test_day_one_asks_its_writer_alone(followed: Followed) -> None:
    async with serving(followed.data, "day-one", replicas=followed.replicas) as api:
        created = await api.post("/leads", json={"name": "Ann"})
        assert "replicas" not in (await api.get("/health", tenant=None)).json()
        assert "x-read-position" not in created.headers
        assert statements_on(followed.replica) == 0


def test_switchboard_starts_and_stops_its_replicas(valkey: Valkey) -> None:
    with Switchboard.start(shape="tuned", replicas=1, cache=valkey.url) as switchboard:
        pids = switchboard.processes["replicas"] + switchboard.processes["postgres"]
        assert len(set(pids)) == 2
        assert switchboard.ready_line["processes"]["replicas"] == pids[:1]
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"replicas": -1}, "--replicas must be at least 0"),
        ({"replicas": 1, "database": "postgresql://a@127.0.0.1/b"}, "--database names another"),
        ({"replica": ["postgresql://a@127.0.0.1/b"]}, "a database that is not named"),
    ],
)
def test_replicas_that_cannot_be_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Switchboard.start(**given)  # type: ignore[arg-type]
