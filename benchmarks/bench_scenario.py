"""How much CPU does one request of a Python scenario cost the generator, beside wrk, k6 with a check, Locust and aiohttp?

The same closed loop as `bench_load.py` (nginx with one worker and a 144-byte JSON answer on one core, the generator's whole process tree
on the other, coordinator included): every user gets a page and expects status 200, again and again. Each tool is run short and long, and
the difference in CPU time is divided by the difference in requests, so what starting up costs is taken out for all alike. Fair to whom:
wrk checks nothing and runs no script; k6 and Locust run the same script as we do; ours writes per-second histograms of three clocks.

A bar is a multiple of a peer's cost, and the peer's cost depends on the machine: where so small a part of it is less than wrk needs to
send and receive alone, the row's note says so with the figures, because then no script can reach the bar.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from peers import Cost, find, nginx, run, wrk
from rows import Row, arguments, row, show

Runner = Callable[..., Cost]

OURS = """
from scaleworthy.load import User, scenario

@scenario
async def page(user: User) -> None:
    (await user.get("/")).expect(status=200)
"""
K6 = """
import http from 'k6/http';
import {{ check }} from 'k6';
export default function () {{ check(http.get('{url}'), {{ 'is 200': (answer) => answer.status === 200 }}); }}
"""
LOCUST = """
from locust import FastHttpUser, task

class Page(FastHttpUser):
    @task
    def page(self):
        with self.client.get("/", catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure("not 200")
"""


AIOHTTP = """
import asyncio, sys, time
import aiohttp, uvloop

async def user(session, url, end, counts):
    while time.monotonic() < end:
        async with session.get(url) as answer:
            assert answer.status == 200
            await answer.read()
        counts[0] += 1

async def main(url, users, seconds):
    counts = [0]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        end = time.monotonic() + seconds
        await asyncio.gather(*(user(session, url, end, counts) for _ in range(users)))
    print(counts[0])

uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
"""


def ours(url: str, *, connections: int, seconds: int) -> Cost:
    """Run our own command line on a Python scenario."""
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        script = Path(folder) / "page.py"
        script.write_text(OURS)
        command = [sys.executable, "-m", "scaleworthy", "load", str(script), "--target", url]
        text, cost = run([*command, "--users", str(connections), "--for", f"{seconds}s", "--json", "-"], ok=(0, 3))
    return Cost(int(json.loads(text)["answered"]), cost.cpu_s, cost.rss_bytes)


def k6_check(url: str, *, connections: int, seconds: int) -> Cost:
    """Run k6 with one check."""
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        script, summary = Path(folder) / "page.js", Path(folder) / "summary.json"
        script.write_text(K6.format(url=url))
        command = [find("k6") or "k6", "run", "--quiet", "--no-usage-report", "--summary-export", str(summary)]
        _, cost = run([*command, "--vus", str(connections), "--duration", f"{seconds}s", str(script)])
        count = json.loads(summary.read_text())["metrics"]["http_reqs"]["count"]
    return Cost(int(count), cost.cpu_s, cost.rss_bytes)


def locust(url: str, *, connections: int, seconds: int) -> Cost:
    """Run Locust's FastHttpUser, all users from the start."""
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        script = Path(folder) / "page.py"
        script.write_text(LOCUST)
        command = [find("locust") or "locust", "-f", str(script), "--headless", "--only-summary"]
        shape = [
            "--host",
            url.rstrip("/"),
            "-u",
            str(connections),
            "-r",
            str(connections),
            "-t",
            f"{seconds}s",
            "--json",
        ]
        text, cost = run([*command, *shape])
    found = re.search(r"\[\s*\{.*\}\s*\]", text, re.DOTALL)
    count = sum(entry["num_requests"] for entry in json.loads(found[0])) if found else 0
    return Cost(count, cost.cpu_s, cost.rss_bytes)


def aiohttp(url: str, *, connections: int, seconds: int) -> Cost:
    """Run a loop of aiohttp on uvloop, by a Python that has both (AIOHTTP_BIN)."""
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        script = Path(folder) / "page.py"
        script.write_text(AIOHTTP)
        text, cost = run([find("aiohttp") or "", str(script), url, str(connections), str(seconds)])
    return Cost(int(text), cost.cpu_s, cost.rss_bytes)


# The least ratio of each; None: shown, without a bar.
PEERS: dict[str, tuple[Runner, float | None]] = {
    "wrk": (wrk, 0.5),
    "k6": (k6_check, 8.0),
    "locust": (locust, 20.0),
    "aiohttp": (aiohttp, None),
}


def marginal_us(runner: Runner, url: str, *, connections: int, short_s: int, long_s: int) -> float:
    """CPU µs per request, without what starting up costs."""
    brief = runner(url, connections=connections, seconds=short_s)
    long = runner(url, connections=connections, seconds=long_s)
    return (long.cpu_s - brief.cpu_s) / (long.requests - brief.requests) * 1e6


def out_of_reach(theirs: Sequence[float], wrk_us: Sequence[float] | None, least_ratio: float | None) -> str:
    """Say so where the bar asks for less than wrk spends on the kernel and a request's bytes alone; else nothing."""
    if least_ratio is None:
        return ""
    wanted_us = statistics.median(theirs) / least_ratio
    if not wrk_us or wanted_us >= statistics.median(wrk_us):
        return ""
    floor_us = statistics.median(wrk_us)
    highest = statistics.median(theirs) / floor_us
    return (
        f"; out of reach here: {least_ratio:g} times is {wanted_us:.2f} µs a request, and wrk, which runs no script and"
        f" checks nothing, needs {floor_us:.2f} (it would reach {highest:.1f})"
    )


def rows_of(url: str, connections: int, *, repeats: int, short_s: int, long_s: int) -> list[Row]:
    """Return a row a peer: medians of runs that took turns, forwards and backwards."""
    tools: dict[str, Runner] = {"scaleworthy": ours}
    tools |= {name: runner for name, (runner, _) in PEERS.items() if find(name)}
    figures: dict[str, list[float]] = {name: [] for name in tools}
    for turn in range(repeats):
        for name in sorted(tools, reverse=turn % 2 == 1):
            figures[name].append(marginal_us(tools[name], url, connections=connections, short_s=short_s, long_s=long_s))
            print(f"  {connections} users, {name}: {figures[name][-1]:.2f} µs", file=sys.stderr)
    mine = figures["scaleworthy"]
    rows = []
    for name, (_, least) in PEERS.items():
        theirs = figures.get(name)
        note = f"{name} is not installed"
        if theirs:
            note = f"ours {min(mine):.2f}-{max(mine):.2f}; {name} {min(theirs):.2f}-{max(theirs):.2f}; n={len(theirs)}"
            note += out_of_reach(theirs, figures.get("wrk"), least)
        what = f"Python get and expect, {connections} users, vs {name}"
        peer = statistics.median(theirs) if theirs else None
        rows.append(row(what, "CPU µs/request", statistics.median(mine), peer=peer, least_ratio=least, note=note))
    return rows


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    repeats, short_s, long_s = (1, 1, 2) if options.quick else (3, 2, 6)
    rows: list[Row] = []
    with nginx() as url:
        for connections in (32, 256):
            rows += rows_of(url, connections, repeats=repeats, short_s=short_s, long_s=long_s)
    return show("scenario", rows, options)


if __name__ == "__main__":
    sys.exit(main())
