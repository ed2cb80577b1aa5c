"""What does one look at each source cost, of this process's CPU and of the server it asks?

The bar is 10 ms a look: 1 % of a core at a look each second. The database is a busy one for its kind: 500 statements in
pg_stat_statements, 200 tables, 30 connections; a look follows a burst of statements, so that something has changed. The
peers do the same work the common way: psutil for host and processes, the pg_stat_* views with their texts for PostgreSQL.
Fair to psutil? It reads more portably, and more than is asked for. Looks of ours and the peer's alternate.

CPU is `time.thread_time` here; on the server it is the back end's clock ticks, which are coarse, so over all looks.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

import psutil
import psycopg
import redis

from rows import Row, arguments, row, show
from scaleworthy.observe import HostSource, PostgresSource, ProcessSource, Source, ValkeySource
from scaleworthy.servers import Postgres, Valkey

STATEMENTS, TABLES, CONNECTIONS = 500, 200, 30
BAR_US = 10_000.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
VIEWS = (
    "SELECT * FROM pg_stat_database WHERE datname = current_database()",
    "SELECT * FROM pg_stat_activity",
    "SELECT * FROM pg_stat_io",
    "SELECT * FROM pg_stat_user_tables",
    "SELECT * FROM pg_stat_statements",
)


def alternate(
    source: Source, peer: Callable[[], object], before: Callable[[], None], looks: int
) -> tuple[list[float], list[float]]:
    """Return the CPU of each look in µs, ours and the peer's, in turns, after *before* each time."""
    source.sample()
    source.sample()
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(looks):
        pairs = [(ours, source.sample), (theirs, peer)]
        for into, look in pairs if number % 2 else reversed(pairs):
            before()
            start = time.thread_time_ns()
            look()
            into.append((time.thread_time_ns() - start) / 1e3)
    return ours, theirs


def rows_of(name: str, ours: list[float], theirs: list[float]) -> Row:
    """Return the row of two alternated measurements."""
    note = f"n={len(ours)}, p90 {statistics.quantiles(ours, n=10)[-1]:.0f} µs"
    return row(name, "µs CPU per look", statistics.median(ours), peer=statistics.median(theirs), most=BAR_US, note=note)


def peer_host() -> None:
    """Read by psutil what HostSource reads."""
    psutil.cpu_times(), psutil.cpu_count(), psutil.virtual_memory()
    psutil.disk_io_counters(perdisk=True), psutil.net_io_counters(pernic=True)


def peer_processes(pid: int) -> None:
    """Read by psutil what ProcessSource reads."""
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        with process.oneshot():
            process.cpu_times(), process.memory_info(), process.num_threads(), process.num_fds()


def server_cpu_ms(pid: int) -> float:
    """Return the CPU that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return (times.user + times.system) * 1e3


def fill(server: Postgres) -> None:
    """Give the database its tables and statements."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for number in range(TABLES):
            connection.execute(f"CREATE TABLE t{number} (id int PRIMARY KEY, v text)")
            connection.execute(f"INSERT INTO t{number} VALUES (1, 'x')")
        for number in range(STATEMENTS - 2 * TABLES):
            connection.execute(f"SELECT {'1, ' * number} 1")


def postgres_rows(server: Postgres, looks: int) -> list[Row]:
    """Measure the source against the views with their texts: here, and at the server."""
    source = PostgresSource(server.dsn)
    with (
        psycopg.connect(server.dsn, autocommit=True, prepare_threshold=None) as service,
        psycopg.connect(server.dsn, autocommit=True, prepare_threshold=0) as peer,
    ):

        def burst() -> None:
            for number in range(20):
                service.execute(f"SELECT v FROM t{number} WHERE id = 1")

        def views() -> None:
            for view in VIEWS:
                peer.execute(view).fetchall()

        asked = "SELECT pid FROM pg_stat_activity WHERE application_name = 'scaleworthy-observe'"
        source.sample()
        (backend,) = service.execute(asked).fetchone() or (0,)
        before = [server_cpu_ms(backend), server_cpu_ms(peer.info.backend_pid)]
        ours, theirs = alternate(source, views, burst, looks)
        after = [server_cpu_ms(backend), server_cpu_ms(peer.info.backend_pid)]
        source.close()
    us = [(end - start) * 1e3 / looks for start, end in zip(before, after, strict=True)]
    at_server = row(
        "postgres: the server's back end", "µs CPU per look", us[0], peer=us[1], most=BAR_US, note=f"n={looks}"
    )
    return [rows_of("postgres: this process", ours, theirs), at_server]


def main() -> int:
    """Measure every source."""
    options = arguments(__doc__).parse_args()
    looks = 40 if options.quick else 400
    found: list[Row] = []
    with ExitStack() as stack:
        server = stack.enter_context(Postgres.start(fsync=False, settings={"autovacuum": "off"}))
        valkey = stack.enter_context(Valkey.start())
        server.create_extension("pg_stat_statements")
        fill(server)
        for _ in range(CONNECTIONS):
            stack.enter_context(psycopg.connect(server.dsn))
        found.append(rows_of("host", *alternate(HostSource(), peer_host, lambda: None, looks)))
        processes = ProcessSource({"postgres": [server.pid]})
        name = f"processes: PostgreSQL with {CONNECTIONS} connections"
        found.append(rows_of(name, *alternate(processes, lambda: peer_processes(server.pid), lambda: None, looks)))
        found += postgres_rows(server, looks)
        client = stack.enter_context(redis.Redis.from_url(valkey.url))
        source = ValkeySource(valkey.url)
        found.append(rows_of("valkey", *alternate(source, client.info, lambda: None, looks)))
        source.close()
    return show("observe", found, options)


if __name__ == "__main__":
    sys.exit(main())
