"""How much CPU does one request cost the generator, beside wrk, oha and k6?

A closed loop of 32 and of 256 keep-alive connections against nginx (one worker, 144-byte JSON), generator on one core, nginx on the
other, all in this run and alternating. What starting up costs is taken out for every tool alike: each is run short and long, and the
difference in CPU time is divided by the difference in requests. Fair to whom: wrk and oha check nothing and keep no time series; k6
runs a script; ours writes per-second histograms of three clocks. CPU time per request counts; a rate above some 95,000/s is nginx's limit.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable

from peers import Cost, find, k6, nginx, oha, scaleworthy, wrk
from rows import Row, arguments, row, show

Runner = Callable[..., Cost]
PEERS: dict[str, tuple[Runner, float]] = {"wrk": (wrk, 1.0), "oha": (oha, 1.3), "k6": (k6, 10.0)}


def marginal_us(runner: Runner, url: str, *, connections: int, short_s: int, long_s: int) -> float:
    """CPU µs per request, without what starting up costs."""
    brief = runner(url, connections=connections, seconds=short_s)
    long = runner(url, connections=connections, seconds=long_s)
    return (long.cpu_s - brief.cpu_s) / (long.requests - brief.requests) * 1e6


def measured(url: str, *, connections: int, repeats: int, short_s: int, long_s: int) -> dict[str, list[float]]:
    """Return each tool's figures, the tools taking turns, forwards and backwards."""
    tools: dict[str, Runner] = {"scaleworthy": scaleworthy}
    tools |= {name: runner for name, (runner, _) in PEERS.items() if find(name)}
    figures: dict[str, list[float]] = {name: [] for name in tools}
    for turn in range(repeats):
        for name in sorted(tools, reverse=turn % 2 == 1):
            figures[name].append(marginal_us(tools[name], url, connections=connections, short_s=short_s, long_s=long_s))
            print(f"  {connections} connections, {name}: {figures[name][-1]:.2f} µs", file=sys.stderr)
    return figures


def rows_of(figures: dict[str, list[float]], connections: int) -> list[Row]:
    """Return a row a peer, medians compared, with each tool's range in the note."""
    ours = statistics.median(figures["scaleworthy"])
    spread = f"ours {min(figures['scaleworthy']):.2f}-{max(figures['scaleworthy']):.2f}"
    rows = []
    for name, (_, least) in PEERS.items():
        theirs = figures.get(name)
        note = (
            f"{spread}; {name} {min(theirs):.2f}-{max(theirs):.2f}; n={len(theirs)}"
            if theirs
            else f"{name} is not installed"
        )
        peer = statistics.median(theirs) if theirs else None
        rows.append(
            row(
                f"GET, {connections} connections, vs {name}",
                "CPU µs/request",
                ours,
                peer=peer,
                least_ratio=least,
                note=note,
            )
        )
    return rows


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    repeats, short_s, long_s = (1, 1, 2) if options.quick else (3, 1, 6)
    rows: list[Row] = []
    with nginx() as url:
        for connections in (32, 256):
            rows += rows_of(
                measured(url, connections=connections, repeats=repeats, short_s=short_s, long_s=long_s), connections
            )
    return show("load", rows, options)


if __name__ == "__main__":
    sys.exit(main())
