"""What the pages of the runtime show as code runs as it is shown, on real servers, and does what the page says of it."""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from scaleworthy.runtime.bulk import InsertCoalescer, Keyset
from scaleworthy.runtime.database import Database
from scaleworthy.runtime.events import create, create_inbox
from scaleworthy.runtime.llm import Prices, Usage
from scaleworthy.servers import Postgres, Valkey
from waiting import until

from .pages import ROOT, code

PAGES = ROOT / "docs" / "runtime"


def shown(page: Path, language: str = "python", *, having: str = "") -> str:
    """Return the first code of *language* in *page* that has *having* in it."""
    return next(one.text for one in code(page) if one.language == language and having in one.text)


async def run(text: str, names: dict[str, Any]) -> None:
    """Run what a page shows with the *names* that its reader has; names that it makes are there afterwards."""
    names["__name__"] = "shown"
    awaited = eval(compile(text, "shown", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.isawaitable(awaited):
        await awaited


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres.start(settings={"wal_level": "logical"}) as started:
        yield started


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey.start() as started:
        yield started


@pytest.fixture
def dsn(postgres: Postgres, request: pytest.FixtureRequest) -> str:
    """A database of the test's own."""
    return postgres.create_database(request.node.name[:60])


async def test_readme(valkey: Valkey) -> None:
    names: dict[str, Any] = {}
    text = shown(ROOT / "README.md", having="scaleworthy.runtime")
    await run(text.replace("redis://127.0.0.1:6379", valkey.url), names)

    async with names["cache"] as cache:
        await asyncio.gather(*(names["dashboard"](7) for _ in range(10)))
        assert cache.statistics()["default"].loads == 1


async def test_cache(valkey: Valkey) -> None:
    names: dict[str, Any] = {}
    await run(shown(PAGES / "cache.md").replace("redis://localhost", valkey.url), names)

    async with names["cache"] as cache:
        await asyncio.gather(*(names["lead"](5) for _ in range(10)))
        assert cache.statistics()["lead"].loads == 1


async def test_limits(valkey: Valkey) -> None:
    names: dict[str, Any] = {}
    await run(shown(PAGES / "limits.md"), names)
    assert names["verdict"].allowed
    assert "answer" not in names

    await run(shown(PAGES / "limits.md", having="FleetLimit").replace("redis://localhost", valkey.url), names)
    await names["redis"].aclose()
    assert names["verdict"].allowed


async def test_breaker_and_retry() -> None:
    names: dict[str, Any] = {}
    await run(shown(PAGES / "breaker-and-retry.md"), names)

    await names["customer"](1)
    assert names["crm"].statistics().calls == 1


async def test_http() -> None:
    app = FastAPI()
    app.add_api_route("/leads", lambda: {"names": ["Ann"] * 500, "password": "p"})
    names: dict[str, Any] = {"app": app}
    await run(shown(PAGES / "http.md"), names)

    transport = httpx.ASGITransport(names["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/leads", headers={"accept-encoding": "gzip"})
        again = await client.get("/leads", headers={"if-none-match": answer.headers["etag"]})

    assert answer.json() == {"names": ["Ann"] * 500}
    assert answer.headers["content-encoding"] == "gzip"
    assert again.status_code == 304


async def test_database(postgres: Postgres, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a role that owns nothing, under the policy that the page shows, with a replica."""
    with postgres.replica() as replica:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            await connection.execute("create table leads (tenant text, name text)")
            await connection.execute("insert into leads values ('tenant-8', 'Bob')")
            await connection.execute("create role app login; grant all on leads to app")
            await connection.execute(shown(PAGES / "database.md", "sql"))
            name = connection.info.dbname
        await until(lambda: replica.run_sql("select 1 from pg_roles where rolname = 'app'"), "the role on the replica")
        names: dict[str, Any] = {}
        await run(shown(PAGES / "database.md"), names)
        await names["main"](make_conninfo(dsn, user="app"), [make_conninfo(replica.dsn_for(name), user="app")])

    assert capsys.readouterr().out == "[{'name': 'Ann'}]\n"


async def test_invalidation(dsn: str, valkey: Valkey) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("create table leads (id int, tenant_id text, primary key (tenant_id, id))")
        await connection.execute("create table prices (id int primary key)")
        await connection.execute("create table audit_log (id int primary key)")
        names: dict[str, Any] = {}
        await run(shown(PAGES / "invalidation.md"), names)
        await names["serve"](dsn, valkey.url)
        followed = await connection.execute("select tablename from pg_publication_tables order by 1")
        assert await followed.fetchall() == [("leads",), ("prices",)]
        await connection.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots")


def test_bulk(capsys: pytest.CaptureFixture[str]) -> None:
    exec(shown(PAGES / "bulk.md"), {"__name__": "shown"})

    successful, failed, first, *reason = capsys.readouterr().out.split()
    assert (successful, failed, first) == ("101", "899", "101")
    assert "leads_score_check" in " ".join(reason)


async def test_inserts_and_pages_of_bulk(dsn: str) -> None:
    async with AsyncConnectionPool(dsn, open=False, kwargs={"autocommit": True}) as pool, Database(dsn) as database:
        await database.write(
            "create table leads (id bigserial primary key, email text, score int, created_at timestamptz default now())"
        )
        names: dict[str, Any] = {"pool": pool, "database": database, "cursor": None}
        names |= {"InsertCoalescer": InsertCoalescer, "Keyset": Keyset}
        await run(shown(PAGES / "bulk.md", "text", having="InsertCoalescer"), names)
        await run(shown(PAGES / "bulk.md", "text", having="Keyset").replace("…", "*"), names)
        await names["inserts"].close()

    assert names["lead"] == {"id": 1}
    assert [row["email"] for row in names["page"].rows] == ["ann@example.org"]


async def test_events(dsn: str, valkey: Valkey) -> None:
    handled: list[Any] = []

    async def handle(event: Any) -> None:
        handled.append(event)

    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("create table leads (id int, status text)")
        await create(connection)
        await create_inbox(connection)
        names: dict[str, Any] = {
            "connection": connection,
            "dsn": dsn,
            "url": valkey.url,
            "handle": handle,
            "keep": None,
        }
        consuming = asyncio.create_task(run(shown(PAGES / "events.md"), names))
        await until(lambda: handled or consuming.done(), "the event at its handler")
        consuming.cancel()
        await asyncio.wait([consuming])
        await names["relay"].stop()
        await names["redis"].aclose()

    assert consuming.cancelled()
    assert [(event.topic, event.aggregate, event.tenant) for event in handled] == [("lead.won", "lead:5", "a")]


def test_llm(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    exec(shown(PAGES / "llm.md"), {"__name__": "shown"})
    (tmp_path / "prices.toml").write_text(shown(PAGES / "llm.md", "toml"))

    assert " gpt-4.1 " in capsys.readouterr().out
    assert Prices.read(tmp_path / "prices.toml").of("gpt-4.1", Usage(1_000_000, 0)) == 1.8
