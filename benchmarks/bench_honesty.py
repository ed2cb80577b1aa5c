"""Does what we count agree with the server's own log, and does a stop of the server show where it must?

Counts: nginx writes one line a request; a closed and an open run of ours are compared with its log, line by line counted.
Stop: a server that stops for 200 ms once in 10 s, at 500 requests/s over at most 4 connections, must show in the response time's p99
(from the planned start) and not in the service time's (from the send). 200 ms hold back 100 of 5,000 starts, 2 %, and those
behind them; only 4 requests at most are on the wire meanwhile. Fair to whom: no peer; it is a claim about ourselves.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from peers import nginx
from rows import Row, arguments, row, show
from scaleworthy._native import NullServer
from scaleworthy.load import Plan, run_load
from scaleworthy.series import MemoryStore


def summary_of(url: str, load: dict[str, Any], *, connections: int = 64) -> dict[str, Any]:
    """Run one GET as *load* says and return the summary."""
    scenario = {"name": "get", "steps": [{"get": "/"}]}
    plan = {"target": url, "scenarios": [scenario], "load": load, "http": {"connections_max": connections}, "seed": 1}
    return run_load(Plan.model_validate(plan), MemoryStore())


def count_rows(seconds: int) -> list[Row]:
    """Compare our counts with nginx's log."""
    rows = []
    for name, load in (
        ("closed, 32 users", {"users": 32, "for": f"{seconds}s"}),
        ("open, 2,000/s Poisson", {"rate": "2000/s", "for": f"{seconds}s"}),
        ("fixed count, 50,000", {"users": 32, "count": 50_000}),
    ):
        with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
            log = Path(folder) / "access.log"
            with nginx(access_log=log) as url:
                summary = summary_of(url, load)
            with log.open("rb") as lines:
                logged = sum(1 for _ in lines)
        difference = abs(logged - summary["started"])
        rows.append(
            row(
                f"requests beside the server's log, {name}", "difference", difference, most=0, note=f"{logged:,} logged"
            )
        )
    return rows


def stop_rows(seconds: int) -> list[Row]:
    """Measure a server that stops for 200 ms once in 10 s."""
    server = NullServer(stall_every_ns=10 * 10**9, stall_for_ns=200_000_000)
    try:
        load = {"rate": "500/s", "for": f"{seconds}s", "arrivals": "constant"}
        summary = summary_of(f"http://127.0.0.1:{server.port}/", load, connections=4)
    finally:
        server.stop()
    response, service = summary["response_ms"], summary["service_ms"]
    note = (
        f"{summary['answered']:,} answered; response max {response['max']:.0f} ms, service max {service['max']:.0f} ms"
    )
    return [
        row("a 200 ms stop in 10 s, 500/s, 4 connections: response p99", "ms", response["p99"], least=50, note=note),
        row("the same: service p99", "ms", service["p99"], most=20, note=note),
    ]


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    rows = count_rows(2 if options.quick else 10)
    rows += stop_rows(11 if options.quick else 30)
    return show("honesty", rows, options)


if __name__ == "__main__":
    sys.exit(main())
