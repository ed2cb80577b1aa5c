"""What can be asked of a run, the same in memory, while it is recorded, and read back from its file."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from scaleworthy.finding import Evidence, Finding, Fix, Proof
from scaleworthy.series import Event, Histogram, MemoryStore, SeriesKey, Store

Filled = Callable[[Callable[[Store], None]], Store]
START = 1_700_000_000


def latency(step: str) -> SeriesKey:
    return SeriesKey.of("load.response_time", "histogram", "ns", {"step": step})


def answered(step: str) -> SeriesKey:
    return SeriesKey.of("load.answered", "counter", "requests", {"step": step})


def memory(role: str) -> SeriesKey:
    return SeriesKey.of("process.memory", "gauge", "bytes", {"role": role})


def histogram(*values: int) -> Histogram:
    made = Histogram()
    for value in values:
        made.record(value)
    return made


def three_seconds(store: Store) -> None:
    store.append(START, [(latency("a"), histogram(10, 20)), (answered("a"), 2), (memory("http"), 100.0)])
    store.append(START, [(latency("b"), histogram(30)), (answered("b"), 1), (memory("postgres"), 50.0)])
    store.append(START + 1, [(latency("a"), histogram(40)), (answered("a"), 1), (memory("http"), 200.0)])
    store.append(START + 3, [(latency("b"), histogram(50, 60, 70)), (answered("b"), 3), (memory("http"), 300.5)])


def test_series_are_listed_and_chosen_by_name_and_labels(filled: Filled) -> None:
    store = filled(three_seconds)

    names = list(map(str, store.keys()))
    assert names[:2] == ['load.response_time{step="a"}', 'load.answered{step="a"}']
    assert len(names) == 6
    assert store.keys("load.answered") == [answered("a"), answered("b")]
    assert store.keys(labels={"step": "b"}) == [latency("b"), answered("b")]
    assert store.keys("load.answered", {"step": "x"}) == store.keys("nothing") == []


def test_the_labels_asked_for_are_some_of_those_a_series_has(filled: Filled) -> None:
    def fill(store: Store) -> None:
        for step, status, count in (("a", "200", 1), ("a", "500", 2), ("b", "200", 4)):
            labels = {"status": status, "step": step}
            store.append(START, [(SeriesKey.of("load.statuses", "counter", "requests", labels), count)])

    store = filled(fill)

    assert store.total("load.statuses", labels={"step": "a"}) == 3
    assert store.total("load.statuses", labels={"status": "200"}) == 5
    assert store.total("load.statuses", labels={"step": "a", "status": "200"}) == 1
    assert store.by_label("load.statuses", "status", labels={"step": "a"}) == {"200": 1, "500": 2}


def test_a_key_asks_its_own_series_alone(filled: Filled) -> None:
    """Steps of one name, one of them tagged: the labels of the plain one are a subset of the other's."""
    plain, tagged = answered("a"), SeriesKey.of("load.answered", "counter", "requests", {"step": "a", "team": "crm"})
    slow = SeriesKey.of("load.response_time", "histogram", "ns", {"step": "a", "team": "crm"})

    def fill(store: Store) -> None:
        store.append(START, [(plain, 1), (tagged, 2), (latency("a"), histogram(10)), (slow, histogram(20, 30))])

    store = filled(fill)

    assert store.total("load.answered", labels={"step": "a"}) == 3
    assert (store.total(plain), store.total(tagged)) == (1, 2)
    assert (store.histogram(latency("a")).count, store.histogram(slow).count) == (1, 2)
    assert [values.tolist() for _, values in map(store.per_second, (plain, tagged))] == [[1], [2]]
    assert (store.mean(plain), store.maximum(tagged)) == (1, 2)
    assert store.total(answered("nobody")) == 0
    with pytest.raises(ValueError, match="is one series with its labels"):
        store.total(plain, labels={"team": "crm"})


def test_a_series_is_the_same_in_whatever_order_its_labels_are_named() -> None:
    one = SeriesKey.of("load.statuses", "counter", "requests", {"step": "a", "status": "200"})
    other = SeriesKey.of("load.statuses", "counter", "requests", {"status": "200", "step": "a"})

    assert one == other
    assert str(one) == 'load.statuses{status="200",step="a"}'


def test_spans_are_half_open(filled: Filled) -> None:
    store = filled(three_seconds)

    assert store.span() == (START, START + 4)
    assert store.span("load.answered", labels={"step": "a"}) == (START, START + 2)
    assert store.span("nothing") is None


def test_histograms_merge_over_labels_and_seconds(filled: Filled) -> None:
    store = filled(three_seconds)

    assert store.histogram("load.response_time") == histogram(10, 20, 30, 40, 50, 60, 70)
    assert store.histogram("load.response_time", labels={"step": "a"}) == histogram(10, 20, 40)
    assert store.histogram("load.response_time", window=(START + 1, START + 3)) == histogram(40)
    assert store.histogram("nothing") == Histogram()


def test_counters_add_up(filled: Filled) -> None:
    store = filled(three_seconds)

    assert store.total("load.answered") == 7
    assert store.total("load.answered", labels={"step": "b"}, window=(START, START + 3)) == 1
    assert store.total("load.response_time") == 7
    assert store.total("nothing") == 0
    assert store.by_label("load.answered", "step") == {"a": 3, "b": 4}
    assert store.by_label("load.answered", "step", window=(START + 3, START + 9)) == {"a": 0, "b": 3}


