"""A report from a recording: the numbers are the summary's, the verdict follows the objectives."""

from __future__ import annotations

import pytest

from scaleworthy.errors import RecordingError
from scaleworthy.load.summary import summarize
from scaleworthy.report import html, json
from scaleworthy.report.load_report import report_of
from scaleworthy.series import Histogram, MemoryStore, SeriesKey

START = 1_795_000_000
MS = 1_000_000


def recorded(*objectives: str, failed: int = 2, seconds: int = 20, ended: bool = True) -> MemoryStore:
    """A run of 100 requests a second, 5 to 15 ms each, two failed in the first second, one never started in the last."""
    store = MemoryStore()
    for second in range(seconds):
        response = Histogram()
        for n in range(100):
            response.record(value_ns=5 * MS + n * MS // 10, count=1)
        counts = {"planned": 100, "started": 100, "answered": 100, "failed": failed if second == 0 else 0}
        counts["not_started"] = 1 if second == seconds - 1 else 0
        labels = {"step": "list leads"}
        slices = [(SeriesKey.of(f"load.{name}", "counter", "requests", labels), float(n)) for name, n in counts.items()]
        slices += [
            (SeriesKey.of(f"load.{name}", "histogram", "ns", labels), response)
            for name in ("response_time", "service_time")
        ]
        slices.append((SeriesKey.of("load.statuses", "counter", "requests", {**labels, "status": "200"}), 100.0))
        slices.append((SeriesKey.of("load.in_flight", "gauge", "requests"), 3.0))
        store.append(START + second, slices)
    facts = {
        "target": "http://127.0.0.1:8000", "shape": "100/s for 20s", "seed": 7, "objectives": list(objectives),
        "started_at": float(START), "ended_at": float(START + seconds) if ended else None, "error_examples": {},
    }  # fmt: skip
    for name, value in facts.items():
        store.put_fact("load", name, value)
    store.put_fact(
        "run", "host", {"cores": 2, "cpu": "A CPU", "memory_bytes": 8_000_000_000, "system": "Linux", "kernel": "6.12"}
    )
    store.add_event(START + 5.0, "level", "level 200")
    return store


def test_the_counts_and_percentiles_are_those_of_the_summary() -> None:
    store = recorded("p95 < 250ms")
    summary, report = summarize(store), report_of(store, name="run.sw")
    run = report.load_runs[0]

    assert (run.planned, run.answered, run.failed, run.not_started) == (2000, 2000, 2, 1)
    assert (run.response.p99_ns or 0) / 1e6 == pytest.approx(summary.response_ms.p99)
    assert run.steps[0].response == run.response
    assert run.statuses == (("200", 2000),)
    assert report.seed == 7
    assert report.machine == "2 cores of A CPU, 8.00 GB, Linux 6.12"


@pytest.mark.parametrize(
    ("objectives", "failed", "answer"),
    [
        (("p95 < 250ms",), 2, "yes"),
        (("p95 < 250ms", "p99 < 10ms"), 2, "no"),
        (("p95 < 250ms", 'p95(load.response_time{step="other"}) < 1s'), 2, "unknown"),
        ((), 2, "no"),  # without objectives every request must succeed, and one never started
    ],
)
def test_the_answer_follows_the_objectives(objectives: tuple[str, ...], failed: int, answer: str) -> None:
    assert report_of(recorded(*objectives, failed=failed)).answer == answer


def test_the_verdict_names_the_objective_that_broke_with_its_value() -> None:
    report = report_of(recorded("p99 < 10ms"))

    assert "Not held: p99 < 10ms (14.9 ms)." in report.verdict or "Not held: p99 < 10ms (14.8 ms)." in report.verdict


def test_a_run_that_was_killed_says_so() -> None:
    assert "it was killed" in report_of(recorded(ended=False)).verdict
    assert "it was killed" not in report_of(recorded()).verdict


def test_the_curve_ends_where_fewer_than_ten_samples_lie_beyond() -> None:
    curve = report_of(recorded()).load_runs[0].response_curve

    assert curve[0][0] == 0
    assert max(q for q, _ in curve) <= 1 - 10 / 2000
    assert [ns for _, ns in curve] == sorted(ns for _, ns in curve)


def test_events_mark_the_timeline_from_the_runs_start() -> None:
    report = report_of(recorded())

    assert [(mark.name, mark.start_s) for mark in report.marks] == [("level 200", 5.0)]
    assert [panel.title for panel in report.panels][:2] == ["Response time", "Requests per second"]


def test_the_report_is_drawn_and_round_trips() -> None:
    report = report_of(recorded("p95 < 250ms"))

    assert json.parse(json.render(report)) == report
    assert "list leads, response" in html.render(report)


def test_a_recording_without_a_load_run_is_refused_with_the_next_step() -> None:
    with pytest.raises(RecordingError, match="holds no load run"):
        report_of(MemoryStore(), name="empty.sw")
