"""Where a request's time goes is said from the statements that ran beside it."""

import pytest

from scaleworthy.assess.time_spent import time_spent, with_time_spent
from scaleworthy.report.model import Bottleneck
from scaleworthy.series import Histogram, MemoryStore, SeriesKey

MS = 1_000_000
LIMITS = Bottleneck("waiting", "no resource", ("a fact",), None)


def store_with(response_ms: int, statements_s: dict[str, float]) -> MemoryStore:
    store = MemoryStore()
    responses = Histogram()
    responses.record(response_ms * MS, 10)
    store.append(100, [(SeriesKey.of("load.response_time", "histogram", "ns", {"step": "list"}), responses)])
    store.append(
        100,
        [
            (SeriesKey.of("postgres.statement_seconds", "counter", "s", {"queryid": name}), spent)
            for name, spent in statements_s.items()
        ],
    )
    store.put_fact("statement", "7", {"text": "SELECT *\n  FROM leads"})
    return store


def test_the_share_is_statement_time_over_response_time() -> None:
    spent = time_spent(store_with(100, {"7": 0.6, "8": 0.15}), (100, 101))

    assert spent is not None
    assert spent.database_ratio == pytest.approx(0.75, rel=2e-3)
    assert spent.top_ratio == pytest.approx(0.6, rel=2e-3)
    assert spent.top_statement == "SELECT * FROM leads"


def test_statements_side_by_side_are_never_more_than_all_of_it() -> None:
    spent = time_spent(store_with(100, {"7": 3.0}), (100, 101))

    assert spent is not None
    assert spent.database_ratio == 1.0


def test_without_statements_or_answers_nothing_is_said() -> None:
    assert time_spent(store_with(100, {}), (100, 101)) is None
    assert time_spent(MemoryStore(), (0, 10)) is None
    assert with_time_spent(LIMITS, None, resource_known=False) == LIMITS


def test_statements_are_named_only_where_no_resource_explains_the_limit() -> None:
    spent = time_spent(store_with(100, {"7": 0.6}), (100, 101))

    assert "statements" in with_time_spent(LIMITS, spent, resource_known=False).resource
    assert with_time_spent(LIMITS, spent, resource_known=True).resource == "waiting"
    small = time_spent(store_with(100, {"7": 0.1}), (100, 101))
    assert with_time_spent(LIMITS, small, resource_known=False).resource == "waiting"
