"""Scores: the formula adds up, stays within 1 to 10, and never falls when a measurement gets better."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaleworthy.assess.scores import Reach, ScoreInputs, grade, scores
from scaleworthy.report.model import Score

GOOD = ScoreInputs(
    limit_per_s=200.0,
    need_now_per_s=2.0,
    need_100x_per_s=200.0,
    peak_per_s=4.0,
    shape="smooth",
    sigma=0.0,
    kappa=0.0,
    findings_high=0,
    findings_medium=0,
    objectives_held_ratio=1.0,
    failed_ratio=0.0,
    recovery_s=1.0,
    unsteadiness=0.05,
    reach=(
        ("10×", "within the measured limit"),
        ("100×", "within the measured limit"),
        ("enterprise", "within the measured limit"),
    ),
    cost_per_user_ratio=0.05,
    gaps=0,
)
BAD = ScoreInputs(
    limit_per_s=0.0,
    need_now_per_s=2.0,
    need_100x_per_s=200.0,
    peak_per_s=4.0,
    shape="cliff",
    sigma=0.999,
    kappa=10.0,
    findings_high=500,
    findings_medium=500,
    objectives_held_ratio=0.0,
    failed_ratio=1.0,
    recovery_s=math.inf,
    unsteadiness=5.0,
    reach=(("10×", "out of reach"), ("100×", "out of reach"), ("enterprise", "out of reach")),
    cost_per_user_ratio=2.0,
    gaps=400,
)
UNKNOWN = replace(
    GOOD,
    limit_per_s=None,
    shape="unknown",
    sigma=None,
    kappa=None,
    findings_high=None,
    findings_medium=None,
    objectives_held_ratio=None,
    failed_ratio=None,
    recovery_s=None,
    unsteadiness=None,
    reach=(),
    cost_per_user_ratio=None,
)
REACHES: tuple[Reach, ...] = ("out of reach", "with more servers", "within the measured limit")


def values(inputs: ScoreInputs) -> list[float]:
    return [score.value for score in scores(inputs)]


def test_everything_at_its_best_is_ten_and_an_a() -> None:
    assert values(GOOD) == [10.0, 10.0, 10.0]
    assert grade(scores(GOOD)) == "A"


def test_everything_at_its_worst_is_one_and_an_f() -> None:
    assert values(BAD)[1] == 1.0
    assert max(values(BAD)) <= 1.5
    assert grade(scores(BAD)) == "F"


def test_what_was_not_measured_counts_a_quarter_and_is_said() -> None:
    scalability, load, growth = scores(UNKNOWN)

    assert scalability.value == pytest.approx(1 + 9 * 0.25, abs=0.05)
    assert load.value == pytest.approx(1 + 9 * 0.25, abs=0.05)
    assert all("unknown counts 0.25" in shown for _, shown in (*scalability.terms, *load.terms))
    # Gaps are counted, so that term is known.
    assert growth.value == pytest.approx(1 + 9 * (9 * 0.25 + 1) / 10, abs=0.05)


def test_headroom_is_on_a_log_scale_between_now_and_100_times() -> None:
    """Ten times today's peak is half the way: 5 of the 10 weights at 0.5, the others at 1."""
    assert scores(replace(GOOD, limit_per_s=20.0))[0].value == pytest.approx(1 + 9 * 0.75, abs=0.05)


def test_contention_is_the_efficiency_with_32_at_once() -> None:
    """1 / (1 + 0.02·31 + 0.001·992) = 0.383."""
    terms = dict(scores(replace(GOOD, sigma=0.02, kappa=0.001))[0].terms)

    assert next(text for name, text in terms.items() if name.startswith("contention")).startswith("0.38: 38.3 %")


def test_the_printed_terms_give_the_score_back() -> None:
    """A reader with the report alone can work the score out."""
    for score in scores(replace(GOOD, limit_per_s=35.0, sigma=0.02, kappa=1e-4, findings_high=2, failed_ratio=0.003)):
        weights = [float(part.split("·")[0]) for part in score.formula.split("(")[1].split(")")[0].split(" + ")]
        shown = [float(text.split(":")[0]) for _, text in score.terms]
        mean = sum(w * value for w, value in zip(weights, shown, strict=True)) / sum(weights)
        assert 1 + 9 * mean == pytest.approx(score.value, abs=0.11)


