"""What is proved: counts, rate, a stop of the server, a known service time, a known capacity.

Each proof runs real requests against a server of known behaviour in another process and returns lines of wanted and got.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from scaleworthy.load.selftest.beside import Beside
from scaleworthy.load.selftest.line import Line, Speed
from scaleworthy.load.selftest.runs import Ran, begin, end
from scaleworthy.units import format_ns, three_digits

STALL_NS = 200_000_000
STALL_PER_S, STALL_CONNECTIONS = 500, 4
SERVICE_NS = 20_000_000
SERVERS, SERVED_NS = 4, 4_000_000
CAPACITY_PER_S = SERVERS * 1e9 / SERVED_NS
RATE_TOLERANCE = 0.005
LAG_MOST_NS = 1e6
_HTTP: tuple[Speed, ...] = ("declarative", "python")


def counts(beside: Beside, *, seconds: float) -> Iterator[Line]:
    """Our counts of a closed and an open run beside the server's own: not one may differ."""
    loads: dict[str, dict[str, Any]] = {"closed, 16 users": {"users": 16}, "open, 1,000/s": {"rate": "1000/s"}}
    for speed in _HTTP:
        for name, load in loads.items():
            url = beside.open()
            ran = end(begin(speed, url, {**load, "for": f"{seconds:g}s"}))
            got, _ = beside.counts(url)
            beside.close(url)
            sums = ran.summary
            held = sums.answered > 0 and sums.started == got and sums.answered + _unanswered(ran) == sums.started
            yield Line(
                "counts", speed, f"requests, {name}", f"{got:,} counted by the server", f"{sums.started:,}", held
            )
    loads = {"closed, 16 users": {"users": 16}, "open, 100 sockets/s": {"rate": "100/s"}}
    for name, load in loads.items():
        url = beside.open()
        ran = end(begin("websocket", url, {**load, "for": f"{seconds:g}s"}))
        requests, messages = beside.counts(url)
        beside.close(url)
        part = ran.summary.websocket
        opened, sent = (part.opened, part.messages_sent) if part is not None else (0, 0)
        yield Line(
            "counts",
            "websocket",
            f"sockets and messages, {name}",
            f"{requests:,} and {messages:,} counted by the server",
            f"{opened:,} and {sent:,}",
            messages > 0 and (opened, sent) == (requests, messages),
        )


def rate(beside: Beside, *, seconds: float, per_s: int = 1000) -> Iterator[Line]:
    """Evenly spaced arrivals: how many come, how late they are sent, and how far apart the server reads them."""
    for speed in _HTTP:
        url = beside.open()
        ran = end(begin(speed, url, {"rate": f"{per_s}/s", "for": f"{seconds:g}s", "arrivals": "constant"}))
        gaps = beside.gaps(url)
        beside.close(url)
        wanted, started = round(per_s * seconds), ran.summary.started
        yield Line(
            "rate",
            speed,
            f"starts at {per_s:,}/s for {seconds:g} s",
            f"{wanted:,} ± {RATE_TOLERANCE * 100:g} %",
            f"{started:,}",
            abs(started - wanted) <= max(RATE_TOLERANCE * wanted, 1),
        )
        lag = ran.store.histogram("load.lag")
        p50, p99 = lag.quantile(0.5) or 0.0, lag.quantile(0.99) or 0.0
        yield Line(
            "rate",
            speed,
            "late (lag) p50, p99",
            f"p99 < {format_ns(LAG_MOST_NS)}",
            f"{format_ns(p50)}, {format_ns(p99)}",
            lag.count > 0 and p99 < LAG_MOST_NS,
        )
        apart = ", ".join(format_ns(gaps.quantile(q) or 0.0) for q in (0.01, 0.5, 0.99))
        yield Line(
            "rate", speed, "time between two, read by the server: p1, p50, p99", format_ns(1e9 / per_s), apart, None
        )


