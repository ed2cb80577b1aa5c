"""How much CPU does one request over TLS 1.3 cost the generator, beside oha and wrk?

As bench_load.py, but nginx speaks TLS 1.3 with a certificate made for the run: a closed loop of 32 and of 256 connections that stay
open, so that the cost is that of records, not of handshakes. Generator on one core, nginx on the other, alternating; start-up is taken
out for all alike. Fair to whom: oha uses the same TLS library as ours, wrk OpenSSL; each with the ciphers that it agrees on with nginx.
"""

from __future__ import annotations

import statistics
import sys

from bench_load import Runner, marginal_us
from peers import find, nginx, oha, scaleworthy, wrk
from rows import Row, arguments, row, show

PEERS: dict[str, tuple[Runner, float | None]] = {"oha": (oha, 1.2), "wrk": (wrk, None)}


def rows_of(url: str, connections: int, *, repeats: int, short_s: int, long_s: int) -> list[Row]:
    """Return a row a peer, the tools taking turns, forwards and backwards."""
    tools: dict[str, Runner] = {"scaleworthy": scaleworthy}
    tools |= {name: runner for name, (runner, _) in PEERS.items() if find(name)}
    figures: dict[str, list[float]] = {name: [] for name in tools}
    for turn in range(repeats):
        for name in sorted(tools, reverse=turn % 2 == 1):
            cost_us = marginal_us(tools[name], url, connections=connections, short_s=short_s, long_s=long_s)
            figures[name].append(cost_us)
            print(f"  {connections} connections, {name}: {cost_us:.2f} µs", file=sys.stderr)
    spread = {name: f"{name} {min(of):.2f}-{max(of):.2f}; n={len(of)}" for name, of in figures.items()}
    return [
        row(
            f"GET over TLS 1.3, {connections} connections, vs {name}",
            "CPU µs/request",
            statistics.median(figures["scaleworthy"]),
            peer=statistics.median(figures[name]) if name in figures else None,
            least_ratio=least,
            note="; ".join([spread["scaleworthy"], spread.get(name, f"{name} is not installed")]),
        )
        for name, (_, least) in PEERS.items()
    ]


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    repeats, short_s, long_s = (1, 1, 2) if options.quick else (5, 1, 6)
    rows: list[Row] = []
    with nginx(tls=True) as url:
        for connections in (32, 256):
            rows += rows_of(url, connections, repeats=repeats, short_s=short_s, long_s=long_s)
    return show("tls", rows, options)


if __name__ == "__main__":
    sys.exit(main())
