"""How wrong is the time that an event of a stream is given?

1,000 server-sent event streams, each with 50 events a second, from our null server in a process of its own: it writes the time into
each event right before the send. Generator on one core, server on the other. The error is the age at which the engine stamps an
event: its way through the kernel, and the wait until the engine reads it. It is an upper bound: the way itself is part of it. Both
processes read the clock of one machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench_websocket import served
from peers import run
from rows import arguments, row, show

STREAMS, EVENTS_PER_S = 1_000, 50


def measured(port: int, seconds: int) -> dict[str, Any]:
    """Run our command line once and return its summary."""
    every_us = 1_000_000 // EVENTS_PER_S
    step = {
        "get": f"/events?count={EVENTS_PER_S * seconds}&every_us={every_us}",
        "name": "events",
        "stream": {
            "kind": "sse",
            "events_min": EVENTS_PER_S * seconds,
            "age": {"json": "$.sent_ns", "unit": "ns"},
        },
    }
    plan = {
        "target": f"http://127.0.0.1:{port}",
        "http": {"connections_max": None},
        "scenarios": [{"name": "events", "steps": [step]}],
        # Streams that begin over one second, as users arrive: all at the same moment would be bursts of 1,000 events.
        "load": {"rate": f"{STREAMS}/s", "arrivals": "constant", "for": "1s"},
        "grace": f"{seconds + 5}s",
    }
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        path = Path(folder) / "plan.yaml"
        path.write_text(json.dumps(plan))
        text, _ = run([sys.executable, "-m", "scaleworthy", "load", str(path), "--json", "-"], ok=(0, 3))
    summary: dict[str, Any] = json.loads(text)
    if summary["failed"] or summary["answered"] != STREAMS:
        raise RuntimeError(f"{summary['answered']} of {STREAMS} streams came through: {summary['errors']}")
    return summary


def main() -> int:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    repeats, seconds = (1, 3) if options.quick else (5, 10)
    p99s, p50s, worst = [], [], []
    with served() as server:
        for _ in range(repeats):
            streams = measured(server.port, seconds)["streams"]
            p50s.append(streams["age_ms"]["p50"])
            p99s.append(streams["age_ms"]["p99"])
            worst.append(streams["age_ms"]["max"])
            print(f"  {streams['events']:,} events: p50 {p50s[-1]:.3f} p99 {p99s[-1]:.3f} ms", file=sys.stderr)
    what = f"SSE, {STREAMS:,} streams of {EVENTS_PER_S} events/s: time-stamp error"
    spread = f"{min(p99s):.3f}-{max(p99s):.3f}; max {max(worst):.3f}; n={repeats}; goal 0.2 ms"
    rows = [
        row(f"{what}, p50", "ms", statistics.median(p50s)),
        row(f"{what}, p99", "ms", statistics.median(p99s), most=1.0, note=spread),
    ]
    return show("stream", rows, options)


if __name__ == "__main__":
    sys.exit(main())
