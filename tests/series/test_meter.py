"""What an application records comes out as slices of what is new, and as totals for Prometheus."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from scaleworthy._native import Histogram
from scaleworthy.errors import UsageError
from scaleworthy.series import MemoryStore
from scaleworthy.series.meter import Meter


def test_slices_hold_what_is_new_and_the_text_all_there_was() -> None:
    meter, store = Meter(), MemoryStore()
    meter.counter("a.calls", "calls", to="x").add()
    meter.counter("a.calls", "calls", to="x").add(2)
    meter.histogram("a.time").record(1_000_000)
    meter.gauge("a.waiting", "calls", lambda: 7.0)
    store.append(1, meter.slices())
    meter.counter("a.calls", "calls", to="x").add()
    meter.histogram("a.time").record(2_000_000)
    store.append(2, meter.slices())
    assert store.per_second("a.calls")[1].tolist() == [3, 1]
    assert store.histogram("a.time").count == 2
    assert store.histogram("a.time", window=(2, 3)).count == 1
    families = {family.name: family for family in text_string_to_metric_families(meter.exposition())}
    assert families["scaleworthy_a_calls"].samples[0].value == 4
    assert families["scaleworthy_a_waiting"].samples[0].value == 7
    count = next(s for s in families["scaleworthy_a_time_seconds"].samples if s.name.endswith("_count"))
    assert count.value == 2


def test_labels_that_grow_without_end_end_in_one_series() -> None:
    meter = Meter()
    for number in range(10_100):
        meter.counter("a.calls", "calls", client=str(number)).add()
    slices = meter.slices()
    assert len(slices) == 10_001
    assert sum(value for _, value in slices if not isinstance(value, Histogram)) == 10_100


def test_what_is_counted_elsewhere_is_asked_for_when_it_is_wanted() -> None:
    meter, counted = Meter(), [3]
    meter.counter_of("a.hits", "questions", lambda: counted[0], name="x")
    assert [value for _, value in meter.slices()] == [3]
    counted[0] = 5
    assert [value for _, value in meter.slices()] == [2]
    assert 'scaleworthy_a_hits_total{name="x"} 5' in meter.exposition()


def test_labelled_instruments_are_bound_as_they_come_up() -> None:
    meter = Meter()
    calls, times = meter.counters("a.calls", "calls", "to", "how"), meter.histograms("a.time", "to")
    calls["x", "up"].add()
    calls["x", "up"].add(2)
    calls["x", "down"].add()
    times["x",].record(5)
    assert meter.counter("a.calls", "calls", how="up", to="x").total == 3
    assert meter.counter("a.calls", "calls", to="x", how="down").total == 1
    assert len(meter.slices()) == 3
    with pytest.raises(ValueError, match="zip"):
        calls["x",]


def test_labels_without_end_are_not_remembered_by_those_who_use_them() -> None:
    meter = Meter()
    calls = meter.counters("a.calls", "calls", "client")
    for number in range(10_100):
        calls[str(number),].add()
    assert len(calls) == 10_000
    assert sum(float(value) for _, value in meter.slices()) == 10_100  # type: ignore[arg-type]


def test_one_name_is_of_one_kind() -> None:
    meter = Meter()
    meter.counter("a", "calls")
    with pytest.raises(UsageError, match="a is a counter already, and no gauge"):
        meter.gauge("a", "calls", lambda: 0)
