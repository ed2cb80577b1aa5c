"""How many users, connections and requests does one machine's generator carry, and what does it need for them?

Memory is resident memory of whole processes, Python and all, as the run itself records it (`generator.memory`). An own error is a
request that failed on our side: refused by this machine, cut by the run's end, or lost by the generator.

- 10,000 users, declarative and as a Python scenario: each gets a page of a server that answers at once, then thinks for 2 to 6 s.
- 50,000 connections: each user waits 10 s for each answer of servers on four loopback addresses (one address has 28,000 ports, and
  connecting becomes slow when half of them are taken).
- 19,000 and 50,000 WebSockets held to the end of the run, each pinging every 5 s: by one process, and by several (a process here may
  open 20,000 files). What one costs is resident memory beyond that of a run with a hundred; the kernel's part of a socket is not in it.
- 1,000,000 requests of 500 users to nginx.
- `--full`: 1,200 webhooks in a minute, and 2,500 calls of 30 s at once, against Switchboard in its tuned shape.
- Soak: 5 million requests at full speed (`--full`: 50 million, which is 24 hours of 579 a second); memory at the end against that
  after a tenth, with a store that keeps nothing, since what a run keeps grows with its seconds and is a row of its own.
- Recording: seconds of a run of 20 steps at those 579 requests a second, written as they come; bytes per hour.

Fair to whom: no peer is run here. Server and generator share the machine.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from peers import nginx
from rows import Row, arguments, row, show
from scaleworthy.load import Summary, make_plan, start
from scaleworthy.load.health import resident_bytes
from scaleworthy.series import Histogram, MemoryStore, Recording, SeriesKey, Slice

SOAK_PER_S = 50_000_000 / 86_400
SCENARIO = """
from scaleworthy.load import User, scenario

@scenario
async def page(user: User) -> None:
    (await user.get("/")).expect(status=200)
    await user.think("2s..6s")
