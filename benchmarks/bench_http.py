"""What do the HTTP manners cost, and what do they bring?

Cost, in one process, by CPU time, alternating with the peer, median of rounds: compressing a list of leads of about 115 KB, beside
Starlette's GZipMiddleware as it comes (level 9); the tag and the 304 of it, beside the same with hashlib; the sensitive fields of it
removed, beside json.loads, a walk and json.dumps; all manners around a 2 KB JSON answer, the bare application taken out; a counter and
a histogram of the meter, beside prometheus_client.
Gain, of a real uvicorn process on one core, the load on the other: requests answered within 200 ms, at twice what it can do, with
shedding and without. A request costs 2 ms of CPU and waits 8 ms for one of four connections.
Fair to whom: GZipMiddleware could be given level 1, which is shown too; the peers' answers are checked against ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as PrometheusCounter
from prometheus_client import Histogram as PrometheusHistogram
from starlette.middleware.gzip import GZipMiddleware

from peers import SERVER_CORE, free_port
from rows import Row, arguments, row, show
from scaleworthy import load
from scaleworthy.runtime import http
from scaleworthy.runtime.limit import Limit
from scaleworthy.series.meter import Meter

PIECES = ("answers", "meter", "shedding")
App = Callable[[Any, Any, Any], Awaitable[None]]


def leads(count: int, *, secret: bool = False) -> list[dict[str, Any]]:
    """Return leads as a list shows them, no two alike."""
    made = []
    for number in range(count):
        digest = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
        made.append(
            {
                "id": 4711 + number, "tenant_id": "7d19154a-97d4-4e9c-b8a2-3f0fb2f6a1c5", "name": f"{digest[:7]} {digest[7:14]}",
                "email": f"{digest[:9]}@example.org", "phone": f"+1{int(digest[:12], 16) % 10**10:010}", "company": digest[14:24],
                "status": ("new", "contacted", "qualified", "won", "lost")[number % 5], "score": int(digest[:4], 16) % 101,
                "value_cents": int(digest[:8], 16) % 10**7, "owner": {"id": number % 9, "name": "Ann Lee", "email": "ann@example.org"},
                "created_at": f"2026-0{1 + number % 9}-1{number % 10}T1{number % 10}:0{number % 6}:00.{number:06}Z",
                **({"apiKey": digest} if secret else {}),
            }
        )  # fmt: skip
    return made


def app_of(body: bytes) -> App:
    """Return an application that answers *body* as JSON."""
    start = {"type": "http.response.start", "status": 200}
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({**start, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body})

    return app


async def nothing() -> dict[str, Any]:
    """Receive an empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


