"""Objectives of a plan: forms, parts of the run, the warm-up, and the end of a run that breaks one."""

from typing import Any

import pytest

from scaleworthy._native import NullServer
from scaleworthy.errors import InvalidInput
from scaleworthy.load import make_plan, start, summarize, summary_text
from scaleworthy.load.judging import Watch, judge, part_of, warm_part
from scaleworthy.load.objectives import PlanObjective
from scaleworthy.series import Histogram, MemoryStore, SeriesKey

FIRST = 1_000
MS = 10**6
RESPONSE = SeriesKey.of("load.response_time", "histogram", "ns", {"step": "get"})
COUNTS = {
    name: SeriesKey.of(f"load.{name}", "counter", "requests", {"step": "get"})
    for name in ("started", "failed", "answered")
}


def plan_with(objectives: list[Any], **load: Any) -> Any:
    return make_plan(
        {
            "target": "http://127.0.0.1:9/",
            "scenarios": [{"name": "a", "steps": [{"get": "/", "name": "get"}]}],
            "load": load or {"rate": "10/s", "for": "60s"},
            "objectives": objectives,
        }
    )


def recorded(plan: Any, seconds: list[float], *, requests: int = 100, failed: int = 0) -> MemoryStore:
    """A run whose requests all took so many ms, second by second."""
    store = MemoryStore()
    store.put_fact("load", "objectives", plan.objective_facts)
    store.put_fact("load", "warm_up_s", (plan.load.warm_up_ns or 0) / 1e9)
    for at, took_ms in enumerate(seconds):
        response = Histogram()
        response.record(round(took_ms * MS), requests)
        counts = {"started": requests, "failed": failed, "answered": requests}
        store.append(FIRST + at, [(RESPONSE, response), *((COUNTS[name], float(n)) for name, n in counts.items())])
    return store


# Forms.


def test_a_line_and_a_mapping_are_both_objectives_and_are_written_as_they_were() -> None:
    forms: list[Any] = ["p95 < 200ms", {"objective": "failed < 1%", "stage": 1, "after": "5s", "abort": True}]
    plan = plan_with(forms)
    assert [item.model_dump() for item in plan.objectives] == forms
    assert plan_with([item.model_dump() for item in plan.objectives]).objectives == plan.objectives


def test_step_and_windows_are_part_of_the_line_wherever_they_are_said() -> None:
    beside = PlanObjective.model_validate({"objective": "p95 < 1s", "step": "login", "over": "10s", "for": "30s"})
    assert beside.text == 'p95{step="login"} < 1s over 10s for 30s'
    ratio = PlanObjective.model_validate({"objective": "failed < 1%", "step": "login"})
    assert ratio.text == 'failed{step="login"} < 1%'


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"objective": "p95 < 200"}, "objectives[0].objective: objective: 1 problem"),
        ("p95 < 200", "objectives[0]: objective: 1 problem"),
        (7, "objectives[0]: must be text such as 'p95 < 200ms', or a mapping with 'objective', got 7"),
        ({"objective": "p95 < 1s", "stage": 4}, "objectives[0].stage: there are 3 stages: peak, got 4"),
        ({"objective": "p95 < 1s", "stage": "peek"}, "objectives[0].stage: there are 3 stages: peak, got 'peek'"),
        ({"objective": "p95 < 1s over 5s", "over": "5s"}, "'over' is said twice"),
        ({"objective": "p95 < 1s", "over": "1500ms"}, "'over' must be whole seconds, got 1500ms"),
        ({"objective": 'p95{step="a"} < 1s', "step": "b"}, "'step' is said twice"),
        ({"objective": "mean(host.cpu) < 80%", "step": "b"}, "'step' does not fit host.cpu"),
        ({"objective": "rate > 100/s", "abort": True}, "'abort' needs a window: whether rate of a whole run"),
        ({"objective": "total(load.failed) > 5", "abort": True}, "'abort' needs a window"),
        ({"objective": "p95 < 1s", "sage": 1}, "sage"),
    ],
    ids=str,
)
def test_impossible_objectives_are_refused(objective: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan_with([objective], stages="10s:50/s,peak=20s@80/s,10s:0/s")
    assert any(message in problem for problem in refused.value.problems), refused.value.problems


def test_two_stages_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInput, match="two stages are named 'peak'"):
        plan_with([], stages="peak=10s:50/s,peak=20s@80/s")


def test_a_warm_up_as_long_as_the_run_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'warm_up' must be shorter than the run, got 1m of 1m"):
        plan_with([], rate="10/s", **{"for": "60s", "warm_up": "60s"})


def test_a_search_leaves_out_what_is_about_a_stage() -> None:
    plan = plan_with(["p95 < 1s", {"objective": "failed < 1%", "stage": 1}, {"objective": "p99 < 2s", "over": "5s"}])
    assert plan.search_objectives == ("p95 < 1s", "p99 < 2s over 5s")


# Parts of a run.


def test_a_part_is_the_whole_seconds_within_it() -> None:
    """The run starts somewhere within its first second: a stage from 10 s to 20 s surely holds 11 to 20."""
    run = (FIRST, FIRST + 30)
    assert part_of(run, {"from_s": 0.0, "to_s": None}) == run
    assert part_of(run, {"from_s": 10.0, "to_s": 20.0}) == (FIRST + 11, FIRST + 20)
    assert part_of(run, {"from_s": 10.5, "to_s": 20.5}) == (FIRST + 12, FIRST + 20)
    assert part_of(run, {"from_s": 20.0, "to_s": None}) == (FIRST + 21, FIRST + 30)
    assert part_of(run, {"from_s": 40.0, "to_s": 50.0}) is None