def test_grades_follow_the_mean() -> None:
    def three(value: float) -> tuple[Score, ...]:
        return tuple(Score(name, value, "", ()) for name in "abc")

    assert [grade(three(v)) for v in (10, 8.5, 8.4, 7, 5.5, 4, 2.5, 2.4, 1)] == list("AABBCDEFF")


def positive(most: float) -> st.SearchStrategy[float]:
    return st.floats(0.0, most, allow_nan=False)


inputs = st.builds(
    ScoreInputs,
    limit_per_s=st.none() | positive(1e5),
    need_now_per_s=st.just(2.0),
    need_100x_per_s=st.just(200.0),
    peak_per_s=st.floats(0.1, 1e4),
    shape=st.sampled_from(["smooth", "cliff", "unknown"]),
    sigma=st.none() | st.floats(0.0, 0.99),
    kappa=st.none() | positive(10.0),
    findings_high=st.none() | st.integers(0, 50),
    findings_medium=st.none() | st.integers(0, 50),
    objectives_held_ratio=st.none() | st.floats(0.0, 1.0),
    failed_ratio=st.none() | st.floats(0.0, 1.0),
    recovery_s=st.none() | positive(1e4),
    unsteadiness=st.none() | positive(100.0),
    reach=st.tuples(*(st.tuples(st.just(name), st.sampled_from(REACHES)) for name in ("10×", "100×", "enterprise"))),
    cost_per_user_ratio=st.none() | positive(10.0),
    gaps=st.integers(0, 50),
)
RISING = ("limit_per_s", "objectives_held_ratio")
FALLING = (
    "sigma",
    "kappa",
    "findings_high",
    "findings_medium",
    "failed_ratio",
    "recovery_s",
    "unsteadiness",
    "cost_per_user_ratio",
    "gaps",
)


@given(inputs)
def test_scores_stay_within_1_and_10(one: ScoreInputs) -> None:
    assert all(1.0 <= value <= 10.0 for value in values(one))
    assert grade(scores(one)) in "ABCDEF"


@given(inputs, st.sampled_from(RISING + FALLING), st.floats(0.0, 1.0))
def test_a_better_number_never_lowers_a_score(one: ScoreInputs, name: str, share: float) -> None:
    now = getattr(one, name)
    if now is None:
        return
    if name in FALLING:
        better = int(now * share) if isinstance(now, int) else now * share
    else:
        better = now + (1 - now) * share if name == "objectives_held_ratio" else now * (1 + 10 * share)
    after = values(replace(one, **{name: better}))

    assert all(high >= low for high, low in zip(after, values(one), strict=True))


@given(inputs, st.sampled_from([0, 1, 2]), st.sampled_from(REACHES))
def test_a_size_that_is_nearer_never_lowers_a_score(one: ScoreInputs, at: int, reach: Reach) -> None:
    name, now = one.reach[at]
    if REACHES.index(reach) < REACHES.index(now):
        return
    changed = tuple((name, reach) if number == at else pair for number, pair in enumerate(one.reach))

    assert values(replace(one, reach=changed))[2] >= values(one)[2]


@given(inputs)
def test_a_smooth_limit_scores_above_a_cliff(one: ScoreInputs) -> None:
    smooth, cliff, unknown = (values(replace(one, shape=shape))[0] for shape in ("smooth", "cliff", "unknown"))

    assert smooth >= cliff >= unknown


def test_the_page_has_every_term_with_its_weight() -> None:
    lines = (Path(__file__).parents[2] / "docs" / "scores.md").read_text().splitlines()
    listed = {tuple(cell.strip() for cell in line.strip("|").split("|")[:2]) for line in lines if line.startswith("| ")}
    written = {
        (name.removesuffix(" users"), weight)
        for score in scores(GOOD)
        for weight, name in (part.split("·", 1) for part in score.formula.split("(")[1].split(")")[0].split(" + "))
    }
    growth = {(name, weight) for name, weight in written if name in ("10×", "100×", "enterprise")}

    assert written - growth <= listed
    assert ("10×, 100×, enterprise", "3, 4, 1") in listed
    assert growth == {("10×", "3"), ("100×", "4"), ("enterprise", "1")}
