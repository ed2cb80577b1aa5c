"""What is asked is counted, timed and told."""

from __future__ import annotations

import subprocess
import sys

from psycopg import sql

from runtime.database.conftest import SMALL, as_service
from scaleworthy.runtime.database import Database, Statement
from scaleworthy.runtime.work import Work, work
from scaleworthy.series.meter import Meter
from scaleworthy.servers import Postgres


async def test_slow_statements_are_told_without_their_values_and_all_are_counted(writer: Postgres) -> None:
    told: list[tuple[str, float]] = []
    noted = Work([])
    work.set(noted)
    made = Database(as_service(writer), sizes=SMALL, slow="400ms", on_slow=lambda text, s: told.append((text, s)))
    async with made as database:
        await database.reach_writer(within="20s")
        await database.read("select 1", tenant="watched")
        await database.read("select pg_sleep(%s)", [0.4], tenant="watched")
        await database.write_all([Statement("select 2"), Statement("select 3")], tenant="watched")
        async with database.transaction(tenant="watched") as connection:
            await connection.execute(sql.SQL("select {}").format(4))
            async with connection.cursor() as cursor:
                await cursor.execute("select %s", [5])
    work.set(None)
    assert [text for text, _ in told] == ["select pg_sleep(%s)"]
    assert told[0][1] >= 0.4
    assert noted.count == 6, "the setting of the tenant is none of the caller's"
    texts = ["select 1", "select pg_sleep(%s)", "select 2", "select 3", "select 4", "select %s"]
    assert [text for text, _ in noted.statements] == texts


async def test_what_is_asked_is_recorded(writer: Postgres, replicas: list[Postgres]) -> None:
    meter = Meter()
    made = Database(as_service(writer), replicas=[as_service(replicas[0])], sizes=SMALL, meter=meter, heartbeat="20ms")
    async with made as database:
        await database.ready()
        await database.read("select 1", tenant=None)
        await database.write("select 2", tenant=None)
        text = meter.exposition()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    asked = {name: value for name, value in lines.items() if "runtime_db_asked" in name}
    assert {name.partition('what="')[2].partition('"')[0]: float(value) for name, value in asked.items()} == {
        "replica_reads": 1,
        "writer_reads": 0,
        "writes": 1,
        "too_late": 0,
        "failed_over": 0,
    }
    for name in ("runtime_db_acquire", "runtime_db_duration", "runtime_db_statements", "runtime_db_replica_lag"):
        assert name in text


def test_without_its_libraries_the_part_says_what_to_install() -> None:
    code = "import sys; sys.modules['psycopg_pool'] = None; import scaleworthy.runtime.database"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingExtra" in done.stderr
    assert "pip install 'scaleworthy[runtime]'" in done.stderr
