"""How much CPU does one HTTP/2 request cost the generator, beside h2load?

A closed loop over 32 connections of 10 streams each, and over one of 10, against nginx (HTTP/2 by prior knowledge, one worker, 144-byte
JSON), generator on one core, nginx on the other, alternating. What starting up costs is taken out for both alike: each is run short and
long, and the difference in CPU time is divided by the difference in requests. Fair to whom: h2load compresses its request headers into
the connection's table (smaller requests, more work) and keeps a bounded sample of latencies; ours sends them as they are and writes
per-second histograms of three clocks. nginx is the slower side here: the rate is its own, CPU time per request is what counts.
"""

from __future__ import annotations

import json
import statistics
import sys

from peers import Cost, find, h2load, nginx, run
from rows import Row, arguments, row, show

SHAPES = ((32, 10), (1, 10))


def scaleworthy(url: str, *, connections: int, streams: int, seconds: int) -> Cost:
    """Run our own command line, closed, a stream a user."""
    command = [sys.executable, "-m", "scaleworthy", "load", url, "--http", "2-prior-knowledge"]
    command += [
        "--users",
        str(connections * streams),
        "--connections-max",
        str(connections),
        "--streams-max",
        str(streams),
    ]
    text, cost = run([*command, "--for", f"{seconds}s", "--json", "-"], ok=(0, 3))
    return Cost(int(json.loads(text)["answered"]), cost.cpu_s, cost.rss_bytes)


TOOLS = {"scaleworthy": scaleworthy, "h2load": h2load}


def marginal_us(tool: str, url: str, shape: tuple[int, int], *, short_s: int, long_s: int) -> float:
    """CPU µs per request, without what starting up costs."""
    connections, streams = shape
    brief = TOOLS[tool](url, connections=connections, streams=streams, seconds=short_s)
    long = TOOLS[tool](url, connections=connections, streams=streams, seconds=long_s)
    return (long.cpu_s - brief.cpu_s) / (long.requests - brief.requests) * 1e6


def measured(url: str, shape: tuple[int, int], *, repeats: int, short_s: int, long_s: int) -> Row:
    """Return the row of one shape, the tools taking turns, forwards and backwards."""
    tools = ["scaleworthy", *(["h2load"] if find("h2load") else [])]
    figures: dict[str, list[float]] = {tool: [] for tool in tools}
    for turn in range(repeats):
        for tool in sorted(tools, reverse=turn % 2 == 1):
            figures[tool].append(marginal_us(tool, url, shape, short_s=short_s, long_s=long_s))
            print(f"  {shape[0]} connections x {shape[1]} streams, {tool}: {figures[tool][-1]:.2f} µs", file=sys.stderr)
    notes = [f"{tool} {min(of):.2f}-{max(of):.2f}; n={len(of)}" for tool, of in figures.items()]
    return row(
        f"HTTP/2 GET, {shape[0]} connections x {shape[1]} streams, vs h2load",
        "CPU µs/request",
        statistics.median(figures["scaleworthy"]),
        peer=statistics.median(figures["h2load"]) if "h2load" in figures else None,
        least_ratio=0.7 if shape == SHAPES[0] else None,
        note="; ".join(notes) if "h2load" in figures else "h2load is not installed",
    )


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    repeats, short_s, long_s = (1, 1, 2) if options.quick else (3, 1, 6)
    with nginx(http2=True) as url:
        rows = [measured(url, shape, repeats=repeats, short_s=short_s, long_s=long_s) for shape in SHAPES]
    return show("http2", rows, options)


if __name__ == "__main__":
    sys.exit(main())
