"""How much CPU does a request of an Artillery script cost, run here and by Artillery itself?

The same file for both: virtual users who arrive at a rate, each with a connection of its own and ten requests (JSON bodies, an
extracted value, expectations), against nginx with one worker; generator on one core, nginx on the other, both in this run and taking
turns. Starting up is taken out for both: each runs short and long, and the difference in CPU time is divided by the difference in
requests. Fair to whom: Artillery gets a rate that one core of it can carry, since it pays more for each request beyond that; a second
row runs ours at that same low rate, where each request wakes the thread by itself; in a third each user sends 100 requests.
Artillery is an npm package (`npm install artillery`); it is found on PATH or by ARTILLERY_BIN.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from peers import Cost, find, nginx, run
from rows import Row, arguments, row, show

PAIRS = 5
LOW_PER_S, HIGH_PER_S = 40, 2_500
Runner = Callable[..., Cost]


def script(url: str, *, pairs: int) -> str:
    """Return the Artillery file: each user asks *pairs* times twice."""
    root = url.rstrip("/")
    steps: list[dict[str, object]] = []
    for _ in range(pairs):
        steps += [
            {"get": {"url": "/lead", "capture": {"json": "$.phone", "as": "phone"}, "expect": {"statusCode": 200}}},
            {
                "post": {
                    "url": "/lead",
                    "json": {"phone": "{{ phone }}", "note": "called"},
                    "expect": {"statusCode": 200},
                }
            },
        ]
    config = {
        "target": root,
        "phases": [{"duration": 5, "arrivalRate": LOW_PER_S}],
        "plugins": {"expect": {"outputFormat": "silent"}},
    }
    return json.dumps({"config": config, "scenarios": [{"name": "leads", "flow": steps}]})


def artillery(file: Path, *, per_s: float, seconds: int) -> Cost:
    """Run Artillery with a phase of that rate and length."""
    program = find("artillery")
    assert program is not None, "looked for before"
    phases = json.dumps({"config": {"phases": [{"duration": seconds, "arrivalRate": per_s}]}})
    report = file.with_suffix(".report.json")
    os.environ.setdefault("ARTILLERY_DISABLE_TELEMETRY", "true")
    _, cost = run([program, "run", "--quiet", "--overrides", phases, "--output", str(report), str(file)])
    counters = json.loads(report.read_text())["aggregate"]["counters"]
    if counters.get("vusers.failed"):
        raise RuntimeError(f"Artillery failed for {counters['vusers.failed']} users: lower LOW_PER_S")
    return Cost(int(counters["http.responses"]), cost.cpu_s, cost.rss_bytes)


def scaleworthy(file: Path, *, per_s: float, seconds: int) -> Cost:
    """Run the same file here at that rate."""
    shape = ["--rate", f"{per_s}/s", "--arrivals", "constant", "--for", f"{seconds}s"]
    text, cost = run([sys.executable, "-m", "scaleworthy", "load", str(file), *shape, "--json", "-"], ok=(0, 3))
    summary = json.loads(text)
    if summary["failed"]:
        raise RuntimeError(f"{summary['failed']} requests failed: {summary['errors']}")
    return Cost(summary["answered"], cost.cpu_s, cost.rss_bytes)


def marginal_us(runner: Runner, file: Path, *, per_s: float, short_s: int, long_s: int) -> float:
    """CPU µs per request, without what starting up costs."""
    brief, long = (runner(file, per_s=per_s, seconds=seconds) for seconds in (short_s, long_s))
    return (long.cpu_s - brief.cpu_s) / (long.requests - brief.requests) * 1e6


def compared(folder: Path, url: str, *, repeats: int, short_s: int, long_s: int) -> list[Row]:
    """Return the rows: ours beside Artillery's, which take turns."""
    cases = {
        "10 requests a user, as fast as each can carry": (PAIRS, HIGH_PER_S, LOW_PER_S),
        "10 requests a user, both at the low rate": (PAIRS, LOW_PER_S, LOW_PER_S),
        "100 requests a user": (10 * PAIRS, HIGH_PER_S / 10, LOW_PER_S / 10),
    }
    rows = []
    for what, (pairs, ours_per_s, theirs_per_s) in cases.items():
        file = folder / "script.json"
        file.write_text(script(url, pairs=pairs))
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(repeats):
            ours.append(marginal_us(scaleworthy, file, per_s=ours_per_s, short_s=short_s, long_s=long_s))
            if find("artillery"):
                theirs.append(marginal_us(artillery, file, per_s=theirs_per_s, short_s=short_s, long_s=long_s))
            print(f"  {what}: {ours[-1]:.1f} µs, Artillery {theirs[-1:]} µs", file=sys.stderr)
        spread = f"ours {min(ours):.1f}-{max(ours):.1f} at {ours_per_s:g} users/s"
        note = (
            f"{spread}; Artillery {min(theirs):.0f}-{max(theirs):.0f} at {theirs_per_s:g} users/s; n={len(theirs)}"
            if theirs
            else f"{spread}; artillery is not installed"
        )
        peer = statistics.median(theirs) if theirs else None
        least = 50.0 if ours_per_s > theirs_per_s else None
        rows.append(
            row(
                f"Artillery script, {what}",
                "CPU µs/request",
                statistics.median(ours),
                peer=peer,
                least_ratio=least,
                note=note,
            )
        )
    return rows


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    repeats, short_s, long_s = (1, 2, 6) if options.quick else (3, 2, 10)
    with nginx() as url, tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        rows = compared(Path(folder), url, repeats=repeats, short_s=short_s, long_s=long_s)
    return show("artillery", rows, options)


if __name__ == "__main__":
    sys.exit(main())
