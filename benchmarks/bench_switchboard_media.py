"""How many calls' sound can Switchboard echo on time?

A stream is a WebSocket that carries a frame of 160 bytes of μ-law every 20 ms each way, held by our engine: a loop with `every: 20ms` on a
socket, so that a frame is due whether or not the one before has come back, and its time runs from when it was due. *Late* is a frame
whose echo is here more than 20 ms after it was due: a whole frame, so that a receiver without a buffer would have nothing to play.
Frames that failed or never came back count as late too.

The service is the tuned shape with two processes, embedded PostgreSQL and Valkey; the generator has one thread; all share this machine.
Streams open over some seconds, as calls do, and the seconds in which all are open count. Each stands at a random place within the 20 ms.
There is no peer: what others have are clients for it. Beside it stands day-one, where the framework carries each frame (a task and an
event a frame), with the bar's number of streams.
"""

from __future__ import annotations

import base64
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from rows import Row, arguments, row, show
from scaleworthy.load import make_plan, start
from scaleworthy.series import Recording
from scaleworthy.switchboard.service import Switchboard

BAR, GOAL, LATE_MOST = 200, 1_000, 0.001
FRAME = base64.b64encode(bytes(range(160))).decode()
FRAME_NS = 20_000_000
OPENING_S = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """What one run saw: frames due, the share of them that was late or failed, times in milliseconds."""

    frames: int
    late: float
    p50_ms: float
    p999_ms: float
    set_up_p99_ms: float
    jitter_ms: float
    lag_p999_ms: float


def calls_of(switchboard: Switchboard, count: int) -> list[dict[str, str]]:
    """Start *count* calls, spread over the tenants; return what a stream of each needs."""
    rows = []
    with httpx.Client(base_url=switchboard.url) as client:
        for number in range(count):
            key = switchboard.tenants[number % len(switchboard.tenants)].key
            answer = client.post("/api/calls/start", json={"phone_number": "+15550100"}, headers={"x-tenant-key": key})
            rows.append({"key": key, "call": str(answer.raise_for_status().json()["id"])})
    return rows


def plan_of(switchboard: Switchboard, streams: int, seconds: int) -> dict[str, Any]:
    """Return the plan: each user opens the stream of a call of its own and holds it to the end."""
    frame = {"send": {"binary": FRAME}, "receive": {}, "name": "frame"}
    steps: list[dict[str, Any]] = [
        {"receive": {"contains": "connected"}, "name": "set-up"},
        {"think": "0ms..20ms"},
        {"loop": {"every": "20ms", "for": f"{seconds + OPENING_S}s", "steps": [frame]}},
        {"send": '{"event":"stop"}', "receive": {"contains": "stopped"}, "name": "stop"},
    ]
    socket = {"websocket": "/api/calls/{{ call }}/media", "name": "open", "headers": {"x-tenant-key": "{{ key }}"}}
    return {
        "target": switchboard.url,
        "feeders": [{"rows": calls_of(switchboard, streams), "order": "sequential"}],
        "scenarios": [{"name": "stream", "steps": [{**socket, "steps": steps}]}],
        "load": {"stages": f"{OPENING_S}s:{streams},{seconds}s:{streams}"},
        "seed": 1,
    }


def measure(switchboard: Switchboard, streams: int, seconds: int) -> Figure:
    """Hold *streams* streams for *seconds*."""
    with psycopg.connect(switchboard.database, autocommit=True) as connection:
        connection.execute("truncate media_streams")
    with tempfile.TemporaryDirectory(prefix="scaleworthy-bench-") as folder:
        path = Path(folder) / "run.sw"
        with Recording.create(path, run={"command": "bench"}) as recording:
            start(make_plan(plan_of(switchboard, streams, seconds)), recording).wait()
        with Recording.open(path) as recording:
            return figure_of(recording, switchboard, seconds)


def figure_of(recording: Recording, switchboard: Switchboard, seconds: int) -> Figure:
    """Read what the run saw in its full seconds."""
    frame = {"step": "frame"}
    span = recording.span("load.planned", labels=frame)
    assert span is not None
    window = (span[0] + OPENING_S + 1, span[0] + OPENING_S + seconds - 1)
    times = recording.histogram("load.response_time", labels=frame, window=window)
    failed = recording.total("load.failed", labels=frame, window=window)
    lag = recording.histogram("load.lag", labels=frame, window=window).quantile(0.999) or 0
    set_up = recording.histogram("load.response_time", labels={"step": "set-up"}).quantile(0.99) or 0
    with psycopg.connect(switchboard.database) as connection:
        told = connection.execute("select avg(jitter_ms) from media_streams").fetchone()
    frames = times.count + int(failed)
    return Figure(
        frames=frames,
        late=(times.count_above(FRAME_NS) + failed) / max(1, frames),
        p50_ms=(times.quantile(0.5) or 0) / 1e6,
        p999_ms=(times.quantile(0.999) or 0) / 1e6,
        set_up_p99_ms=set_up / 1e6,
        jitter_ms=float(told[0] or 0) if told else 0.0,
        lag_p999_ms=lag / 1e6,
    )


def lines(what: str, figures: list[Figure], *, bar: float | None) -> Row:
    """Return the row of some runs: the middle one, and how far they lie apart."""
    middle = sorted(figures, key=lambda figure: figure.late)[len(figures) // 2]
    shares = [figure.late * 100 for figure in figures]
    note = (
        f"{min(shares):.3g}-{max(shares):.3g} %, n={len(figures)}, {middle.frames:,} frames; p50 {middle.p50_ms:.3g}, p99.9"
        f" {middle.p999_ms:.3g} ms (of it the generator's lag {middle.lag_p999_ms:.3g}); set-up p99 {middle.set_up_p99_ms:.3g} ms;"
        f" jitter {middle.jitter_ms:.3g} ms"
    )
    return row(what, "% late", statistics.median(shares), most=bar, note=note)


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--streams", type=int, nargs="*", default=[BAR, 500, GOAL], help="how many at once")
    options = parser.parse_args()
    repeats, seconds = (1, 5) if options.quick else (3, 7)
    rows = []
    with Switchboard.start(shape="tuned", workers=2) as switchboard:
        for streams in options.streams:
            figures = [measure(switchboard, streams, seconds) for _ in range(repeats if streams != 500 else 1)]
            name = {BAR: "bar", GOAL: "goal"}.get(streams, "between")
            rows.append(lines(f"{streams:,} streams echoed, tuned ({name})", figures, bar=LATE_MOST * 100))
            print(f"  {rows[-1].what}: {rows[-1].ours:.3g} % late; {rows[-1].note}", file=sys.stderr)
        switchboard.restart(shape="day-one")
        rows.append(lines(f"{BAR} streams echoed, day-one", [measure(switchboard, BAR, seconds)], bar=None))
    return show("switchboard_media", rows, options)


if __name__ == "__main__":
    sys.exit(main())
