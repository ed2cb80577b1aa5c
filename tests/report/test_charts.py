"""The charts: drawn from any data, labels that do not touch, nothing dropped, colours of the page."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.report.sample import sample_report
from tests.report.sample_findings import HOSTILE
from tests.report.sample_load import load_run, stage

from scaleworthy.report.charts import frame, load_curve, percentiles, reach, timeline
from scaleworthy.report.model import Line, Panel


@pytest.fixture(autouse=True)
def _validated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here each drawing is checked against the schema; the product leaves that out, for speed."""
    monkeypatch.setattr(frame, "VALIDATE", True)


def test_every_chart_is_valid_and_follows_the_pages_colours() -> None:
    report = sample_report()
    span = timeline.span_of(report.panels)
    drawn = [
        load_curve.response_chart(report.stages, report.objectives),
        load_curve.answered_chart(report.stages),
        reach.reach_chart(report.stages, report.growth),
        timeline.panel_chart("panel", report.panels[0], report.marks, span),
        percentiles.percentile_chart("percentiles", load_run()),
    ]

    for chart in drawn:
        assert chart.count("<svg") == chart.count("</svg>") == 2
        assert not re.findall(r'(?:fill|stroke)="(?:#(?!000\b)|rgb|black|white|steelblue)', chart)


def test_a_stage_with_one_probe_and_no_limit_is_drawn() -> None:
    one = stage("only", "nothing", 50.0, 4.0, seed=4)
    limit = replace(one.limit, estimate=None, passing=None, failing=None, interval=None, stopped_by="never-held")
    alone = replace(one, limit=limit, probes=one.probes[:1])

    assert "no limit found" in load_curve.response_chart((alone,), ("failed < 1%",))
    assert not reach.drawable((alone,), sample_report().growth)


def test_a_probe_that_answered_nothing_is_left_out_of_the_curve_not_drawn_at_zero() -> None:
    one = stage("only", "nothing", 50.0, 4.0, seed=4)
    silent = replace(
        one.probes[0], answered=0, requests_per_s=0.0, response=load_run().response.__class__(0, *[None] * 7)
    )

    assert not load_curve.drawable((replace(one, probes=(silent,)),))


@pytest.mark.parametrize(
    ("objectives", "wanted"),
    [
        (("failed < 1%", "p95 < 250ms"), ("p95", 250e6)),
        (("p99(load.response_time) < 1.5s over 10s",), ("p99", 1.5e9)),
        (('p95(load.response_time{step="login"}) < 100ms',), None),  # of one step: not the curve's
        (("failed < 1%",), None),
    ],
)
def test_the_dashed_line_is_the_first_objective_on_all_response_times(
    objectives: tuple[str, ...], wanted: object
) -> None:
    assert load_curve.latency_objective(objectives) == wanted


def test_hostile_names_are_text_in_a_chart() -> None:
    panel = Panel(HOSTILE, (Line(HOSTILE, "ms", (0.0, 1.0), (1.0, 2.0)),))
    report = sample_report()
    stages = tuple(replace(s, name=f"{HOSTILE}{i}") for i, s in enumerate(report.stages))
    growth = tuple(replace(row, size=HOSTILE) for row in report.growth)

    for chart in (timeline.panel_chart("p", panel, (), (0, 1)), reach.reach_chart(stages, growth)):
        assert "<script" not in chart
        assert "<img" not in chart


def test_labels_that_would_touch_go_to_another_row() -> None:
    assert frame.rows_without_overlap([0, 100, 110, 120, 300], [20, 20, 20, 20, 20]) == [0, 0, 1, 2, 0]


@pytest.mark.parametrize(("low", "high", "most"), [(3.0, 1200.0, 6), (0.9, 1.1, 5), (40.0, 60.0, 12), (1e-3, 1e6, 5)])
def test_ticks_of_a_logarithmic_axis_are_round_and_within_it(low: float, high: float, most: int) -> None:
    ticks = frame.log_ticks(low, high, most)

    assert ticks == sorted(ticks)
    assert all(low <= tick <= high for tick in ticks)
    assert len(ticks) >= 1


def test_ticks_of_time_are_round() -> None:
    assert timeline.time_ticks(0, 190, 11) == [0, 20, 40, 60, 80, 100, 120, 140, 160, 180]
    assert timeline.time_ticks(5, 7200, 5) == [1800, 3600, 5400, 7200]


def test_a_long_line_is_thinned_and_keeps_its_peak() -> None:
    values = [1.0] * 5_000
    values[3_217] = 99.0
    kept = timeline._thinned(Line("x", "ms", tuple(float(i) for i in range(5_000)), tuple(values)), 320)

    assert len(kept) <= 320
    assert (3_217.0, 99.0) in kept


def test_a_gap_in_a_line_stays_a_gap() -> None:
    kept = timeline._thinned(Line("x", "ms", (0.0, 1.0, 2.0), (1.0, float("nan"), 3.0)), 10)

    assert kept == [(0.0, 1.0), (1.0, None), (2.0, 3.0)]