def test_seconds_without_a_slice_are_left_out(filled: Filled) -> None:
    store = filled(three_seconds)
    seconds, values = store.per_second("load.answered")

    assert seconds.tolist() == [START, START + 1, START + 3]
    assert values.tolist() == [3, 1, 3]
    assert (seconds.dtype, values.dtype) == (np.int64, np.float64)
    values[0] = 5
    assert store.per_second("load.answered")[1][0] == 3, "an answer is the asker's own"
    assert store.per_second("nothing")[0].size == 0


def test_each_second_has_its_own_quantile(filled: Filled) -> None:
    seconds, values = filled(three_seconds).quantile_per_second("load.response_time", 0.5)

    assert seconds.tolist() == [START, START + 1, START + 3]
    assert values.tolist() == [20, 40, 60]


def test_gauges_are_summed_over_series_then_averaged_over_seconds(filled: Filled) -> None:
    store = filled(three_seconds)

    assert store.mean("process.memory") == (150 + 200 + 300.5) / 3
    assert store.maximum("process.memory") == 300.5
    assert store.mean("process.memory", labels={"role": "http"}) == (100 + 200 + 300.5) / 3
    assert store.by_label("process.memory", "role") == {"http": (100 + 200 + 300.5) / 3, "postgres": 50}
    assert store.mean("nothing") is store.maximum("nothing") is None


def test_slices_of_one_second_may_come_apart_and_late(filled: Filled) -> None:
    """Histograms merge, counters add, the last gauge stands, whatever order the seconds come in."""

    def fill(store: Store) -> None:
        for second in (START + 5, START, START + 3, START + 5):
            store.append(second, [(latency("a"), histogram(second - START)), (answered("a"), 1)])
            store.append(second, [(memory("http"), 1.0), (memory("http"), float(second - START))])

    store = filled(fill)

    assert store.per_second("load.answered")[0].tolist() == [START, START + 3, START + 5]
    assert store.per_second("load.answered")[1].tolist() == [1, 1, 2]
    assert store.per_second("process.memory")[1].tolist() == [0, 3, 5]
    assert store.histogram("load.response_time", window=(START + 3, START + 6)) == histogram(3, 5, 5)


def test_facts_events_findings_and_the_run_are_kept(filled: Filled) -> None:
    fix = Fix("add it", "sql", ("CREATE INDEX",), ("DROP INDEX",), Proof("a copy", "SELECT", 100.0, 1.0, 5))
    first = Finding(
        id="a", check="c", dimension="database", verdict="fail", title="t", fix=fix, labels={"table": "leads"},
        evidence=(Evidence("slow", 3.0, "ms", 7, (1.0, 4.0), "pg"),),
    )  # fmt: skip
    second = Finding(id="a", check="c", dimension="database", verdict="pass", title="mended", fix=fix)
    other = Finding(id="b", check="c", dimension="api", verdict="warn", title="ü")

    def fill(store: Store) -> None:
        store.put_fact("statement", "1", {"text": "SELECT 'ü'", "rows": [1, None]})
        store.put_fact("statement", "1", {"text": "SELECT 2"})
        store.put_fact("setting", "work_mem", "4MB")
        store.add_event(5.5, "probe", "second", {"rate": 100})
        store.add_event(2.5, "probe", "first")
        store.add_event(3.0, "fix", "applied")
        store.add_findings([first, other])
        store.add_findings([second])
        store.update_run(verdict="pass")

    store = filled(fill)

    assert store.fact("statement", "1") == {"text": "SELECT 2"}
    assert store.fact("statement", "2") is None
    assert store.facts("setting") == {"work_mem": "4MB"}
    assert store.facts("nothing") == {}
    assert store.events("probe") == [Event(2.5, "probe", "first"), Event(5.5, "probe", "second", {"rate": 100})]
    assert [event.text for event in store.events()] == ["first", "applied", "second"]
    assert store.findings() == [second, other]
    assert store.run == {"seed": 1, "verdict": "pass"}


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        (answered("a"), float("nan"), ValueError),
        (answered("a"), Histogram(), ValueError),
        (latency("a"), 1.0, ValueError),
        (answered("a"), "1", TypeError),
    ],
    ids=["not finite", "a histogram for a counter", "a number for a histogram", "text"],
)
def test_what_does_not_fit_is_refused_whole(filled: Filled, key: SeriesKey, value: object, error: type) -> None:
    def fill(store: Store) -> None:
        store.append(START, [(answered("b"), 1)])
        with pytest.raises(error):
            store.append(START, [(answered("b"), 1), (key, value)])  # type: ignore[list-item]
        store.append(START + 1, [(answered("b"), 1), (answered("a"), 5), (latency("a"), histogram(1))])

    store = filled(fill)

    assert store.per_second("load.answered", labels={"step": "b"})[1].tolist() == [1, 1]
    assert store.total("load.answered", labels={"step": "a"}) == 5


def test_threads_add_and_ask_at_once_without_losing_a_slice(filled: Filled) -> None:
    workers, seconds = 4, 50

    def fill(store: Store) -> None:
        def work(worker: int) -> None:
            for second in range(START, START + seconds):
                store.append(
                    second, [(answered(f"{worker}"), 1), (answered("shared"), 1), (latency("a"), histogram(5))]
                )
                store.total("load.answered")
                store.keys()

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    store = filled(fill)

    assert store.total("load.answered") == 2 * workers * seconds
    assert store.total("load.answered", labels={"step": "shared"}) == workers * seconds
    assert store.histogram("load.response_time").count == workers * seconds
    assert len(store.keys()) == workers + 2


def test_a_memory_store_is_a_context_manager_like_a_recording() -> None:
    with MemoryStore() as store:
        three_seconds(store)
    assert store.total("load.answered") == 7
