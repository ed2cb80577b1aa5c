"""A plan file is either wholly right, or every problem in it is listed with its line."""

from pathlib import Path

import pytest

from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load import load_plan, make_plan

GOOD = """\
target: http://127.0.0.1:8000/base
headers: {x-tenant-key: "{{ key }}"}
http: {connections_max: 200, timeout: 10s}
feeders:
  - rows: [{key: a}, {key: b}]
    order: random
scenarios:
  - name: browse
    weight: 70
    steps:
      - {get: /api/leads?limit=20, name: list leads, expect: {status: 200}}
      - {think: 1s..3s}
      - {post: /api/leads, json: {name: "Ann {{ $n }}"}, expect: {status: 2xx}, extract: {id: {json: $.id}}}
      - {get: "/api/leads/{{ id }}/é x"}
load: {rate: 50/s, for: 30s}
objectives: ["p95 < 200ms"]
seed: 1
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(InvalidInput) as caught:
        load_plan(written(folder, text))
    return caught.value.problems


def test_a_plan_file_becomes_the_engines_plan(tmp_path: Path) -> None:
    native = load_plan(written(tmp_path, GOOD)).to_native(addresses=["127.0.0.1"])

    assert native["target"] == {
        "scheme": "http",
        "host": "127.0.0.1",
        "port": 8000,
        "addresses": ["127.0.0.1"],
        "lookup_ns": None,
    }
    assert native["http"]["timeout_ns"] == 10 * 10**9
    assert native["feeders"] == [{"columns": ["key"], "rows": [["a"], ["b"]], "order": "random"}]
    assert native["load"]["stages"] == [{"duration_ns": 30 * 10**9, "from": 50.0, "to": 50.0}]
    first, think, create, read = native["scenarios"][0]["steps"]
    assert first["request"]["path"] == "/base/api/leads?limit=20"
    assert first["request"]["expect"] == [{"status": [200]}]
    assert think == {"think": {"min_ns": 10**9, "max_ns": 3 * 10**9}}
    assert create["request"]["body"] == '{"name":"Ann {{ $n }}"}'
    assert create["request"]["headers"] == [["content-type", "application/json"]]
    assert create["request"]["expect"] == [{"status": list(range(200, 300))}]
    assert create["request"]["extract"] == [{"variable": "id", "json": "$.id"}]
    assert read["request"]["path"] == "/base/api/leads/{{ id }}/%C3%A9%20x"
    assert read["request"]["name"] == "GET /api/leads/{id}/é x"


def test_a_plan_survives_being_written_and_read(tmp_path: Path) -> None:
    """The plan's own dump is a plan file of the same plan: units, ranges and stages included."""
    plan = load_plan(written(tmp_path, GOOD.replace("rate: 50/s, for: 30s", "stages: '2m:100,90s:0'")))

    again = make_plan(plan.model_dump(by_alias=True, exclude_defaults=True, mode="json"))

    assert again == plan


def test_every_problem_is_listed_with_its_line(tmp_path: Path) -> None:
    text = (
        GOOD.replace("timeout: 10s", "timeot: 10s")
        .replace("status: 200}", "status: ok}")
        .replace("weight: 70", "weight: -1")
        .replace("seed: 1", "seed: one")
        .replace("p95 < 200ms", "p95 < 200")
    )

    found = problems_of(tmp_path, text)

    assert found[0] == "plan.yaml:3: http.timeot: unknown field; did you mean 'timeout'?"
    assert found[1] == "plan.yaml:9: scenarios[0].weight: must be above 0, got -1"
    assert found[2] == (
        "plan.yaml:11: scenarios[0].steps[0].expect.status: must be a number from 100 to 599, or a class such as 2xx, got 'ok'"
    )
    assert found[3].startswith("plan.yaml:16: objectives[0]: ")
    assert found[4] == "plan.yaml:17: seed: must be a whole number, got 'one'"
    assert len(found) == 5


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("{think: 1s..3s}", "{think: 3s..1s}", 12, "a think time is"),
        ("{think: 1s..3s}", "{think: 3}", 12, "must be a time such as 2s"),
        ("get: /api/leads?", "get: api/leads?", 11, "starts with '/'"),
        ("{get: /api/leads?limit=20,", "{get: /a, put: /b,", 11, "exactly one of get, head, post"),
        ("{key: a}, {key: b}", "{key: a}, {kay: b}", 5, "row 2: has the columns kay; the first row has key"),
        ("{{ key }}", "{{ kee }}", 2, "{{ kee }} has no value; did you mean 'key'?"),
        ("{{ id }}", "{{ ident }}", 14, "{{ ident }} has no value"),
        ("{{ $n }}", "{{ $m }}", 13, "{{ $m }} is not built in"),
        ("{{ id }}", "{{ id ", 14, "not closed"),
        ("json: $.id", "json: id", 13, "must be a JSONPath"),
        ("json: $.id", "regex: '('", 13, "is not a regular expression"),
        ("rate: 50/s", "rate: 50", 15, "must be a rate with a unit"),
        ("rate: 50/s", "rate: 0/s", 15, "must be above 0"),
        ("for: 30s", "for: 30", 15, "must be a duration with a unit"),
        ("for: 30s", "for: 30s, users: 3", 15, "'rate' and 'users' exclude each other"),
        ("for: 30s", "for: 30s, count: 3", 15, "'for' and 'count' exclude each other"),
        ("for: 30s", "arrivals: posson", 15, "did you mean 'poisson'?"),
        ("http://127.0.0.1:8000/base", "ftp://127.0.0.1", 1, "a target is a URL"),
        ("http://127.0.0.1:8000/base", "http://me:pw@127.0.0.1", 1, "carries no user or password"),
        ("x-tenant-key:", "content-length:", 2, "set by the engine"),
        ("target:", "tarjet:", 1, "is required"),
    ],
)
def test_one_wrong_thing_is_named_where_it_stands(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in GOOD

    found = problems_of(tmp_path, GOOD.replace(old, new, 1))

    assert any(problem.startswith(f"plan.yaml:{line}: ") and said in problem for problem in found), found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("target: [", "not YAML"),
        ("target: a\ntarget: b", "found duplicate key"),
        ("- 1", "must be a mapping"),
        ("", "must be a mapping"),
    ],
)
def test_what_is_no_plan_at_all_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = problems_of(tmp_path, text)
    assert said in problem


def test_a_yaml_bomb_is_refused(tmp_path: Path) -> None:
    """Aliases that would unfold to a billion parts end at a bound, not in memory."""
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    path = written(tmp_path, f"a0: &a0 [x, x]\n{levels}")
    with pytest.raises(UsageError, match="more than 200000 parts"):
        load_plan(path)


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    with pytest.raises(UsageError) as caught:
        load_plan(tmp_path / "plam.yaml")
    assert "plan.yaml" in str(caught.value.hint)


def test_secrets_are_not_in_what_is_recorded(tmp_path: Path) -> None:
    text = GOOD.replace("x-tenant-key:", "Authorization: Bearer s3cret, x-tenant-key:")
    text = text.replace("/api/leads?limit=20", "/api/leads?token=s3cret&limit=20")
    text = text.replace('json: {name: "Ann {{ $n }}"}', "json: {name: x, password: s3cret}")
    text += "variables: {api_key: s3cret, city: Rome}\n"

    public = load_plan(written(tmp_path, text)).public()

    assert "s3cret" not in str(public)
    assert public["headers"]["x-tenant-key"] == "{{ key }}"
    assert public["variables"]["city"] == "Rome"
    assert public["feeders"] == [{"order": "random", "columns": ["key"], "row_count": 2}]
