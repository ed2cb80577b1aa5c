"""Single inserts that go together: each caller gets its own row or its own error, whatever happens to the others."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from runtime.bulk.made import OWN, column
from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.bulk import InsertCoalescer, LeftOut, Overloaded
from scaleworthy.runtime.tenant import acting_for
from scaleworthy.series.meter import Meter
from scaleworthy.servers import Postgres
from waiting import until


async def test_single_inserts_share_statements_and_each_gets_its_own_row(
    connection: AsyncConnection[Any], pool: AsyncConnectionPool[Any]
) -> None:
    inserts = InsertCoalescer(pool, "notes", ["code", "score"], returning=["id", "code"], flights=1)
    answers = await asyncio.gather(
        *(inserts.insert({"code": f"c{n % 90}", "score": n if n != 5 else -1}) for n in range(100)),
        return_exceptions=True,
    )
    good = {n: answer for n, answer in enumerate(answers) if isinstance(answer, dict)}
    assert all(answer["code"] == f"c{n % 90}" for n, answer in good.items())
    assert len({answer["id"] for answer in good.values()}) == len(good)
    failed = {n: type(answer).__name__ for n, answer in enumerate(answers) if isinstance(answer, Exception)}
    assert failed.pop(5) == "CheckViolation"
    assert set(failed.values()) == {"UniqueViolation"}
    assert set(failed) == set(range(90, 100)) - {95}, "where row 5 is not in, row 95 may have its code"
    statistics = inserts.statistics()
    assert (statistics.rows, statistics.failed, statistics.waiting) == (90, 10, 0)
    assert await column(connection, "select count(*) from notes") == [90]


async def test_more_than_may_wait_is_refused_at_once(
    connection: AsyncConnection[Any], pool: AsyncConnectionPool[Any]
) -> None:
    inserts = InsertCoalescer(pool, "notes", ["code"], waiting_most=3)
    answers = await asyncio.gather(*(inserts.insert({"code": f"c{n}"}) for n in range(10)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Overloaded)]
    assert len(refused) == 7
    assert await column(connection, "select count(*) from notes") == [3]


async def test_a_lost_database_reaches_all_who_wait(
    connection: AsyncConnection[Any], pool: AsyncConnectionPool[Any]
) -> None:
    inserts = InsertCoalescer(pool, "gone", ["code"])
    answers = await asyncio.gather(*(inserts.insert({"code": "a"}) for _ in range(3)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {InvalidInput}
    assert inserts.statistics().waiting == 0


# The same rule as a comparison for each row, and as a subquery that is evaluated once for a statement.
POLICIES = ("current_setting('app.current_tenant', true)", "(select current_setting('app.current_tenant', true))")
TENANTS = st.sampled_from(["one", "two", "three", None])


@pytest.mark.parametrize("policy", POLICIES, ids=["each row", "each statement"])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inserts=st.lists(st.tuples(TENANTS, TENANTS), min_size=1, max_size=30))
async def test_rows_of_tenants_that_share_a_statement_stay_apart(
    database: str, connection: AsyncConnection[Any], policy: str, inserts: list[tuple[str | None, str | None]]
) -> None:
    """A row is in if and only if it is its own caller's tenant's, whoever else's went along."""
    await connection.execute(OWN)
    await connection.execute(f"alter policy own on own_notes using (tenant = {policy})".encode())
    dsn = database.replace("postgres@", "writer@")
    async with AsyncConnectionPool(dsn, min_size=1, open=False, kwargs={"autocommit": True}) as pool:
        coalescer = InsertCoalescer(pool, "own_notes", ["tenant", "text"], returning=["tenant", "text"], flights=1)

        async def write(number: int, tenant: str | None, claimed: str | None) -> Any:
            with acting_for(tenant):
                return await coalescer.insert({"tenant": claimed, "text": f"{number}"})

        answers = await asyncio.gather(
            *(write(number, *tenants) for number, tenants in enumerate(inserts)), return_exceptions=True
        )
        async with pool.connection() as used:
            left = await column(used, "select coalesce(current_setting('app.current_tenant', true), '')")
        assert left == [""], "a pooled connection keeps no tenant"
    for number, ((tenant, claimed), answer) in enumerate(zip(inserts, answers, strict=True)):
        if tenant == claimed is not None:
            assert answer == {"tenant": claimed, "text": f"{number}"}
        else:
            assert isinstance(answer, psycopg.errors.InsufficientPrivilege)
    written = {tuple(row) for row in await (await connection.execute("select tenant, text from own_notes")).fetchall()}
    assert written == {(c, f"{n}") for n, (t, c) in enumerate(inserts) if t == c is not None}