def scope_of(**headers: str) -> dict[str, Any]:
    """Return a request as uvicorn hands it on, with a browser's headers."""
    given = {
        "host": "127.0.0.1:8000", "user-agent": "Mozilla/5.0", "accept": "*/*", "accept-language": "en", "connection": "keep-alive",
        "x-tenant-key": "key_36cd", **{name.replace("_", "-"): value for name, value in headers.items()},
    }  # fmt: skip
    return {
        "type": "http", "method": "GET", "path": "/api/leads", "query_string": b"limit=20", "http_version": "1.1",
        "client": ("127.0.0.1", 40_000), "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }  # fmt: skip


def told_by(app: App, **headers: str) -> tuple[int, bytes]:
    """Return status and body of one answer."""
    status, body = 0, b""

    async def send(message: Any) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    asyncio.run(app(scope_of(**headers), nothing, send))
    return status, body


def cpu_us(apps: list[App], *, calls: int, rounds: int, **headers: str) -> list[float]:
    """Return the CPU time of one answer of each of *apps* in µs: median of rounds, each of which asks all of them."""
    scope = scope_of(**headers)

    async def send(message: Any) -> None:
        pass

    async def ask(app: App) -> float:
        began = time.process_time_ns()
        for _ in range(calls):
            await app(dict(scope), nothing, send)
        return (time.process_time_ns() - began) / calls / 1e3

    async def run() -> list[list[float]]:
        for app in apps:
            await ask(app)
        return [[await ask(app) for app in apps] for _ in range(rounds)]

    return [statistics.median(taken) for taken in zip(*asyncio.run(run()), strict=True)]


def compression(body: bytes, rounds: int) -> list[Row]:
    """Return ours beside Starlette's, in time and in size."""
    bare = app_of(body)
    ours, slow, quick = http.Compression().wrap(bare), GZipMiddleware(bare), GZipMiddleware(bare, compresslevel=1)
    sizes = [len(told_by(app, accept_encoding="gzip, deflate, br, zstd")[1]) for app in (ours, slow, quick)]
    took = cpu_us([ours, slow, quick], calls=20, rounds=rounds, accept_encoding="gzip, deflate, br, zstd")
    as_gzip = cpu_us([ours], calls=20, rounds=rounds, accept_encoding="gzip")[0]
    as_br = cpu_us([ours], calls=20, rounds=rounds, accept_encoding="br")[0]
    size = f"{len(body) / 1000:.0f} KB of JSON"
    return [
        row(f"{size}, compressed", "ms CPU", took[0] / 1e3, peer=took[1] / 1e3, most=0.4, note="zstd beside gzip 9; goal 0.15"),
        row(f"{size}, compressed: bytes", "bytes", sizes[0], peer=sizes[1], least_ratio=1.0, note="bar: smaller"),
        row(f"{size}, beside GZipMiddleware(compresslevel=1)", "ms CPU", took[0] / 1e3, peer=took[2] / 1e3, note=f"{sizes[2]:,} bytes"),
        row(f"{size}, to a client that knows gzip alone", "ms CPU", as_gzip / 1e3, peer=took[1] / 1e3),
        row(f"{size}, to one that knows br", "ms CPU", as_br / 1e3, peer=took[1] / 1e3),
    ]  # fmt: skip


class HashlibTag(http.ETag):
    """The same manner with the hash that the standard library has."""

    def __init__(self) -> None:
        super().__init__()
        self._hash = lambda body: hashlib.sha256(body).hexdigest()


def tags(body: bytes, rounds: int) -> list[Row]:
    """Return what it takes to say that a client has the answer already."""
    bare = app_of(body)
    ours, peer = http.ETag().wrap(bare), HashlibTag().wrap(bare)
    assert told_by(ours, if_none_match="*")[0] == told_by(peer, if_none_match="*")[0] == 304
    took = cpu_us([bare, ours, peer], calls=200, rounds=rounds, if_none_match='W/"0", *')
    return [row("tag and 304 of it", "µs CPU", took[1] - took[0], peer=took[2] - took[0], note="hashlib.sha256")]


def redaction(rounds: int) -> list[Row]:
    """Return ours beside a walk in Python, on an answer that holds sensitive fields and on one that does not."""
    hidden = {"password", "apikey", "secret", "token"}

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: walk(one) for name, one in value.items() if name.replace("_", "").lower() not in hidden}
        return [walk(one) for one in value] if isinstance(value, list) else value

    def walked(body: bytes) -> App:
        inner = json.dumps

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await app_of(inner(walk(json.loads(body))).encode())(scope, receive, send)

        return app

    rows = []
    for what, secret in (("with a key in each lead", True), ("with nothing to hide", False)):
        body = json.dumps(leads(330, secret=secret)).encode()
        bare = app_of(body)
        ours, peer = http.Redaction().wrap(bare), walked(body)
        assert json.loads(told_by(ours)[1]) == json.loads(told_by(peer)[1])
        took = cpu_us([bare, ours, peer], calls=20, rounds=rounds)
        note = "json.loads, a walk, json.dumps"
        rows.append(
            row(f"fields removed from it, {what}", "µs CPU", took[1] - took[0], peer=took[2] - took[0], note=note)
        )
    return rows


def whole(rounds: int) -> list[Row]:
    """Return what all manners take on a 2 KB JSON answer."""
    body = json.dumps(leads(5)).encode()
    bare = app_of(body)
    manners: list[http.Manner] = [
        http.Draining(),
        http.Metrics(Meter()),
        http.BodyLimit(),
        http.SlowLog(),
        http.RateLimit(Limit("1000000/s"), by=http.by_header("x-tenant-key")),
        http.Shedding(),
        http.Deadline(),
        http.Coalescing(),
        http.Compression(),
        http.ETag(),
        http.Redaction(),
        http.CacheControl(),
    ]
    packed = http.Stack(bare, manners)
    accepts = {"accept_encoding": "gzip, deflate, br, zstd"}
    took = cpu_us([bare, packed], calls=1000, rounds=rounds, **accepts)
    plain = cpu_us([bare, packed], calls=1000, rounds=rounds)
    note = f"{len(body)} bytes, {len(manners)} manners, compressed; goal 25; {plain[1] - plain[0]:.1f} where the client accepts no encoding"
    return [row("all manners on a 2 KB JSON answer", "µs CPU", took[1] - took[0], most=60, note=note)]


