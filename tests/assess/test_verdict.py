"""The verdict says what was measured, and no more."""

import pytest

from assess.made import growth, limit
from scaleworthy.assess.measure import Measurement
from scaleworthy.assess.verdict import answer, limit_sentence, paragraph
from scaleworthy.load.result import Limit
from scaleworthy.report.model import Bottleneck


def measurement(name: str, found: Limit, what_changed: str = "") -> Measurement:
    return Measurement(name, what_changed, 10.0, {}, (0, 8), found, (0, 60))


@pytest.mark.parametrize(
    ("passing", "reachable", "expected"),
    [(400.0, False, "yes"), (333.0, True, "yes"), (332.0, True, "with changes"), (40.0, False, "no")],
)
def test_the_answer_compares_the_limit_as_found_with_what_100_times_needs(
    passing: float, reachable: bool, expected: str
) -> None:
    assert answer(limit(passing, passing * 1.1), passing, [growth("100×", 333.0, reachable=reachable)]) == expected


def test_without_a_growth_row_or_with_a_limited_generator_the_answer_is_unknown() -> None:
    assert answer(limit(40.0, 44.0), 40.0, []) == "unknown"
    assert answer(limit(40.0, None, stopped_by="generator"), 40.0, [growth("100×", 333.0)]) == "unknown"


def test_a_limit_is_quoted_with_its_interval_and_objectives() -> None:
    text = limit_sentence("The service", limit(38.0, 44.0, estimate=41.23))

    assert text == "The service takes 41.2 requests/s (95 % interval 38.0 to 44.0) within p95 < 200ms."


def test_a_limit_that_was_not_reached_is_never_quoted_as_the_limit() -> None:
    assert "its limit is higher" in limit_sentence("It", limit(900.0, None, stopped_by="generator"))
    assert "did not hold" in limit_sentence("It", limit(None, 5.0, stopped_by="never-held"))


def test_the_paragraph_names_limit_bottleneck_gain_and_growth() -> None:
    text = paragraph(
        "Switchboard",
        [measurement("as found", limit(40.0, 44.0)), measurement("fixed", limit(180.0, 190.0), "three indexes")],
        Bottleneck("PostgreSQL's CPU", "0.9 of 1 core at the limit.", (), None),
        (),
        [growth("100×", 333.0)],
    )

    assert "40.0 requests/s" in text
    assert "PostgreSQL's CPU: 0.9 of 1 core at the limit." in text
    assert "With three indexes, it was measured again: 180 requests/s, 4.50 times as much." in text
    assert "needs 4 application servers, 1 database instance, 1 cache node, at about $1,230 a month" in text
