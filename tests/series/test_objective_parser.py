"""What can be written as an objective, its shortest spelling, and what is said about everything else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaleworthy.errors import InvalidInput
from scaleworthy.series import Objective
from scaleworthy.series.names import KNOWN, Known
from scaleworthy.series.objectives.expression import Expression, Selector

MS = 10**6
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "objectives.md").read_text()


@pytest.mark.parametrize(
    ("text", "canonical", "limit", "unit"),
    [
        ("p95 < 500ms", "p95 < 500ms", 500 * MS, "ns"),
        ("p95(load.response_time) < 0.5 s", "p95 < 500ms", 500 * MS, "ns"),
        ("  p99.9<1s ", "p999 < 1s", 1000 * MS, "ns"),
        ("p999 <= 2.3us", "p999 <= 2.3us", 2300, "ns"),
        ("p5 < 1m", "p05 < 60s", 60_000 * MS, "ns"),
        ('p95{step="login"} < 500ms', 'p95{step="login"} < 500ms', 500 * MS, "ns"),
        ("max < 2s over 10s for 1m30s", "max < 2s over 10s for 90s", 2000 * MS, "ns"),
        ("mean(load.service_time) < 800µs", "mean(load.service_time) < 800us", 800_000, "ns"),
        ("failed < 1%", "failed < 1%", 0.01, "ratio"),
        ("failed < 0.01", "failed < 1%", 0.01, "ratio"),
        ("failed<0.1 %", "failed < 0.1%", 0.001, "ratio"),
        ('failed{step="a"} <= 0%', 'failed{step="a"} <= 0%', 0.0, "ratio"),
        ("ratio(load.failed, load.started) < 1%", "failed < 1%", 0.01, "ratio"),
        ("ratio(load.not_started,load.planned) < 1%", "not_started < 1%", 0.01, "ratio"),
        ("ratio(load.failed, load.planned) < 1%", "ratio(load.failed, load.planned) < 1%", 0.01, "ratio"),
        ("rate > 100/s", "rate > 100/s", 100.0, "requests/s"),
        ("rate(load.answered) >= 100", "rate >= 100/s", 100.0, "requests/s"),
        ("rate(load.bytes_received) < 10 MB/s", "rate(load.bytes_received) < 10MB/s", 1e7, "bytes/s"),
        ('rate(process.cpu_seconds{role="http"}) < 1.5', 'rate(process.cpu_seconds{role="http"}) < 1.5', 1.5, "s/s"),
        ("total(load.failed) < 5", "total(load.failed) < 5", 5.0, "requests"),
        ("count(load.response_time) > 1000", "count(load.response_time) > 1000", 1000.0, "records"),
        ("mean(host.cpu) < 80%", "mean(host.cpu) < 80%", 0.8, "ratio"),
        ('max(process.memory{role="http"}) < 1.5GB', 'max(process.memory{role="http"}) < 1.5GB', 1.5e9, "bytes"),
        ("max(postgres.longest_transaction) < 250ms", "max(postgres.longest_transaction) < 250ms", 0.25, "s"),
        (
            'count(load.phase{step="a", phase="tls"}) < 1',
            'count(load.phase{phase="tls",step="a"}) < 1',
            1.0,
            "records",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_objective_has_one_shortest_spelling(text: str, canonical: str, limit: float, unit: str) -> None:
    objective = Objective.parse(text)

    assert str(objective) == canonical
    assert (objective.expression.limit, objective.expression.unit) == (limit, unit)
    assert Objective.parse(canonical) == objective


@pytest.mark.parametrize(
    ("name", "share"), [("p50", 0.5), ("p5", 0.05), ("p95", 0.95), ("p99.9", 0.999), ("p9999", 0.9999), ("p990", 0.99)]
)
def test_a_percentile_names_its_share(name: str, share: float) -> None:
    assert Objective.parse(f"{name} < 1s").expression.q == share


# Column (from 1), and what the message must say.
WRONG = {
    "": (1, "wanted a function such as p95, or failed or rate, got the end"),
    "p95 << 5ms": (6, "wanted a time, such as 500ms, got '<'"),
    "p95 = 5ms": (5, "wanted <, <=, > or >=, got '='"),
    "p95 <": (6, "wanted a time, such as 500ms, got the end"),
    "p95 < 5%": (7, "wanted a time, such as 500ms, got '5%'"),
    "p95 < 500": (7, "wanted a time, such as 500ms, got '500'"),
    "p95 < 5 parsecs": (7, "wanted a time, such as 500ms, got '5'"),
    "p95 < -5ms": (7, "'-' has no meaning here"),
    "failed < 10ms": (10, "wanted a share, such as 1% or 0.01, got '10ms'"),
    "rate > 10ms": (8, "wanted a rate, such as 100/s, got '10ms'"),
    "total(load.failed) < 5/s": (22, "wanted a plain number, such as 100, got '5/s'"),
    "mean(host.memory_used) < 5ms": (26, "wanted a size, such as 64MB, got '5ms'"),
    "p95 < 500ms ovr 10s": (13, "wanted `over TIME`, `for TIME` or the end, got 'ovr'"),
    "p95 < 500ms over": (17, "wanted a time behind `over`, such as over 10s, got the end"),
    "p95 < 500ms over 1500ms": (18, "wanted whole seconds behind `over`, at least 1s, got '1500ms'"),
    "p95 < 500ms for 0s": (17, "wanted whole seconds behind `for`, at least 1s, got '0s'"),
    "p95 < 500ms for 5s over 5s": (20, "wanted `over TIME`, `for TIME` or the end, got 'over'"),
    "faild < 1%": (1, "there is no function faild: did you mean failed?"),
    "p100 < 1s": (1, "there is no percentile 100 here: use max"),
    "p0 < 1s": (1, "there is no percentile 0: use min"),
    "load.failed < 3": (1, "wanted a function around the series, such as total(load.failed)"),
    "count < 3": (7, "wanted ( and a series, such as count(load.response_time), got '<'"),
    "p95(load.respons_time) < 1s": (5, "there is no series load.respons_time: did you mean load.response_time?"),
    "p95(load.failed) < 1s": (1, "p95 does not fit load.failed, which is a counter: use rate, total or ratio"),
    "total(host.cpu) < 1": (1, "total does not fit host.cpu, which is a gauge: use mean, max or min"),
    "ratio(load.failed) < 1%": (18, "wanted a comma and the series to divide by, got ')'"),
    "p95(load.lag < 1s": (14, "wanted ) behind the series, got '<'"),
    'failed{stp="x"} < 1%': (8, "load.failed has no label stp: did you mean step?"),
    'mean(host.cpu{core="1"}) < 1%': (15, "host.cpu has no label core, and no other"),
    "p95{step=login} < 1s": (10, "wanted a value in quotes, such as \"login\", got 'login'"),
    'p95{step="a" step="b"} < 1s': (14, "wanted , or } behind the label, got 'step'"),
    'p95{step="a",step="b"} < 1s': (14, "the label step is named twice"),
    'count(load.phase{phase="tsl"}) < 1': (24, "phase is never 'tsl': did you mean tls?"),
    'p95{step="a} < 1s': (10, "a value in quotes does not end"),
}


@pytest.mark.parametrize("text", WRONG, ids=str)
def test_a_wrong_objective_is_refused_at_its_column(text: str) -> None:
    column, message = WRONG[text]
    with pytest.raises(InvalidInput) as caught:
        Objective.parse(text)

    said, shown, carets = caught.value.problems[0].split("\n")
    assert said == f"column {column}: {message}"
    assert shown == f"    {text}"
    assert carets.index("^") == 4 + column - 1


def test_an_objective_over_two_lines_is_shown_on_one_with_its_carets_in_place() -> None:
    with pytest.raises(InvalidInput) as caught:
        Objective.parse("p95\n< 5%")

    assert caught.value.problems[0].endswith("\n    p95 < 5%\n          ^^")


@given(text=st.text(max_size=40))
def test_any_text_is_an_objective_or_invalid_input(text: str) -> None:
    try:
        objective = Objective.parse(text)
    except InvalidInput:
        return
    assert Objective.parse(str(objective)) == objective


def _functions(known: Known) -> list[str]:
    return {
        "histogram": ["p50", "p95", "p999", "mean", "max", "min", "count"],
        "gauge": ["mean", "max", "min"],
        "counter": ["rate", "total", "ratio"],
    }[known.kind]


@st.composite
def expressions(draw: st.DrawFn) -> Expression:
    known = draw(st.sampled_from(sorted(KNOWN.values(), key=lambda one: one.name)))
    function = draw(st.sampled_from(_functions(known)))
    values = {name: st.text(max_size=8) if values is None else st.sampled_from(values) for name, values in known.labels}
    chosen = draw(st.sets(st.sampled_from(sorted(values)))) if values else set()
    # A line break is read as a space, so no label can be asked for that has one.
    labels = tuple((name, " ".join(draw(values[name]).split())) for name in sorted(chosen))
    series = (Selector(known.name, labels),) * (2 if function == "ratio" else 1)
    unit = {"ratio": "ratio", "count": "records", "rate": f"{known.unit}/s"}.get(function, known.unit)
    limit = draw(st.floats(0, 1e12, allow_subnormal=False))
    windows = [draw(st.none() | st.integers(1, 7200)) for _ in range(2)]
    return Expression(function, series, draw(st.sampled_from(["<", "<=", ">", ">="])), limit, unit, *windows)


@given(expression=expressions())
def test_every_objective_is_read_back_from_its_spelling(expression: Expression) -> None:
    assert Objective.parse(str(expression)).expression == expression


def test_the_examples_of_the_reference_page_are_objectives() -> None:
    examples = re.findall(r"```objective\n(.*?)```", PAGE, re.DOTALL)[0].splitlines()
    assert len(examples) > 10
    for example in examples:
        Objective.parse(example)


def test_the_short_forms_of_the_reference_page_mean_what_it_says() -> None:
    forms = re.findall(r"^\| `(.+? [<>] .+?)` \| `(.+?)`", PAGE, re.MULTILINE)
    assert len(forms) == 6
    for short, long in forms:
        assert Objective.parse(short) == Objective.parse(long)
        assert str(Objective.parse(long)) == short


def test_the_mistake_of_the_reference_page_is_answered_as_it_says() -> None:
    answer = re.findall(r"```mistake\n(.*?)\n```", PAGE, re.DOTALL)[0]
    with pytest.raises(InvalidInput) as caught:
        Objective.parse(answer.splitlines()[2].strip())
    assert str(caught.value) == answer