def least_ns(run: Callable[[int], None], *, calls: int, repeats: int) -> float:
    """Return the least time of one call, over *repeats* runs of *calls*."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter_ns()
        run(calls)
        times.append((time.perf_counter_ns() - began) / calls)
    return min(times)


def meters(*, calls: int, repeats: int) -> list[Row]:
    """Return what it takes to count and to record, with labels looked up each time and bound before."""
    meter, registry = Meter(), CollectorRegistry()
    ours = meter.counters("requests", "requests", "method", "route")
    peers = PrometheusCounter("requests", "-", ["method", "route"], registry=registry)
    add, inc = ours["GET", "/api/leads"].add, peers.labels("GET", "/api/leads").inc
    record = meter.histogram("duration").record
    observe = PrometheusHistogram("duration", "-", registry=registry).observe

    def empty(count: int) -> None:
        for _ in range(count):
            pass

    def labelled(count: int) -> None:
        for _ in range(count):
            ours["GET", "/api/leads"].add()

    def labelled_peer(count: int) -> None:
        for _ in range(count):
            peers.labels("GET", "/api/leads").inc()

    def bound(count: int) -> None:
        for _ in range(count):
            add()

    def bound_peer(count: int) -> None:
        for _ in range(count):
            inc()

    def recorded(count: int) -> None:
        for _ in range(count):
            record(5_000_000)

    def recorded_peer(count: int) -> None:
        for _ in range(count):
            observe(0.005)

    loop = least_ns(empty, calls=calls, repeats=repeats)
    took = {
        run.__name__: least_ns(run, calls=calls, repeats=repeats) - loop
        for run in (labelled, labelled_peer, bound, bound_peer, recorded, recorded_peer)
    }
    note = f"prometheus_client; loop {loop:.0f} taken out"
    return [
        row("count, labels looked up", "ns", took["labelled"], peer=took["labelled_peer"], most=200, note=note),
        row("count, bound before", "ns", took["bound"], peer=took["bound_peer"], most=80, note=note),
        row("record a duration, bound before", "ns", took["recorded"], peer=took["recorded_peer"], most=80, note=note),
    ]


OVERLOADED = """
import asyncio, sys, time
import uvicorn
from scaleworthy.runtime import http

connections = asyncio.Semaphore(4)

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    async with connections:
        await asyncio.sleep(0.008)
    until = time.process_time() + 0.002
    while time.process_time() < until:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})

served = http.Shedding().wrap(app) if sys.argv[2] == "shed" else app
uvicorn.run(served, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off", loop="uvloop", http="httptools")
"""


def good_per_s(kind: str, *, rate: int, seconds: int) -> tuple[float, float, int]:
    """Return answers within 200 ms a second, p95 of all that were answered 200 in ms, and how many were refused."""
    port = free_port()
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-c", OVERLOADED, str(port), kind]
    server = subprocess.Popen(command)
    try:
        until_open(port, server)
        plan = load.make_plan(
            {
                "target": f"http://127.0.0.1:{port}",
                "load": {"rate": f"{rate}/s", "for": f"{seconds}s"},
                "http": {"timeout": "2s", "connections_max": 4000},
                "scenarios": [{"name": "get", "steps": [{"get": "/", "expect": {"status": 200, "within": "200ms"}}]}],
            }
        )
        with load.start(plan) as run:
            summary = run.wait()
    finally:
        # What it still has to do nobody waits for.
        server.kill()
        server.wait(10)
    good = summary.planned - summary.failed - summary.not_started
    return good / seconds, summary.response_ms.p95 or 0.0, summary.statuses.get("503", 0)


def until_open(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server listens."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return
        time.sleep(0.02)
    raise RuntimeError(f"the server did not listen on port {port}")


def shedding(*, seconds: int, rounds: int) -> list[Row]:
    """Return what an overloaded service answers in time, with shedding and without."""
    rate = 1_000
    kinds = [good_per_s(kind, rate=rate, seconds=seconds) for _ in range(rounds) for kind in ("shed", "plain")]
    shed, plain = (statistics.median(good for good, _, _ in kinds[at::2]) for at in (0, 1))
    p95_ms, refused = kinds[0][1], kinds[0][2]
    note = f"no shedding; {rate}/s asked of one core; refused {refused}; p95 of all {p95_ms:.0f} ms"
    return [
        row("answered within 200 ms, overloaded", "requests/s", shed, peer=plain, better="higher", least_ratio=2, note=note)
    ]  # fmt: skip


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", default=",".join(PIECES), help=f"pieces to run, of {', '.join(PIECES)}")
    options = parser.parse_args()
    pieces = options.rows.split(",")
    if unknown := set(pieces) - set(PIECES):
        parser.error(f"--rows: there is no {', '.join(sorted(unknown))}; there are {', '.join(PIECES)}")
    rounds = 5 if options.quick else 15
    rows: list[Row] = []
    if "answers" in pieces:
        body = json.dumps(leads(330)).encode()
        rows += [*compression(body, rounds), *tags(body, rounds), *redaction(rounds), *whole(rounds)]
    if "meter" in pieces:
        rows += meters(calls=200_000, repeats=5 if options.quick else 15)
    if "shedding" in pieces:
        rows += shedding(seconds=5 if options.quick else 10, rounds=1 if options.quick else 2)
    return show("http", rows, options)


if __name__ == "__main__":
    sys.exit(main())
