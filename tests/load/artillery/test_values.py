"""Values that differ between users: CSV payloads, lists, random numbers and texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.load.listening import listening

from .scripts import CONFIG, compiled, flow, problems_of, ran

PHONES = (
    CONFIG + "  payload: {path: phones.csv, fields: [phone, name], order: sequence, skipHeader: true, cast: false}\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "phones.csv").write_text("number,who\n+1,Ann\n+2,Bob\n", encoding="utf-8")
    return tmp_path


def test_a_payload_in_sequence_gives_each_user_the_next_row(folder: Path) -> None:
    with listening() as server:
        ran(
            folder,
            flow("- post: {url: '/{{ name }}', json: {phone: '{{ phone }}'}}", config=PHONES),
            server.url,
            count=3,
        )

    assert server.lines == ["POST /Ann", "POST /Bob", "POST /Ann"]
    assert [asked.json for asked in server.asked] == [{"phone": "+1"}, {"phone": "+2"}, {"phone": "+1"}]


def test_a_payload_is_drawn_at_random_unless_it_says_otherwise(folder: Path) -> None:
    feeder = compiled(
        folder, flow("- get: {url: '/{{ name }}'}", config=PHONES.replace(" order: sequence,", ""))
    ).plan.feeders[0]

    assert (feeder.order, feeder.columns, feeder.table) == ("random", ["phone", "name"], [["+1", "Ann"], ["+2", "Bob"]])


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ("{path: none.csv, fields: [a]}", "cannot be read: No such file"),
        ("{path: phones.csv}", "needs fields"),
        ("{fields: [a]}", "needs the path of a CSV file"),
        ("{path: phones.csv, fields: [a, b, c]}", "phones.csv:1: 2 values under 3 columns"),
        ("{path: phones.csv, fields: [a], order: sorted}", "must be sequence or random"),
        ("{path: phones.csv, feilds: [a]}", "did you mean 'fields'?"),
        ("{path: phones.csv, fields: [a], loadAll: true}", "loadAll needs a name"),
    ],
)
def test_a_payload_that_cannot_be_read_is_refused(folder: Path, payload: str, problem: str) -> None:
    found = problems_of(folder, flow("- get: {url: /}", config=f"{CONFIG}  payload: {payload}\n"))

    assert any(problem in text and text.startswith("artillery.yml:4:") for text in found), found


def test_a_list_gives_each_user_one_of_its_items(tmp_path: Path) -> None:
    config = CONFIG + "  variables: {city: [Rome, Oslo], country: here}\n"
    with listening() as server:
        ran(tmp_path, flow("- get: {url: '/{{ country }}/{{ city }}'}", config=config), server.url, count=40)

    assert set(server.lines) == {"GET /here/Rome", "GET /here/Oslo"}


def test_a_name_without_a_value_is_refused_with_the_nearest(tmp_path: Path) -> None:
    config = CONFIG + "  variables: {city: Rome}\n"

    assert (
        "{{ citty }} has no value; did you mean 'city'?"
        in problems_of(tmp_path, flow("- get: {url: '/{{ citty }}'}", config=config))[0]
    )


@pytest.mark.parametrize(
    "name", ["$randomNumber(1)", "$randomNumbr(1, 2)", "$fullName()", "$loopCount", "a b", "$nothing"]
)
def test_a_template_that_does_not_run_is_refused(tmp_path: Path, name: str) -> None:
    assert problems_of(tmp_path, flow(f"- get: {{url: '/{{{{ {name} }}}}'}}"))
