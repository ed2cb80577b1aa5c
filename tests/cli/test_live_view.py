"""What a terminal shows of a running load."""

import io
from collections import deque

from rich.console import Console

from scaleworthy.cli.live_view import LiveView, sparkline
from scaleworthy.cli.progress import Progress
from scaleworthy.load.second import Second, summed
from scaleworthy.series import Histogram, SeriesKey


def second(at: int, *, answered: int, latency_ms: float, errors: int = 0) -> Second:
    times, lag = Histogram(), Histogram()
    times.record(int(latency_ms * 1e6), answered)
    lag.record(50_000, answered)
    values = {
        ("load.response_time", "histogram", "ns"): times,
        ("load.lag", "histogram", "ns"): lag,
        ("load.answered", "counter", "requests"): answered,
        ("load.failed", "counter", "requests"): errors,
        ("load.target", "gauge", ""): 100.0,
        ("load.in_flight", "gauge", "requests"): 3.0,
    }
    slices = [(SeriesKey.of(name, kind, unit), value) for (name, kind, unit), value in values.items()]
    slices.append((SeriesKey.of("load.errors", "counter", "requests", {"kind": "timeout"}), errors))
    return summed(at, slices)


def shown(view: LiveView) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(view.render())
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_view_has_the_last_second_and_the_whole_run() -> None:
    view = LiveView(unit="starts/s")
    view.add(second(1, answered=100, latency_ms=10))
    view.add(second(2, answered=50, latency_ms=40, errors=2))
    text = shown(view)

    assert "2 s   asked 100 starts/s   in flight 3" in text
    assert [line.split()[2] for line in text.splitlines() if line.startswith("last second")] == ["50/s"]
    assert [line.split()[3] for line in text.splitlines() if line.startswith("since the start")] == ["150"]
    assert "█▅" in text or "█▄" in text
    assert "failed 2   not started 0   generator lag p99 50.0 µs" in text
    assert "errors      timeout 2" in text


def test_bars_go_from_nothing_to_the_highest() -> None:
    assert sparkline(deque([0.0, 1.0, 7.9, 8.0])) == "▁▂██"
    assert sparkline(deque([0.0, 0.0])) == "▁▁"


def test_without_a_terminal_there_is_a_line_every_five_seconds() -> None:
    stream = io.StringIO()
    with Progress(unit="users", stream=stream) as progress:
        for at in range(10):
            progress.show(second(at, answered=10, latency_ms=5))
    assert [line.split("  ")[0] for line in stream.getvalue().splitlines()] == ["5 s", "10 s"]