def test_each_stage_is_judged_by_its_own_seconds() -> None:
    plan = plan_with(
        [
            {"objective": "p95 < 50ms", "stage": 1},
            {"objective": "p95 < 50ms", "stage": "peak"},
            {"objective": "p95 < 50ms", "stage": 3},
            "p95 < 50ms",
        ],
        stages="10s@10/s,peak=10s@50/s,10s@10/s",
    )
    store = recorded(plan, [10.0] * 10 + [90.0] * 10 + [10.0] * 10)
    judged = judge(store, (FIRST, FIRST + 30))
    assert [item.outcome.held for item in judged] == [True, False, True, False]
    assert [item.where for item in judged] == ["stage 1", "stage peak", "stage 3", ""]
    assert judged[1].text == "p95 < 50ms in stage peak"


def test_a_stage_that_was_not_reached_is_not_judged() -> None:
    plan = plan_with([{"objective": "p95 < 50ms", "stage": 2}], stages="10s@10/s,10s@50/s")
    [found] = judge(recorded(plan, [10.0] * 5), (FIRST, FIRST + 5))
    assert found.outcome.held is None
    assert found.outcome.why == "the run ended before this part of it"


def test_the_warm_up_is_left_out_of_objectives_and_times_but_not_of_counts() -> None:
    plan = plan_with(
        ["p95 < 50ms", {"objective": "max < 50ms", "after": "1s"}], rate="10/s", **{"for": "20s", "warm_up": "5s"}
    )
    store = recorded(plan, [400.0] * 5 + [10.0] * 15)
    run = (FIRST, FIRST + 20)
    assert warm_part(store, run) == (FIRST + 6, FIRST + 20)
    assert [item.outcome.held for item in judge(store, run)] == [True, False]
    summary = summarize(store)
    assert summary.answered == 2_000
    assert summary.response_ms.max == pytest.approx(10, rel=0.01)
    assert summary.to_dict()["warm_up_s"] == 5
    assert "of what was answered after the first 5 s" in summary_text(summary, store)


# A breach that ends the run.


def broken_at(objective: dict[str, Any], seconds: list[float], **more: Any) -> int | None:
    """After how many seconds the run would end."""
    plan = plan_with([{**objective, "abort": True}], **more.pop("load", {}))
    store = MemoryStore()
    watch = Watch(plan.objective_facts, store)
    whole = recorded(plan, seconds, **more)
    for at in range(len(seconds)):
        for key in (RESPONSE, *COUNTS.values()):
            window = (FIRST + at, FIRST + at + 1)
            value: Any = (
                whole.histogram(key.name, window=window) if key is RESPONSE else whole.total(key.name, window=window)
            )
            store.append(FIRST + at, [(key, value)])
        if watch.breach((FIRST, FIRST + at + 1)) is not None:
            return at + 1
    return None


def test_a_sliding_window_ends_the_run_in_the_second_that_breaks_it() -> None:
    seconds = [10.0] * 20 + [90.0] * 20
    assert broken_at({"objective": "max < 50ms", "over": "5s"}, seconds) == 21
    assert broken_at({"objective": "p50 < 50ms", "over": "5s"}, seconds) == 23
    assert broken_at({"objective": "p50 < 50ms", "over": "5s", "for": "3s"}, seconds) == 25
    assert broken_at({"objective": "p50 < 50ms over 50s"}, seconds) is None


def test_a_whole_run_ends_when_chance_cannot_bring_it_back() -> None:
    """Half of ten requests failing may be chance where 40 % are allowed; half of a hundred may not."""
    assert broken_at({"objective": "failed < 40%"}, [10.0] * 3, requests=10, failed=5) is None
    assert broken_at({"objective": "failed < 20%"}, [10.0] * 3, requests=100, failed=50) == 1
    assert broken_at({"objective": "p95 < 5ms"}, [10.0], requests=10) is None
    assert broken_at({"objective": "p95 < 5ms"}, [10.0], requests=100) == 1
    assert broken_at({"objective": "max < 50ms"}, [10.0, 10.0, 60.0], requests=1) == 3


def test_the_warm_up_and_other_stages_end_nothing() -> None:
    seconds = [90.0] * 10 + [10.0] * 10
    warm = {"rate": "10/s", "for": "20s", "warm_up": "10s"}
    assert broken_at({"objective": "max < 50ms", "over": "1s"}, seconds, load=warm) is None
    stages = {"stages": "10s@10/s,10s@20/s"}
    assert broken_at({"objective": "max < 50ms", "stage": 2}, seconds, load=stages) is None
    assert broken_at({"objective": "max < 50ms", "stage": 1}, seconds, load=stages) == 1


def test_a_run_that_breaks_an_objective_ends_and_says_so() -> None:
    server = NullServer(service_time_ns=20 * MS, servers=4)
    try:
        plan = make_plan(
            {
                "target": f"http://127.0.0.1:{server.port}/",
                "scenarios": [{"name": "a", "steps": [{"get": "/"}]}],
                "load": {"rate": "50/s", "for": "30s"},
                "objectives": ["failed < 1%", {"objective": "p50 < 5ms", "over": "1s", "abort": True}],
                "seed": 1,
            }
        )
        store = MemoryStore()
        summary = start(plan, store).wait()
    finally:
        server.stop()
    assert summary.seconds < 10
    assert summary.verdict == "fail"
    assert summary.exit_status == 1
    assert [item.held for item in summary.objectives] == [True, False]
    assert summary.failed == 0
    assert "the run was ended by a broken objective, p50 < 5ms over 1s, before its end" in summary_text(summary, store)
