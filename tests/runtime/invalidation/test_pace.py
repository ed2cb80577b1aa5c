"""When the next batch of changes may be told."""

from __future__ import annotations

from scaleworthy.runtime.invalidation.pace import Pace


def test_few_changes_wait_for_nothing() -> None:
    pace = Pace(16)
    for number in range(20):
        now = number * 10
        assert pace.next_at(now, 1) == now


def test_many_are_told_together_until_they_are_few_again() -> None:
    pace = Pace(16)
    assert pace.next_at(0, 1) == 0
    assert pace.next_at(1, 2) == 1
    assert pace.next_at(2, 1) == 18
    assert pace.next_at(18, 160) == 34
    assert pace.next_at(34, 1) == 34


def test_one_batch_of_many_is_enough() -> None:
    assert Pace(1.0).next_at(5.0, 500) == 6.0


def test_a_batch_without_a_transaction_keeps_the_next_one_waiting_for_nothing() -> None:
    assert Pace(1.0).next_at(5.0, 0) == 5.0
