"""How much CPU does a request of a Locust file cost, run by `scaleworthy load` and by Locust itself?

The same file, unchanged, for both: every user gets a page again and again, without a wait, once as HttpUser and once as
FastHttpUser, plainly and with `catch_response`. nginx answers on one core; each tool's whole process tree is pinned to the other.
As in `bench_scenario.py`, each is run short and long, and what starting up costs is taken out. Fair to whom: Locust keeps its
statistics in one process here, as ours does; ours writes per-second histograms of three clocks beside.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench_scenario import Runner, marginal_us
from peers import Cost, find, nginx, run
from rows import Row, arguments, row, show

PLAIN = """
from locust import {kind}, task

class Page({kind}):
    @task
    def page(self):
        self.client.get("/")
"""
CAUGHT = """
from locust import {kind}, task

class Page({kind}):
    @task
    def page(self):
        with self.client.get("/", catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure("not 200")
"""
CASES = {"get": PLAIN, "get with catch_response": CAUGHT}
BAR = 3.0


def ours(text: str, url: str, *, connections: int, seconds: int) -> Cost:
    """Run the file with our own command line."""
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        file = Path(folder) / "locustfile.py"
        file.write_text(text)
        command = [sys.executable, "-m", "scaleworthy", "load", str(file), "--target", url, "--workers", "1"]
        out, cost = run([*command, "--users", str(connections), "--for", f"{seconds}s", "--json", "-"], ok=(0, 3))
    return Cost(int(json.loads(out)["answered"]), cost.cpu_s, cost.rss_bytes)


def locust(text: str, url: str, *, connections: int, seconds: int) -> Cost:
    """Run the file with Locust, all users from the start."""
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        file = Path(folder) / "locustfile.py"
        file.write_text(text)
        command = [find("locust") or "locust", "-f", str(file), "--headless", "--only-summary", "--json"]
        users = ["-u", str(connections), "-r", str(connections), "-t", f"{seconds}s"]
        out, cost = run([*command, "--host", url.rstrip("/"), *users])
    found = re.search(r"\[\s*\{.*\}\s*\]", out, re.DOTALL)
    return Cost(sum(one["num_requests"] for one in json.loads(found[0])) if found else 0, cost.cpu_s, cost.rss_bytes)


def row_of(url: str, kind: str, case: str, *, repeats: int, short_s: int, long_s: int) -> Row:
    """Return one row: medians of runs that took turns, forwards and backwards."""
    text = CASES[case].format(kind=kind)
    tools: dict[str, Runner] = {"scaleworthy": partial(ours, text)}
    if find("locust"):
        tools["locust"] = partial(locust, text)
    figures: dict[str, list[float]] = {name: [] for name in tools}
    for turn in range(repeats):
        for name in sorted(tools, reverse=turn % 2 == 1):
            figures[name].append(marginal_us(tools[name], url, connections=32, short_s=short_s, long_s=long_s))
            print(f"  {kind}, {case}, {name}: {figures[name][-1]:.2f} µs", file=sys.stderr)
    mine, theirs = figures["scaleworthy"], figures.get("locust")
    note = "locust is not installed"
    if theirs:
        note = f"ours {min(mine):.2f}-{max(mine):.2f}; locust {min(theirs):.2f}-{max(theirs):.2f}; n={len(theirs)}"
    peer = statistics.median(theirs) if theirs else None
    what = f"Locust file, {kind}, {case}, 32 users, vs locust"
    return row(what, "CPU µs/request", statistics.median(mine), peer=peer, least_ratio=BAR, note=note)


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    repeats, short_s, long_s = (1, 1, 3) if options.quick else (3, 2, 6)
    with nginx() as url:
        rows = [
            row_of(url, kind, case, repeats=repeats, short_s=short_s, long_s=long_s)
            for kind in ("HttpUser", "FastHttpUser")
            for case in CASES
        ]
    return show("locust", rows, options)


if __name__ == "__main__":
    sys.exit(main())