def stall(beside: Beside, *, every_s: int) -> Iterator[Line]:
    """A server that stops for 200 ms: the wait of those held back is in the response time's p99, not in the service time's.

    Stopped for *d* in a run of *t* seconds at an even rate, the starts of the stop wait *d* to 0: one in a hundred of all waits
    longer than about *d* − *t*/100. No more than one request a connection is on the wire meanwhile: the service time's p99 sees none.
    """
    seconds = every_s + 1
    wanted_ms = STALL_NS / 1e6 - 10 * seconds
    load = {"rate": f"{STALL_PER_S}/s", "for": f"{seconds}s", "arrivals": "constant"}
    urls = {speed: beside.open(stall_every_ns=every_s * 10**9, stall_for_ns=STALL_NS) for speed in _HTTP}
    # Side by side: two small loads, and half the time.
    runs = {speed: begin(speed, url, load, connections=STALL_CONNECTIONS) for speed, url in urls.items()}
    for speed, run in runs.items():
        ran = end(run)
        beside.close(urls[speed])
        response, service = ran.summary.response_ms.p99 or 0.0, ran.summary.service_ms.p99 or 0.0
        what = f"200 ms stop in {every_s} s at {STALL_PER_S}/s, {STALL_CONNECTIONS} connections"
        yield Line(
            "stall",
            speed,
            f"{what}: response p99",
            f"{wanted_ms:.0f} ms ± 25 %",
            f"{three_digits(response)} ms",
            0.75 * wanted_ms <= response <= 1.25 * wanted_ms,
        )
        yield Line("stall", speed, "the same: service p99", "< 20 ms", f"{three_digits(service)} ms", 0 < service < 20)


def slow(beside: Beside, *, seconds: float) -> Iterator[Line]:
    """A server that takes 20 ms over each request: never less is read, and little more."""
    urls = {speed: beside.open(service_time_ns=SERVICE_NS) for speed in _HTTP}
    runs = {speed: begin(speed, url, {"users": 8, "for": f"{seconds:g}s"}) for speed, url in urls.items()}
    for speed, run in runs.items():
        ran = end(run)
        beside.close(urls[speed])
        times = ran.store.histogram("load.service_time")
        least, middle = times.min_ns or 0, times.quantile(0.5) or 0.0
        yield Line(
            "slow",
            speed,
            "service time of a 20 ms server: least, median",
            "20 ms to 21 ms",
            f"{format_ns(least)}, {format_ns(middle)}",
            least >= SERVICE_NS and middle <= 1.05 * SERVICE_NS,
        )


def limited(beside: Beside, *, seconds: int, speeds: Sequence[Speed] = _HTTP) -> Iterator[Line]:
    """A queue of known capacity (M/M/4): users reach it, and a rate of twice as much shows that it cannot be served."""
    for speed in speeds:
        url = beside.open(service_time_ns=SERVED_NS, service="exponential", servers=SERVERS)
        reached = end(begin(speed, url, {"users": 32, "for": f"{seconds}s"})).summary.requests_per_s
        beside.close(url)
        # Four standard errors of as many exponential service times; and what starting and ending cost.
        tolerance = 4 / math.sqrt(CAPACITY_PER_S * seconds) + 0.01
        yield Line(
            "limited",
            speed,
            "M/M/4, 32 users: answered",
            f"{CAPACITY_PER_S:,.0f}/s ± {tolerance * 100:.0f} %",
            f"{three_digits(reached)}/s",
            abs(reached / CAPACITY_PER_S - 1) <= tolerance,
        )
        url = beside.open(service_time_ns=SERVED_NS, service="exponential", servers=SERVERS)
        load = {"rate": f"{2 * CAPACITY_PER_S:g}/s", "for": f"{seconds}s"}
        ran = end(begin(speed, url, load, connections=64))
        beside.close(url)
        yield Line(
            "limited",
            speed,
            "the same at twice the rate: not started, response p50",
            f"some, and above {seconds / 8:g} s",
            f"{ran.summary.not_started:,}, {format_ns((ran.summary.response_ms.p50 or 0.0) * 1e6)}",
            # In a queue that only grows, who is served at time t waited about half of t.
            ran.summary.not_started > 0 and (ran.summary.response_ms.p50 or 0.0) > seconds * 1e3 / 8,
        )


def _unanswered(ran: Ran) -> int:
    """Return how many requests ended in an error of transport; one that broke an expectation was answered."""
    return sum(count for kind, count in ran.summary.errors.items() if not kind.startswith("expect"))
