"""How soon does another process forget what changed, and what do writers pay for it?

Seen: a row is inserted by one process, a second follows, a third has the row's key in memory; from just before the COMMIT is sent until
the third has dropped the key. 100 inserts a second, nothing else under way.
Paid: pgbench inserts rows, 8 and 32 clients; transactions a second while nobody follows, while the slot is followed, and while triggers
NOTIFY, in turns (A B C C B A). Writers, PostgreSQL, Valkey and who follows share the machine's cores: what following costs is in the
writers' figure, also its CPU, which on a machine of its own it would not take from them.
Fair to whom: both ways are ours, told through the same Valkey; the peer is NOTIFY, the way that needs no setting. The server's wal_level
is logical for all three; commits are durable (fsync).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psycopg

from rows import Row, arguments, row, show
from scaleworthy.servers import Postgres, Valkey

PROCESS = [sys.executable, str(Path(__file__).with_name("invalidation_process.py"))]
TABLES = """
create table watched (id int primary key, name text);
create table written (id bigint generated always as identity primary key, name text, note text, value int)
"""
INSERT = "insert into written (name, note, value) values ('a lead', repeat('x', 100), :client_id);\n"
BETWEEN_S = 0.01


@contextmanager
def process(*given: str) -> Iterator[subprocess.Popen[str]]:
    """Yield the process when it is ready; it ends with its input."""
    with subprocess.Popen([*PROCESS, *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdin is not None
        assert started.stdout.readline() == "ready\n", "the process did not start"
        yield started
        started.stdin.close()
        started.stdout.read()


def seen_ms(way: str, postgres: Postgres, valkey: Valkey, count: int) -> list[float]:
    """Return of *count* inserts how long another process had the key after the COMMIT was sent, ms."""
    times = []
    postgres.run_sql("truncate watched")
    with (
        psycopg.connect(postgres.dsn, autocommit=True) as connection,
        process("follow", way, postgres.dsn, valkey.url),
        process("watch", valkey.url, str(count)) as watcher,
    ):
        assert watcher.stdout is not None
        for number in range(count):
            connection.execute("begin")
            connection.execute("insert into watched values (%s, 'x')", [number])
            start = time.monotonic_ns()
            connection.execute("commit")
            times.append((int(watcher.stdout.readline()) - start) / 1e6)
            time.sleep(BETWEEN_S)
    return times


def written_per_s(postgres: Postgres, script: Path, clients: int, seconds: int) -> float:
    """Return the transactions a second that pgbench's *clients* do."""
    argv = [str(postgres.binaries.tool("pgbench")), "-n", "-M", "prepared", "-c", str(clients), "-j", "2"]
    argv += ["-T", str(seconds), "-f", str(script), postgres.dsn]
    out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return float(next(line for line in out.splitlines() if line.startswith("tps")).split()[2])


def paid(postgres: Postgres, valkey: Valkey, clients: int, *, seconds: int, turns: int) -> dict[str, float]:
    """Return the writers' transactions a second with `none`, `slot` and `notify`."""
    found: dict[str, list[float]] = {"none": [], "slot": [], "notify": []}
    ways = list(found)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "insert.sql"
        script.write_text(INSERT)
        for turn in range(turns):
            for way in ways if turn % 2 == 0 else reversed(ways):
                postgres.run_sql("truncate written; checkpoint")
                if way == "none":
                    found[way].append(written_per_s(postgres, script, clients, seconds))
                else:
                    with process("follow", way, postgres.dsn, valkey.url):
                        found[way].append(written_per_s(postgres, script, clients, seconds))
    return {way: median(values) for way, values in found.items()}


def seen_rows(postgres: Postgres, valkey: Valkey, count: int) -> list[Row]:
    """Return how soon a change is seen, by the slot beside NOTIFY."""
    times: dict[str, list[float]] = {"slot": [], "notify": []}
    for way in ("slot", "notify", "notify", "slot"):
        times[way] += seen_ms(way, postgres, valkey, count)
    rows = []
    for percentile, bar, goal in ((50, 5.0, 1.5), (99, 20.0, 4.0)):
        ours, peer = (quantiles(times[way], n=100)[percentile - 1] for way in ("slot", "notify"))
        what = f"change seen in another process, p{percentile}"
        rows.append(row(what, "ms", ours, peer=peer, most=bar, note=f"goal <= {goal:g}; peer: NOTIFY"))
    return rows


def paid_rows(postgres: Postgres, valkey: Valkey, *, seconds: int, turns: int) -> list[Row]:
    """Return what writers pay, of the transactions a second that they do while nobody follows."""
    rows: list[Any] = []
    for clients in (8, 32):
        tps = paid(postgres, valkey, clients, seconds=seconds, turns=turns)
        slot, notify = (100 * (1 - tps[way] / tps["none"]) for way in ("slot", "notify"))
        note = ", ".join(f"{way} {value:,.0f}/s" for way, value in tps.items())
        rows.append(row(f"writes lost while followed, {clients} clients", "%", slot, peer=notify, most=20.0, note=note))
    return rows


def main() -> int:
    """Measure, print, and say whether the bars were held."""
    options = arguments(__doc__).parse_args()
    with Postgres.start(settings={"wal_level": "logical"}) as postgres, Valkey.start() as valkey:
        postgres.run_sql(TABLES)
        rows = seen_rows(postgres, valkey, 50 if options.quick else 400)
        rows += paid_rows(postgres, valkey, seconds=1 if options.quick else 4, turns=1 if options.quick else 2)
    return show("invalidation", rows, options)


if __name__ == "__main__":
    sys.exit(main())
