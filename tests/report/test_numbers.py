"""How numbers read: units, three digits, unknown values, intervals."""

from __future__ import annotations

import pytest

from scaleworthy.report import numbers
from scaleworthy.report.model import Measured


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (41.234, "requests/s", "41.2 requests/s"),
        (212_400_000, "ns", "212 ms"),
        (0.6304, "ratio", "63.0 %"),
        (1_234.5, "USD/month", "$1,230/month"),
        (0.000123, "USD", "$0.000123"),
        (-5.0, "USD", "-$5.00"),
        (8.2e9, "bytes", "8.20 GB"),
        (0.21, "s", "210 ms"),
        (204.0, "s", "3 min 24 s"),
        (3.0, "", "3.00"),
        (None, "ms", "–"),
        (float("nan"), "ms", "–"),
    ],
)
def test_a_quantity_has_three_digits_and_its_unit(value: float | None, unit: str, text: str) -> None:
    assert numbers.quantity(value, unit) == text


@pytest.mark.parametrize(
    ("interval", "unit", "text"),
    [
        ((39.6, 42.9), "requests/s", "39.6 to 42.9 requests/s"),
        ((815e6, 1.22e9), "ns", "815 ms to 1.22 s"),
        ((0.9, 0.95), "ratio", "90.0 to 95.0 %"),
        (None, "ns", ""),
    ],
)
def test_an_interval_says_its_unit_once_where_both_ends_share_it(
    interval: tuple[float, float] | None, unit: str, text: str
) -> None:
    assert numbers.span(interval, unit) == text


@pytest.mark.parametrize(
    ("interval", "unit", "value", "text"),
    [
        ((39.6, 42.9), "requests/s", 41.2, "39.6 to 42.9"),
        ((815e6, 1.22e9), "ns", 990e6, "815 ms to 1.22 s"),
        ((1.1e9, 1.2e9), "ns", 990e6, "1.10 to 1.20 s"),  # another unit than the value's: it must be said
        ((193.0, 268.0), "USD/month", 214.0, "$193 to $268"),
        ((1.0, 2.0), "ms", None, "1.00 to 2.00 ms"),
        (None, "ms", 1.0, ""),
    ],
)
def test_under_its_value_an_interval_drops_the_unit_that_both_share(
    interval: tuple[float, float] | None, unit: str, value: float | None, text: str
) -> None:
    assert numbers.within(interval, unit, value) == text


def test_a_measured_value_carries_interval_and_count() -> None:
    value = Measured(41.2, "requests/s", (39.6, 42.9), 12_345)

    assert numbers.measured(value) == "41.2 requests/s (39.6 to 42.9 requests/s, n = 12,345)"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a `b` c", [(False, "a "), (True, "b"), (False, " c")]),
        ("a ` b", [(False, "a ` b")]),
        ("`x`", [(True, "x")]),
        ("", []),
    ],
)
def test_only_paired_back_ticks_make_code(text: str, parts: list[tuple[bool, str]]) -> None:
    assert [part for part in numbers.code_spans(text) if part[1]] == parts