"""
SERVER = """
import sys
from scaleworthy._native import NullServer
from scaleworthy.load.health import open_files_max
open_files_max()
server = NullServer(address=sys.argv[1], port=int(sys.argv[2]), service_time_ns=int(sys.argv[3]))
print(server.port, flush=True)
sys.stdin.read()
"""


class Forgetful(MemoryStore):
    """A store that keeps nothing, so that what is measured is the engine and its hand-over alone."""

    def append(self, second: int, slices: Any) -> None:
        """Drop the slices."""


@contextlib.contextmanager
def null_servers(*addresses: str, service_time_s: float = 0.0) -> Iterator[int]:
    """Run a server process on each of *addresses*; yield the port that they share."""
    running: list[subprocess.Popen[str]] = []
    port = 0
    try:
        for address in addresses:
            command = [sys.executable, "-c", SERVER, address, str(port), str(round(service_time_s * 1e9))]
            server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            running.append(server)
            assert server.stdout is not None
            port = int(server.stdout.readline())
        yield port
    finally:
        for server in running:
            server.communicate()


@contextlib.contextmanager
def switchboard() -> Iterator[str]:
    """Run Switchboard in its tuned shape; yield its URL."""
    command = [sys.executable, "-m", "scaleworthy", "switchboard", "serve", "--shape", "tuned", "--demo-tenant"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield str(json.loads(server.stdout.readline())["url"])
        finally:
            server.terminate()


def load(plan: dict[str, Any]) -> dict[str, Any]:
    """Run *plan* by the command, in a process of its own, and return its summary."""
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        path = Path(folder) / "plan.yaml"
        path.write_text(json.dumps(plan))  # JSON is YAML
        (Path(folder) / "scenario.py").write_text(SCENARIO)
        command = [sys.executable, "-m", "scaleworthy", "load", str(path), "--json", "-"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise RuntimeError(f"the run gave no summary: {done.stderr}")
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def own_errors(summary: dict[str, Any]) -> int:
    """Return how many requests failed or never started; every server here answers all that it gets."""
    return int(summary["failed"] + summary["not_started"])


def users_rows(users: int) -> list[Row]:
    """Measure one process with *users* thinking users, declared and in Python."""
    steps = [{"get": "/"}, {"think": "2s..6s"}]
    declared = {"scenarios": [{"name": "page", "steps": steps}]}
    rows: list[Row] = []
    for speed, part, most in (("declarative", declared, 120), ("Python", {"python": "scenario.py", "workers": 1}, 400)):
        with null_servers("127.0.0.1") as port:
            plan = {
                "target": f"http://127.0.0.1:{port}/",
                "load": {"stages": f"5s:{users},10s:{users}"},
                "http": {"connections_max": users},
                "seed": 1,
            }
            summary = load(plan | part)
        memory_mb = summary["generator"]["memory_max_bytes"] / 1e6
        whole = "whole process" if speed == "declarative" else "the worker process"
        note = f"{whole}; {summary['answered']:,} answered, {own_errors(summary)} own errors"
        rows.append(row(f"{users:,} users that think, {speed}, one process", "MB", memory_mb, most=most, note=note))
    return rows


def connections_rows(wanted: int) -> list[Row]:
    """Hold *wanted* connections open at once."""
    addresses = [f"127.0.0.{number}" for number in range(1, 5)]
    store = MemoryStore()
    with null_servers(*addresses, service_time_s=10.0) as port:
        plan = make_plan(
            {
                "target": f"http://localhost:{port}/",
                "scenarios": [{"name": "wait", "steps": [{"get": "/"}]}],
                "load": {"stages": f"12s:{wanted},15s:{wanted}"},
                "http": {"connections_max": wanted},
                "grace": "30s",
                "seed": 1,
            }
        )
        summary = start(plan, store, resolve=lambda _host, _port: addresses).wait()
    held = store.maximum("load.connections") or 0.0
    processes = summary.generator.workers
    note = f"{processes} worker processes, {(summary.generator.memory_max_bytes or 0) / 1e6:.0f} MB; {_late(summary)}"
    return [
        row("connections open at once", "connections", held, least=wanted, note=note),
        row("of their requests, own errors", "requests", summary.failed + summary.not_started, most=0),
    ]


def sockets_rows(one_process: int, several: int) -> list[Row]:
    """Hold WebSockets open, kept by pings."""
    addresses = [f"127.0.0.{number}" for number in range(1, 5)]
    with null_servers("127.0.0.1") as port:
        few, many = (load(_holding(port, sockets, *addresses) | {"workers": 1}) for sockets in (100, one_process))
    grown = many["generator"]["memory_max_bytes"] - few["generator"]["memory_max_bytes"]
    note = f"{many['generator']['memory_max_bytes'] / 1e6:.0f} MB, Python and all"
    with null_servers(*addresses) as port:
        plan = make_plan(_holding(port, several))
        spread = start(plan, MemoryStore(), resolve=lambda _host, _port: addresses).wait().to_dict()
    return [
        row("WebSockets held by one process", "sockets", _held(many), least=one_process, note=_kept(many)),
        row("of these, one costs", "bytes", grown / (one_process - 100), most=10_000, note=note),
        row("WebSockets held by several processes", "sockets", _held(spread), least=several, note=_kept(spread)),
    ]


def _holding(port: int, sockets: int, *sources: str) -> dict[str, Any]:
    keep = {"loop": {"count": 1_000, "steps": [{"think": "5s"}, {"ping": True, "name": "ping"}]}}
    return {
        "target": f"http://localhost:{port}/",
        "scenarios": [{"name": "hold", "steps": [{"websocket": "/", "steps": [keep]}]}],
        "load": {"stages": f"12s:{sockets},12s:{sockets}"},
        "http": {"connections_max": sockets, "source_addresses": list(sources)},
        "grace": "30s",
        "seed": 1,
    }


def _held(summary: dict[str, Any]) -> int:
    """Return how many sockets were open when the run ended: those that it closed as going away."""
    return int(summary["websocket"]["closes"].get("1001", 0))


def _kept(summary: dict[str, Any]) -> str:
    ping_ms = summary["websocket"]["ping_ms"]["p99"]
    processes = summary["generator"]["workers"]
    return f"{processes} worker processes; ping p99 {ping_ms:.2g} ms; {own_errors(summary)} own errors"


def _late(summary: Summary) -> str:
    lag = summary.lag_ms
    return f"lag p50 {lag.p50:.2g} ms, p99 {lag.p99:.2g} ms, opening included" if lag.p99 else "too few for a lag"


def million_row(count: int) -> list[Row]:
    """Send *count* requests of 500 users."""
    with nginx() as url:
        load_of = {"users": 500, "count": count}
        summary = load(
            {"target": url, "scenarios": [{"name": "get", "steps": [{"get": "/"}]}], "load": load_of, "seed": 1}
        )
    note = f"{summary['answered']:,} answered, {summary['requests_per_s']:,.0f}/s"
    return [row(f"{count:,} requests of 500 users: own errors", "requests", own_errors(summary), most=0, note=note)]


def switchboard_rows() -> list[Row]:
    """Flood webhooks, then hold calls."""
    event = {"type": "invoice.payment_succeeded", "id": "evt_{{ $uuid }}", "data": {"object": {"amount_paid": 4900}}}
    webhook = {"post": "/api/webhooks/stripe", "headers": {"stripe-signature": "test_signature"}, "json": event}
    begin = {
        "post": "/api/calls/start",
        "json": {"phone_number": "+1555{{ $n }}"},
        "expect": {"status": 201},
        "extract": {"call": {"json": "$.id"}},
    }
    end = {"post": "/api/calls/end", "json": {"call_id": "{{ call }}"}, "expect": {"status": 200}}
    with switchboard() as url:
        flood = load(
            {
                "target": url,
                "scenarios": [{"name": "webhook", "steps": [{**webhook, "expect": {"status": 200}}]}],
                "load": {"rate": "1200/m", "for": "60s"},
                "seed": 1,
            }
        )
        calls = load(
            {
                "target": url,
                "scenarios": [{"name": "call", "steps": [begin, {"think": "30s"}, end]}],
                "load": {"rate": "90/s", "arrivals": "constant", "count": 2_500},
                "seed": 1,
            }
        )
    return [
        row("1,200 webhooks a minute: own errors", "requests", own_errors(flood), most=0, note=_served(flood)),
        row("2,500 calls of 30 s: own errors", "requests", own_errors(calls), most=0, note=_served(calls)),
    ]


def _served(summary: dict[str, Any]) -> str:
    times = summary["response_ms"]
    return f"{summary['answered']:,} answered, p95 {times['p95']:.3g} ms, p99 {times['p99']:.3g} ms"


def soak_rows(requests: int) -> list[Row]:
    """Send *requests* at full speed and watch the memory of this process."""
    answered, early, early_s = 0, None, time.monotonic()
    with null_servers("127.0.0.1") as port:
        plan = make_plan(
            {
                "target": f"http://127.0.0.1:{port}/",
                "scenarios": [{"name": "get", "steps": [{"get": "/"}]}],
                "load": {"users": 64, "count": requests},
                "seed": 1,
            }
        )
        for second in start(plan, Forgetful()):
            answered += second.answered
            if early is None and answered >= requests / 10:
                early, early_s = resident_bytes(), time.monotonic()
    grown_mb = (resident_bytes() - (early or resident_bytes())) / 1e6
    note = f"{answered / max(time.monotonic() - early_s, 1):,.0f}/s after the first tenth"
    return [row(f"soak: memory grown over {answered:,} requests", "MB", grown_mb, most=5, note=note)]


def recording_rows(seconds: int, steps: int = 20) -> list[Row]:
    """Write *seconds* seconds of a run of *steps* steps, and say what an hour takes."""
    source = random.Random(5)
    before = resident_bytes()
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        path = Path(folder) / "run.sw"
        with Recording.create(path) as recording:
            for second in range(seconds):
                recording.append(second, _second(source, steps))
            grown = resident_bytes() - before
        size = path.stat().st_size
    hour = 3_600 / seconds
    note = f"{steps} steps, {SOAK_PER_S:.0f} requests/s, {size / seconds / 1e3:.1f} KB a second"
    return [
        row("a recording grows in an hour by", "MB", size * hour / 1e6, most=20, note=note),
        row("the store in memory grows in an hour by", "MB", grown * hour / 1e6, note="what queries are answered from"),
    ]


def _second(source: random.Random, steps: int) -> list[Slice]:
    """Return a second of the soak's shape: quick answers with a long tail, each request somewhere of its own."""
    slices: list[Slice] = []
    for step in range(steps):
        labels = {"step": f"step {step}"}
        names = ("response_time", "service_time", "lag", "phase send", "phase wait", "phase receive")
        times = {name: Histogram() for name in names}
        count = round(source.gauss(SOAK_PER_S / steps, (SOAK_PER_S / steps) ** 0.5))
        for _ in range(max(count, 0)):
            lag, send, wait = (round(source.lognormvariate(mean, 0.4)) for mean in (10.0, 9.2, 14.5))
            parts = (lag + send + wait + 200, send + wait + 200, lag, send, wait, 200)
            for histogram, value in zip(times.values(), parts, strict=True):
                histogram.record(value)
        for name, histogram in times.items():
            series, _, phase = name.partition(" ")
            of = labels | ({"phase": phase} if phase else {})
            slices.append((SeriesKey.of(f"load.{series}", "histogram", "ns", of), histogram))
        counts = {"planned": count, "started": count, "answered": count, "failed": 0, "not_started": 0}
        slices += [
            (SeriesKey.of(f"load.{name}", "counter", "requests", labels), value) for name, value in counts.items()
        ]
        sizes = {"received": 230 * count, "sent": 120 * count}
        slices += [
            (SeriesKey.of(f"load.bytes_{name}", "counter", "bytes", labels), value) for name, value in sizes.items()
        ]
        slices.append((SeriesKey.of("load.statuses", "counter", "requests", labels | {"status": "200"}), count))
        slices.append((SeriesKey.of("load.in_flight", "gauge", "requests", labels), float(source.randrange(4))))
    for name in ("waiting", "users", "connections", "target"):
        slices.append((SeriesKey.of(f"load.{name}", "gauge", ""), float(source.randrange(40))))
    return slices


