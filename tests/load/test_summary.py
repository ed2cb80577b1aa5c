"""The summary: one stable object, the same from a live run and from the recording of one that was killed."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scaleworthy._native import NullServer
from scaleworthy.load import plan_for_url, run_load, summarize, summary_text
from scaleworthy.load.generator import judge_generator
from scaleworthy.load.reading import reading
from scaleworthy.load.summary import FIELDS, Counts, Step, Times, times_of
from scaleworthy.load.summary_apdex import apdex_of
from scaleworthy.series import Histogram, MemoryStore, Recording, SeriesKey, Slice, Store

DOC = Path(__file__).parents[2] / "docs" / "reference" / "summary.md"
MS = 10**6
START = 1_700_000_000


def key(name: str, kind: str, unit: str, **labels: str) -> SeriesKey:
    return SeriesKey.of(name, kind, unit, labels)  # type: ignore[arg-type]


def second_of(
    *,
    response_ms: list[float],
    service_ms: list[float] | None = None,
    lag_ms: list[float] | None = None,
    failed: int = 0,
    not_started: int = 0,
    waiting: float = 0,
    connections: float = 10,
    cpu_s: float = 0.01,
) -> list[Slice]:
    """One second of one step; lag and service time are those of the response time unless given."""

    def histogram(values_ms: list[float]) -> Histogram:
        made = Histogram()
        for value in values_ms:
            made.record(round(value * MS))
        return made

    lag = lag_ms if lag_ms is not None else [0.02] * len(response_ms)
    counts = {
        "planned": len(lag) + not_started,
        "started": len(lag),
        "answered": len(response_ms),
        "failed": failed,
        "not_started": not_started,
    }
    slices: list[Slice] = [
        (key(f"load.{name}", "counter", "requests", step="get"), float(value)) for name, value in counts.items()
    ]
    for name, values in (("response_time", response_ms), ("service_time", service_ms or response_ms), ("lag", lag)):
        slices.append((key(f"load.{name}", "histogram", "ns", step="get"), histogram(values)))
    slices += [
        (key("load.statuses", "counter", "requests", step="get", status="200"), float(len(response_ms))),
        (key("load.waiting", "gauge", "requests"), float(waiting)),
        (key("load.connections", "gauge", "connections"), float(connections)),
        (key("load.in_flight", "gauge", "requests"), 0.0),
        (key("generator.cpu_seconds", "counter", "s"), cpu_s),
    ]
    if failed:
        labels = {"step": "get", "kind": "expect-status"}
        slices.append((SeriesKey.of("load.errors", "counter", "requests", labels), float(failed)))
    return slices


def stored(*seconds: list[Slice], **facts: object) -> Store:
    store = MemoryStore()
    for at, slices in enumerate(seconds):
        store.append(START + at, slices)
    given = {"started_at": float(START), "ended_at": float(START + len(seconds)), "connections_max": 100, "threads": 1}
    for name, value in {**given, **facts}.items():
        store.put_fact("load", name, value)
    return store


def test_every_field_is_documented_and_no_other() -> None:
    table = DOC.read_text().split("| --- | --- |")[1]
    documented = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert tuple(documented) == FIELDS
    for name in (*Times.model_fields, *Counts.model_fields, *Step.model_fields):
        assert f"`{name}`" in DOC.read_text()


def test_the_fields_stand_in_their_order(url: str) -> None:
    summary = run_load(plan_for_url(url, load={"users": 2, "count": 20}), MemoryStore())
    assert tuple(summary) == FIELDS
    assert tuple(summary["response_ms"]) == ("p50", "p90", "p95", "p99", "p999", "max", "mean")
    assert summary["schema"] == 1


@pytest.mark.parametrize(
    ("count", "p99", "p999"), [(99, False, False), (100, True, False), (999, True, False), (1000, True, True)]
)
def test_a_tail_needs_its_samples(count: int, p99: bool, p999: bool) -> None:
    histogram = Histogram()
    histogram.record(5 * MS, count)
    times = times_of(histogram)
    assert (times.p99 is not None, times.p999 is not None) == (p99, p999)
    assert times.p50 == pytest.approx(5, rel=1e-3)


def test_no_samples_are_no_times() -> None:
    assert set(times_of(Histogram()).model_dump().values()) == {None}


@pytest.mark.parametrize(
    ("objective", "verdict", "held"),
    [("p95 < 50ms", "pass", True), ("p95 < 5ms", "fail", False), ('p95{step="get"} < 50ms over 60s', "fail", None)],
)
def test_the_verdict_follows_the_objectives(objective: str, verdict: str, held: bool | None) -> None:
    """An objective that could not be judged has not been shown to hold."""
    summary = summarize(stored(second_of(response_ms=[10.0] * 100), objectives=[objective]))
    assert (summary.verdict, summary.objectives[0].held) == (verdict, held)


def test_an_objectives_value_is_in_ms() -> None:
    summary = summarize(stored(second_of(response_ms=[10.0] * 100), objectives=["p95 < 50ms", "failed < 1%"]))
    assert [item.value for item in summary.objectives] == [pytest.approx(10, rel=1e-3), 0]


def test_nothing_answered_fails_without_any_objective() -> None:
    summary = summarize(stored(second_of(response_ms=[], lag_ms=[0.02] * 5, failed=5)))
    assert (summary.verdict, summary.exit_status) == ("fail", 1)


def test_only_the_last_run_of_a_recording_is_summed_up() -> None:
    store = stored(second_of(response_ms=[10.0] * 100), second_of(response_ms=[20.0] * 40))
    store.put_fact("load", "window", [START + 1, START + 2])
    assert summarize(store).answered == 40


# The generator

LATE = [5.0] * 10 + [0.02] * 190


def test_late_starts_with_free_connections_are_the_generators_own() -> None:
    generator = judge_generator(
        stored(second_of(response_ms=[10.0] * 200, lag_ms=LATE)), (START, START + 1), connections_max=100, threads=1
    )
    assert generator.limited
    assert generator.lag_p99_ms == pytest.approx(5, rel=1e-3)


@pytest.mark.parametrize("why", [{"waiting": 3}, {"connections": 100}], ids=str)
def test_starts_that_wait_for_a_connection_are_the_plans_doing(why: dict[str, float]) -> None:
    store = stored(second_of(response_ms=[10.0] * 200, lag_ms=LATE, **why))
    generator = judge_generator(store, (START, START + 1), connections_max=100, threads=1)
    assert not generator.limited
    assert generator.lag_p99_ms is None


def test_the_second_after_a_wait_is_not_judged_either() -> None:
    store = stored(second_of(response_ms=[10.0] * 200, waiting=9), second_of(response_ms=[10.0] * 200, lag_ms=LATE))
    assert not judge_generator(store, (START, START + 2), connections_max=100, threads=1).limited


def test_lag_far_below_the_response_time_does_not_matter() -> None:
    """1 % of a response p99 of 900 ms is 9 ms: 5 ms late changes nothing."""
    store = stored(second_of(response_ms=[900.0] * 200, lag_ms=LATE))
    assert not judge_generator(store, (START, START + 1), connections_max=100, threads=1).limited


@pytest.mark.parametrize(("cpu_s", "limited"), [(0.85, False), (0.95, True)])
def test_a_saturated_core_limits_the_generator(cpu_s: float, limited: bool) -> None:
    store = stored(*[second_of(response_ms=[10.0] * 200, cpu_s=cpu_s)] * 4)
    generator = judge_generator(store, (START, START + 4), connections_max=100, threads=1)
    assert generator.limited is limited
    assert generator.cpu_us_per_request == pytest.approx(cpu_s * 1e6 / 200, rel=1e-3)


@pytest.mark.parametrize("objectives", [[], ["p95 < 5ms"]])
def test_a_limited_run_is_not_to_be_quoted(objectives: list[str]) -> None:
    summary = summarize(stored(second_of(response_ms=[10.0] * 200, lag_ms=LATE), objectives=objectives))
    assert (summary.verdict, summary.exit_status) == ("generator-limited", 3)


def test_what_held_although_the_generator_was_late_holds() -> None:
    """A late start only lengthens the response time: p95 < 50 ms of late requests is p95 < 50 ms of punctual ones too."""
    summary = summarize(stored(second_of(response_ms=[10.0] * 200, lag_ms=LATE), objectives=["p95 < 50ms"]))
    assert (summary.verdict, summary.exit_status, summary.generator.limited) == ("pass", 0, True)


# The reading


def read(*seconds: list[Slice]) -> str:
    store = stored(*seconds)
    return reading(summarize(store), store)


def test_the_reading_names_what_matters_most() -> None:
    assert "never started" in read(second_of(response_ms=[10.0] * 100, not_started=50))
    assert "5 of 100 requests failed (5.00 %), most by 'expect-status'" in read(
        second_of(response_ms=[10.0] * 100, failed=5)
    )
    assert "nothing was answered" in read(second_of(response_ms=[], lag_ms=[0.02] * 5, failed=5))
    assert "do not quote" in read(second_of(response_ms=[10.0] * 200, lag_ms=LATE))
    assert "too few answers for a p99" in read(second_of(response_ms=[10.0] * 20))
    assert read(second_of(response_ms=[10.0] * 200)).startswith("steady")


def test_a_stall_reads_as_requests_that_waited() -> None:
    """3 of 100 waited 90 ms for a connection; served, they took 10 ms as all others."""
    text = read(
        second_of(
            response_ms=[10.0] * 97 + [100.0] * 3, service_ms=[10.0] * 100, lag_ms=[0.02] * 97 + [90.0] * 3, waiting=3
        )
    )
    assert (
        "response p99 is 9.99 times service p99: some 3 requests waited for a connection, the longest for 90.0 ms"
        in text
    )


def test_growth_under_the_same_load_is_told() -> None:
    seconds = [second_of(response_ms=[10.0 + 5 * at] * 100) for at in range(12)]
    assert "latency grew under the same load" in read(*seconds)


def test_the_text_has_counts_times_objectives_and_verdict() -> None:
    store = stored(second_of(response_ms=[10.0] * 200, failed=1), objectives=["p95 < 5ms"])
    text = summary_text(summarize(store), store)
    assert "planned 200   answered 200   failed 1   not started 0" in text
    assert "objective     broken: p95 < 5ms (got 10.0 ms)" in text
    assert "reading: " in text
    assert text.endswith("verdict: fail (did not hold)")


def test_a_killed_run_still_has_its_summary(server: NullServer, url: str, tmp_path: Path) -> None:
    """SIGKILL after some seconds: the recording gives the same fields, and all but the last second's requests."""
    path = tmp_path / "run.sw"
    code = (
        "import sys; from scaleworthy.load import plan_for_url, start; from scaleworthy.series import Recording\n"
        "store = Recording.create(sys.argv[2], run={})\n"
        "for second in start(plan_for_url(sys.argv[1], load={'rate': '100/s', 'for': '60s'}), store): print(second.answered, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, url, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answered = [int(process.stdout.readline()) for _ in range(3)]
        os.kill(process.pid, signal.SIGKILL)

    with Recording.open(path) as store:
        summary = summarize(store)
        text = summary_text(summary, store)

    assert summary.answered >= sum(answered[:-1]) > 0
    assert tuple(summary.to_dict()) == FIELDS
    assert "it was killed" in text
    json.dumps(summary.to_dict())


def test_apdex_counts_half_of_what_is_tolerated_and_nothing_of_what_has_no_answer() -> None:
    with MemoryStore(run={}) as store:
        store.put_fact("load", "plan", {"apdex": "100ms"})
        times = Histogram()
        for value_ms, count in ((50, 6), (300, 2), (900, 1)):
            times.record(value_ms * MS, count)
        store.append(START, [(key("load.response_time", "histogram", "ns", step="a"), times)])

        apdex = apdex_of(store, (START, START + 1), started=10)

    assert apdex is not None
    assert (apdex.satisfied, apdex.tolerated, apdex.frustrated) == (6, 2, 2)
    assert (apdex.score, apdex.rating) == (0.7, "fair")
