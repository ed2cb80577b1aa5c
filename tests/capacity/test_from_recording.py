"""Searches and plain runs out of recordings, and the command that reads them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from scaleworthy.capacity import assess_capacity
from scaleworthy.capacity.from_recording import limit_from_dict, limit_of_runs, limits_of, together
from scaleworthy.cli import main
from scaleworthy.errors import RecordingError
from scaleworthy.load.result import Limit
from scaleworthy.series import MemoryStore, Recording, SeriesKey, Store

from .conftest import Service


def copy(store: Store, to: Store, *, shift_s: int = 0) -> None:
    for key in sorted(store.keys(), key=str):
        seconds, values = store.per_second(key)
        for second, value in zip(seconds.tolist(), values.tolist(), strict=True):
            to.append(second + shift_s, [(key, value)])


def recorded(path: Path, store: Store, limit: Limit | None = None, *, shift_s: int = 0) -> Path:
    with Recording.create(path, run={}) as recording:
        copy(store, recording, shift_s=shift_s)
        if limit is not None:
            recording.put_fact("limit", "as found", asdict(limit))
    return path


def test_a_search_comes_back_from_json_as_it_was(service: Service) -> None:
    _, limit = service.measure((10, 50, 100, 230))

    assert limit_from_dict(json.loads(json.dumps(asdict(limit)))) == limit


def test_fields_of_a_later_version_are_left_out(service: Service) -> None:
    _, limit = service.measure((10, 50))
    data = asdict(limit) | {"colour": "red"}
    data["probes"] = [{**probe, "taste": 1} for probe in data["probes"]]

    assert limit_from_dict(data) == limit


def test_a_search_that_cannot_be_read_is_named() -> None:
    with pytest.raises(RecordingError, match=r"named 'as found'.*probes"):
        limit_from_dict({"unit": "rate"}, name="as found")


def test_several_searches_keep_their_names(service: Service) -> None:
    store, limit = service.measure((10, 50))
    store.put_fact("limit", "as found", asdict(limit))
    store.put_fact("limit", "with indexes", asdict(limit))

    assert list(limits_of(store)) == ["as found", "with indexes"]


def test_a_staged_run_is_read_as_its_levels(service: Service) -> None:
    """Three stages of ten seconds: three levels, the first second of each left out, and the ramps left out."""
    store = MemoryStore()
    source, _ = service.measure((20, 60, 120))
    for number, rate in enumerate((20, 60, 120)):
        for second in range(1_000 + 13 * number, 1_010 + 13 * number):
            store.append(second, [(SeriesKey.of("load.target", "gauge", "requests/s"), float(rate))])
    copy(source, store)
    limit = limit_of_runs([store])

    assert limit is not None
    assert [probe.level for probe in limit.probes] == [20.0, 60.0, 120.0]
    assert [probe.requests_per_s for probe in limit.probes] == pytest.approx([20.0, 60.0, 120.0])
    assert [probe.end_s - probe.start_s for probe in limit.probes] == [9, 9, 9]
    capacity = assess_capacity(store, limit)
    assert not capacity.limit_reached
    assert capacity.limit_per_s == pytest.approx(120.0)
    assert capacity.uses[0].demand.line.slope == pytest.approx(0.004)
    assert capacity.limiting is not None
    assert capacity.limiting.key == "cpu:http"
    assert "would be the first" in capacity.limiting.explanation


def test_an_empty_recording_has_no_levels() -> None:
    assert limit_of_runs([MemoryStore()]) is None


def test_runs_at_the_same_time_are_not_put_together(service: Service) -> None:
    stores = [service.measure((rate,))[0] for rate in (20, 60)]
    with pytest.raises(RecordingError, match="cover the same seconds"):
        together(stores)


def test_runs_put_together_count_each_series_once() -> None:
    """A tagged step's answers are not the plain step's as well, though it has all of its labels."""
    keys = [SeriesKey.of("load.answered", "counter", "requests", {"step": "a"} | tag) for tag in ({}, {"team": "crm"})]
    stores = [MemoryStore(), MemoryStore()]
    for second, store in zip((100, 200), stores, strict=True):
        store.append(second, [(keys[0], 1.0), (keys[1], 2.0)])

    assert together(stores).total("load.answered") == 6


def status_of(*argv: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(argv))
    return int(caught.value.code or 0)


def test_the_command_reads_a_search(service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, limit = service.measure((10, 20, 40, 80, 160, 200, 230))
    path = recorded(tmp_path / "run.sw", store, limit)

    assert status_of("capacity", str(path)) == 0
    text = capsys.readouterr().out
    for wanted in (
        "as found: 200 requests/s",
        "the service's CPU",
        "limits now",
        "scalability law",
        "enterprise",
        "list prices",
    ):
        assert wanted in text


def test_the_command_puts_plain_runs_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three files of one load each: base and marginal cost are told apart only together."""
    paths = [
        recorded(tmp_path / f"{rate}.sw", Service().measure((rate,))[0], shift_s=100 * number)
        for number, rate in enumerate((50, 100, 200))
    ]
    assert status_of("capacity", *map(str, paths), "--json", "-") == 0
    assessments = json.loads(capsys.readouterr().out)["assessments"]

    assert [one["name"] for one in assessments] == ["50.sw, 100.sw, 200.sw"]
    line = assessments[0]["uses"][0]["demand"]["line"]
    assert line["slope"] == pytest.approx(0.004)
    assert line["base"] == pytest.approx(0.05)


def test_json_goes_to_a_file_and_text_to_the_terminal(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path / "run.sw", *service.measure((10, 200)))
    out = tmp_path / "capacity.json"

    assert status_of("capacity", str(path), "--json", str(out), "--users-now", "250") == 0
    assert json.loads(out.read_text())["schema"] == 1
    assert "250 users" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        ([], "at least one recording"),
        (["gone.sw"], "gone.sw"),
        (["RUN", "--users-now", "0"], "--users-now must be above 0"),
        (["RUN", "--prices", "gone.toml"], "gone.toml"),
        (["RUN", "--json", "/no/such/folder/x.json"], "cannot be written"),
    ],
)
def test_usage_errors_end_with_2_and_say_why(
    argv: list[str], wanted: str, service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path / "run.sw", *service.measure((10, 200)))

    assert status_of("capacity", *[str(path) if word == "RUN" else word for word in argv]) == 2
    assert wanted in capsys.readouterr().err
