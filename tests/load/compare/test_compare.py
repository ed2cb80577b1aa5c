"""What a comparison says of runs whose difference is known."""

import json

import numpy as np
import pytest

from load.compare.made import run
from scaleworthy.errors import UsageError
from scaleworthy.load.compare import compare, comparison_markdown, comparison_text
from scaleworthy.load.compare.bootstrap import block_length, draw_weights, first_autocorrelation


def pair(seed: int, **after):
    rng = np.random.default_rng(seed)
    return run(rng), run(rng, **after)


def by_name(comparison):
    return {change.quantity: change for change in comparison.changes}


def test_a_slower_service_is_worse_and_by_how_much_is_in_the_interval():
    comparison = compare(*([store] for store in pair(1, median_ms=12.0)))

    assert comparison.verdict == "worse"
    assert comparison.exit_status == 1
    p50 = by_name(comparison)["p50"]
    assert p50.interval[0] <= 0.2 <= p50.interval[1]
    assert p50.before == pytest.approx(10, rel=0.05)


def test_a_faster_service_is_better():
    comparison = compare(*([store] for store in pair(2, median_ms=8.0)))

    assert {by_name(comparison)[name].verdict for name in ("p50", "p95")} == {"better"}
    assert comparison.exit_status == 0


def test_failures_are_compared_by_their_share():
    failed = by_name(compare(*([store] for store in pair(3, failed=0.02))))["failed"]

    assert failed.verdict == "worse"
    assert failed.interval[0] <= 0.02 <= failed.interval[1]


def test_what_did_not_change_is_hardly_ever_called_worse_or_better():
    """Eight pairs of the same service: at 5 of 100, two alarms among them come by chance once in 20 sets of seeds."""
    alarms = 0
    for seed in range(8):
        comparison = compare(*([store] for store in pair(seed)))
        alarms += any(change.verdict in ("worse", "better") for change in comparison.changes)
    assert alarms <= 1


def test_a_long_quiet_run_is_the_same_and_a_short_one_is_told_how_long_to_run():
    rng = np.random.default_rng(5)
    quiet = [run(rng, seconds=240, per_s=300, wander=0.005) for _ in range(2)]
    assert by_name(compare([quiet[0]], [quiet[1]]))["p50"].verdict == "same"

    short = compare(*([run(rng, seconds=20, per_s=60)] for _ in range(2)))
    unsure = [change for change in short.changes if change.verdict == "unsure"]
    assert unsure
    assert all(change.seconds_needed is None or change.seconds_needed > 18 for change in unsure)
    assert short.exit_status == 0


def test_several_runs_a_side_bring_in_what_differs_between_runs():
    """Runs whose level differs by 15 % from one to the next: a single pair would call that a change."""
    rng = np.random.default_rng(6)
    levels = ((10.0, 8.5, 11.5), (9.0, 11.5, 10.0))
    before, after = ([run(rng, median_ms=level, wander=0.01) for level in side] for side in levels)

    assert compare(before[1:2], after[1:2]).verdict == "worse"
    assert by_name(compare(before, after))["p50"].verdict == "unsure"


def test_the_same_seed_draws_the_same_intervals():
    stores = pair(7)
    first, again = (compare([stores[0]], [stores[1]], seed=4) for _ in range(2))
    assert first == again


def test_what_keeps_runs_from_being_compared_is_said():
    a, b = pair(8)
    a.put_fact("load", "target", "http://a")
    b.put_fact("load", "target", "http://b")
    text = comparison_text(compare([a], [b]))

    assert "the target differs: http://a before, http://b after" in text
    assert "one run a side" in text


def test_a_run_that_is_too_short_or_unanswered_is_refused():
    rng = np.random.default_rng(9)
    good = run(rng)
    with pytest.raises(UsageError, match=r"the run 'after' has 5 whole seconds, and it takes 10"):
        compare([good], [run(rng, seconds=5)])
    with pytest.raises(UsageError, match=r"nothing was answered in the run 'before'"):
        compare([run(rng, per_s=0)], [good])


def test_markdown_and_json_say_what_the_text_says():
    comparison = compare(*([store] for store in pair(10, median_ms=13.0)))
    data = json.loads(json.dumps(comparison.to_dict()))

    assert data["verdict"] == "worse"
    assert [change["quantity"] for change in data["changes"]] == ["p50", "p95", "p99", "failed", "requests/s"]
    markdown = comparison_markdown(comparison)
    assert markdown.count("\n| p") == 3
    assert "+" in markdown
    assert "| worse |" in markdown


def test_drawn_weights_keep_the_length_and_the_blocks():
    rng = np.random.default_rng(11)
    weights = draw_weights(50, 5.0, 400, rng)

    assert (weights.sum(axis=1) == 50).all()
    # Every second is drawn equally often: blocks wrap around the end.
    assert weights.mean(axis=0) == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize(("rho", "low", "high"), [(0.0, 1.0, 3.5), (0.8, 4.0, 40.0)])
def test_dependent_seconds_ask_for_longer_blocks(rho: float, low: float, high: float):
    rng = np.random.default_rng(12)
    series = np.zeros(600)
    for at in range(1, 600):
        series[at] = rho * series[at - 1] + rng.normal()

    assert low <= block_length(series) <= high
    assert first_autocorrelation(series) == pytest.approx(rho, abs=0.08)