async def test_what_cannot_be_sent_fails_alone(
    connection: AsyncConnection[Any], pool: AsyncConnectionPool[Any]
) -> None:
    inserts = InsertCoalescer(pool, "notes", ["code", "tags"], returning=["code", "tags"])
    codes = ["a", "nul\0", '"', "\\", "\ud800", "NULL", "", "{}", "é"]
    answers = await asyncio.gather(
        *(inserts.insert({"code": code, "tags": [code, ","]}) for code in codes), return_exceptions=True
    )
    for code, answer in zip(codes, answers, strict=True):
        if code in ("nul\0", "\ud800"):
            assert isinstance(answer, psycopg.DataError)
        else:
            assert answer == {"code": code, "tags": [code, ","]}


async def test_a_row_whose_caller_has_gone_is_not_written(
    connection: AsyncConnection[Any], pool: AsyncConnectionPool[Any]
) -> None:
    inserts = InsertCoalescer(pool, "notes", ["code"], flights=1)
    async with pool.connection(), pool.connection():
        # No connection is free: rows wait.
        calls = [asyncio.ensure_future(inserts.insert({"code": f"c{n}"})) for n in range(3)]
        await asyncio.sleep(0)
        calls[1].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert calls[1].cancelled()
    assert await column(connection, "select code from notes order by code") == ["c0", "c2"]


async def test_a_statement_that_is_held_up_holds_up_no_others(
    connection: AsyncConnection[Any], pool: AsyncConnectionPool[Any]
) -> None:
    """Somebody else's open transaction has the same key: that statement waits for its end, later rows go by another connection."""
    inserts = InsertCoalescer(pool, "notes", ["code"], returning=["code"])
    async with connection.transaction():
        await connection.execute("insert into notes (code) values ('a')")
        held = asyncio.ensure_future(inserts.insert({"code": "a"}))
        await until(lambda: inserts.statistics().statements == 1, "the statement that is held up")
        assert await inserts.insert({"code": "b"}) == {"code": "b"}
        assert not held.done()
    with pytest.raises(psycopg.errors.UniqueViolation):
        await held


async def test_rows_that_a_statement_had_no_room_for_do_not_wait_for_it_either(
    connection: AsyncConnection[Any], pool: AsyncConnectionPool[Any]
) -> None:
    """They came with it, and nobody comes after them."""
    inserts = InsertCoalescer(pool, "notes", ["code"], returning=["code"], together=1)
    async with connection.transaction():
        await connection.execute("insert into notes (code) values ('a')")
        held, left = (asyncio.ensure_future(inserts.insert({"code": code})) for code in "ab")
        await until(left.done, "the row that was left")
        assert left.result() == {"code": "b"}
        assert not held.done()
    with pytest.raises(psycopg.errors.UniqueViolation):
        await held


