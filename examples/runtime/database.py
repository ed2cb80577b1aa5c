"""A writer and two replicas as one database: tenants kept apart, what was written is read, wherever the answer comes from.

Starts three embedded servers. With your own: give their addresses to `Database`, as a role that owns nothing.

    python examples/runtime/database.py
"""

from __future__ import annotations

import asyncio

import psycopg

from scaleworthy.runtime.database import Database, PoolSizes, Statement, connections_needed
from scaleworthy.runtime.lsn import Session, session, show_lsn
from scaleworthy.runtime.tenant import acting_for
from scaleworthy.runtime.work import Work, work
from scaleworthy.servers import Postgres

TABLES = """
create role service login;
create table leads (id int generated always as identity primary key, tenant text not null, name text not null);
alter table leads enable row level security;
alter table leads force row level security;
create policy own on leads using (tenant = nullif(current_setting('app.current_tenant', true), ''));
grant select, insert on leads to service;
"""
INSERT = "insert into leads (tenant, name) values (%s, %s)"
COUNT = "select count(*) as leads from leads"


async def visit(database: Database, tenant: str, number: int) -> None:
    """Write and read as one client of *tenant*: a session knows the position after its last commit."""
    session.set(Session())
    with acting_for(tenant):
        for at in range(number):
            await database.write(INSERT, [tenant, f"lead {at}"])
            owners, [count] = await database.read_all(
                [Statement("select distinct tenant from leads"), Statement(COUNT)]
            )
            assert owners == [{"tenant": tenant}], "nobody else's"
            assert count["leads"] == at + 1, "one's own are there at once"


async def show(writer: str, replicas: list[Postgres], addresses: list[str]) -> None:
    """Use them as one."""
    slow: list[str] = []
    async with Database(
        writer,
        replicas=addresses,
        sizes=PoolSizes(write=(2, 8), read=(2, 8), acquire="5s"),
        slow="50ms",
        on_slow=lambda text, took_s: slow.append(f"{text} took {took_s * 1e3:.0f} ms"),
    ) as database:
        await database.ready()
        await asyncio.gather(*(visit(database, f"tenant-{number}", 20) for number in range(5)))
        counts = database.statistics()
        print(
            f"{counts.writes} writes; {counts.replica_share:.0%} of {counts.replica_reads} reads on replicas, none stale"
        )
        print(f"outside any tenant: {(await database.read(COUNT, tenant=None))[0]['leads']} of 100 leads are seen")

        for replica in replicas:
            replica.run_sql("select pg_wal_replay_pause()")
        caller, noted = Session(), Work([])
        session.set(caller)
        work.set(noted)
        with acting_for("tenant-0"):
            await database.write(INSERT, ["tenant-0", "Ann"])
            [count] = await database.read(COUNT)
        print(
            f"replay is paused: {count['leads']} leads, from the writer; its caller must see {show_lsn(caller.position)}"
        )
        for replica in replicas:
            replica.run_sql("select pg_wal_replay_resume()")

        await database.read("select pg_sleep(0.06)", tenant=None)
        print(f"{noted.count} statements of this request; slow: {slow[0].partition(' took')[0]}")
        print(f"trouble: {database.trouble()}")
    print(f"connections for 500 uses a second of 8 ms each: {connections_needed(500, 0.008)}")


def main() -> None:
    """Start a writer and two replicas and use them."""
    with Postgres.start() as writer:
        with psycopg.connect(writer.create_database("crm"), autocommit=True) as connection:
            connection.execute(TABLES)
        with writer.replica() as first, writer.replica() as second:
            addresses = [server.dsn_for("crm").replace("postgres@", "service@") for server in (writer, first, second)]
            asyncio.run(show(addresses[0], [first, second], addresses[1:]))


if __name__ == "__main__":
    main()