def main() -> int:
    """Measure and print, piece by piece: each is kept in a file of its own as soon as it is there."""
    parser = arguments(__doc__)
    parser.add_argument("--full", action="store_true", help="also what takes long: Switchboard, and all 50 million")
    parser.add_argument("--rows", help="only these pieces, with commas between: recording, soak, users, connections, …")
    options = parser.parse_args()
    quick, full = options.quick, options.full
    pieces: dict[str, Callable[[], list[Row]]] = {
        "recording": lambda: recording_rows(60 if quick else 3_600),
        "soak": lambda: soak_rows(300_000 if quick else 50_000_000 if full else 5_000_000),
        "users": lambda: users_rows(10_000),
        "connections": lambda: connections_rows(5_000 if quick else 50_000),
        "sockets": lambda: sockets_rows(2_000 if quick else 19_000, 5_000 if quick else 50_000),
        "million": lambda: million_row(100_000 if quick else 1_000_000),
        "switchboard": switchboard_rows,
    }
    wanted = options.rows.split(",") if options.rows else [name for name in pieces if full or name != "switchboard"]
    unknown = sorted(set(wanted) - pieces.keys())
    if unknown:
        parser.error(f"--rows: there is no {', '.join(unknown)}; there are {', '.join(pieces)}")
    return max(show(f"scale_{name}", pieces[name](), options) for name in wanted)


if __name__ == "__main__":
    sys.exit(main())