@pytest.mark.parametrize("tenants", [(None, None, None), ("one", "two", "one")], ids=["one", "several"])
async def test_rows_that_a_trigger_leaves_out_are_told_and_nobody_gets_anothers(
    connection: AsyncConnection[Any], pool: AsyncConnectionPool[Any], tenants: tuple[str | None, ...]
) -> None:
    await connection.execute("""
        create or replace function leave_out() returns trigger language plpgsql as 'begin return null; end';
        create trigger leave_out before insert on notes for each row when (new.code = 'c0') execute function leave_out()
    """)
    inserts = InsertCoalescer(pool, "notes", ["code"], returning=["code"], flights=1)

    async def write(number: int, tenant: str | None) -> Any:
        with acting_for(tenant) if tenant else nullcontext():
            return await inserts.insert({"code": f"c{number}"})

    answers = await asyncio.gather(*(write(*one) for one in enumerate(tenants)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [LeftOut] * 3
    assert "rows and gave" in str(answers[0])
    assert sorted(await column(connection, "select code from notes")) == ["c1", "c2"], "and none of them twice"


async def test_an_exhausted_pool_is_said_and_kept_nobody_waiting(
    connection: AsyncConnection[Any], pool: AsyncConnectionPool[Any]
) -> None:
    inserts = InsertCoalescer(pool, "notes", ["code"], patience="30ms")
    async with pool.connection(), pool.connection():
        answers = await asyncio.gather(*(inserts.insert({"code": f"c{n}"}) for n in range(5)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {PoolTimeout}
        assert len({id(answer) for answer in answers}) == 5, "raised to several, one object would gather tracebacks"
        assert inserts.statistics().waiting == 0
        assert "couldn't get a connection" in (inserts.trouble() or "")
    await until(lambda: pool.get_stats()["pool_available"] == 2, "the connections that were given back")
    assert (await inserts.insert({"code": "c"}))["id"] > 0
    assert inserts.trouble() is None


async def test_a_connection_that_was_given_back_and_is_not_had_again_keeps_nobody_waiting(
    database: str, connection: AsyncConnection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scaleworthy.runtime.bulk.coalesce._STAY", 1)
    async with AsyncConnectionPool(database, min_size=1, max_size=1, open=False, kwargs={"autocommit": True}) as pool:
        await pool.wait()
        inserts = InsertCoalescer(pool, "notes", ["code"], patience="30ms", together=1, flights=1)
        async with connection.transaction(force_rollback=True):
            # The first is held up until somebody else waits for its connection.
            await connection.execute("insert into notes (code) values ('c0')")
            rows = [asyncio.ensure_future(inserts.insert({"code": f"c{n}"})) for n in range(2)]
            await until(lambda: inserts.statistics().statements == 1, "the statement that is held up")
            other = asyncio.ensure_future(pool.getconn())
            await until(lambda: pool.get_stats().get("requests_waiting") == 1, "somebody who waits for a connection")
        answers = await asyncio.gather(*rows, return_exceptions=True)
        await pool.putconn(await other)
    assert [type(answer) for answer in answers] == [dict, PoolTimeout]


async def test_a_pool_that_does_not_commit_is_refused(database: str, connection: AsyncConnection[Any]) -> None:
    async with AsyncConnectionPool(database, min_size=1, open=False) as pool:
        inserts = InsertCoalescer(pool, "notes", ["code"])
        with pytest.raises(InvalidInput, match="must be in autocommit"):
            await inserts.insert({"code": "a"})


async def test_a_table_that_was_changed_meanwhile_is_written_again(
    database: str, connection: AsyncConnection[Any]
) -> None:
    async with AsyncConnectionPool(database, min_size=1, open=False, kwargs={"autocommit": True}) as pool:
        inserts = InsertCoalescer(pool, "notes", ["code"], returning=["score"])
        await inserts.insert({"code": "a"})
        await connection.execute("alter table notes drop constraint notes_score_check, alter score type text")
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            await inserts.insert({"code": "b"})
        assert await inserts.insert({"code": "c"}) == {"score": None}


async def test_no_row_that_was_answered_is_lost_when_the_database_dies() -> None:
    """A killed backend makes the server throw out everybody and recover from its log."""
    with Postgres.start() as server:
        dsn = server.create_database("dies")
        async with AsyncConnectionPool(
            dsn, min_size=3, open=False, timeout=20, reconnect_timeout=20, kwargs={"autocommit": True}
        ) as pool:
            async with pool.connection() as made:
                await made.execute("create table t (n int primary key)")
            meter = Meter()
            inserts = InsertCoalescer(pool, "t", ["n"], returning=["n"], patience="20s", meter=meter)
            answered: set[int] = set()
            raised: set[int] = set()
            killed = asyncio.Event()

            async def write(writer: int) -> None:
                after = 0
                for number in range(writer * 100_000, (writer + 1) * 100_000):
                    try:
                        answered.add((await inserts.insert({"n": number}))["n"])
                    except psycopg.OperationalError:
                        raised.add(number)
                    else:
                        after += killed.is_set()
                    if after > 20:
                        return
                    if len(answered) > 500 and not killed.is_set():
                        killed.set()
                        async with pool.connection() as victim:
                            os.kill(victim.info.backend_pid, signal.SIGKILL)

            await asyncio.gather(*(write(writer) for writer in range(20)))
            async with pool.connection() as looking:
                there = set(await column(looking, "select n from t"))
    assert raised, "it was under way"
    assert answered <= there
    assert there <= answered | raised
    assert inserts.trouble() is None
    text = meter.exposition()
    assert f'runtime_bulk_rows_total{{outcome="in",table="t"}} {len(answered)}' in text
