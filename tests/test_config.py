"""scaleworthy.yaml: what it may say, every problem at once with its line, secrets by name, and the file that init writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scaleworthy.capacity import SIZES, Assumptions
from scaleworthy.cli import main
from scaleworthy.cli.init import template_for
from scaleworthy.config import OBJECTIVES, Config, GrowthConfig, load_config
from scaleworthy.errors import InvalidInput, UsageError

FULL = """\
target: http://127.0.0.1:8000
scenario:
  scenarios:
    - name: browse
      steps:
        - {get: /api/leads, expect: {status: 200}}
headers: {authorization: "Bearer ${TOKEN}"}
objectives: ["p95 < 200ms"]
baseline: 20/s
database: ${DATABASE_URL}
cache: redis://127.0.0.1:6379/0
processes: {http: "uvicorn app", postgres: [10, 11]}
pool: 20
growth:
  users: 250
  peak_factor: 3
  sizes: [{name: now, users: 250, concurrent: 25, data: 30GB}]
i_own: staging.example.com
seed: 7
"""
ENVIRON = {"TOKEN": "abc123", "DATABASE_URL": "postgresql://u:hunter2@127.0.0.1/app"}


def config_of(folder: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = folder / "scaleworthy.yaml"
    path.write_text(text)
    return load_config(path, environ=ENVIRON if environ is None else environ)


def problems_of(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        config_of(folder, text, environ)
    return list(caught.value.problems)


def test_a_target_alone_is_enough(tmp_path: Path) -> None:
    config = config_of(tmp_path, "target: http://127.0.0.1:8000\n")

    assert config.target.port == 8000
    assert config.objectives == list(OBJECTIVES)
    assert config.plan is None
    assert config.price_book is None
    assert config.growth.assumptions() == Assumptions()


def test_everything_it_may_say_arrives(tmp_path: Path) -> None:
    config = config_of(tmp_path, FULL)

    assert config.database == ENVIRON["DATABASE_URL"]
    assert config.baseline_per_s == 20.0
    assert config.processes == {"http": ["uvicorn app"], "postgres": [10, 11]}
    assert config.i_own == ["staging.example.com"]
    assert config.plan is not None
    assert config.plan.seed == 7
    assert config.plan.objectives == ["p95 < 200ms"]
    assert config.plan.headers == {"authorization": "Bearer abc123"}
    assume = config.growth.assumptions()
    assert (assume.users_now, assume.peak_factor, assume.mean_to_peak) == (250, 3, Assumptions().mean_to_peak)
    assert [(size.name, size.data_bytes) for size in assume.sizes] == [("now", 30 * 10**9)]


def test_every_problem_is_listed_with_its_line(tmp_path: Path) -> None:
    found = problems_of(
        tmp_path,
        "target: ftp://x\n"
        "objectives: [p95 << 3]\n"
        "databse: x\n"
        "processes: {http: []}\n"
        "growth:\n"
        "  peak_factor: 0.5\n"
        "  mean_to_peak: lots\n"
        "seed: -1\n",
    )

    starts = [re.match(r"scaleworthy\.yaml:(\d+): ([\w.\[\]]+):", line) for line in found]
    assert [(int(m[1]), m[2]) for m in starts if m] == [
        (1, "target"),
        (2, "objectives[0]"),
        (3, "databse"),
        (4, "processes.http"),
        (6, "growth.peak_factor"),
        (7, "growth.mean_to_peak"),
        (8, "seed"),
    ]
    assert "database" in found[2]  # the nearest name


def test_problems_of_the_scenario_carry_the_line_of_this_file(tmp_path: Path) -> None:
    found = problems_of(
        tmp_path,
        "target: http://127.0.0.1\n"
        "scenario:\n"
        "  load: {users: 3}\n"
        "  scenarios:\n"
        "    - name: a\n"
        "      steps:\n"
        "        - {gett: /x}\n",
    )

    assert found[0].startswith("scaleworthy.yaml:3: scenario.load: unknown field")
    assert found[1].startswith("scaleworthy.yaml:7: scenario.scenarios[0].steps[0]")


def test_a_scenario_file_is_read_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        "target: http://elsewhere.example\nscenarios: [{name: a, steps: [{get: /x}]}]\nobjectives: ['p95 < 1s']\n"
    )
    config = config_of(tmp_path, "target: http://127.0.0.1:9\nscenario: plan.yaml\nobjectives: ['p99 < 2s']\n")

    assert config.plan is not None
    assert config.plan.target.port == 9
    assert config.plan.objectives == ["p99 < 2s"]


def test_a_missing_scenario_and_a_bad_price_book_are_problems_too(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text('currency = "euro"\n')
    found = problems_of(tmp_path, "target: http://127.0.0.1\nscenario: gone.yaml\nprices: prices.toml\npool: 0\n")

    assert [line.split(":")[1] for line in found] == ["2", "3", "3", "4"]
    assert "gone.yaml" in found[0]
    assert any("state: is required" in line for line in found)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    found = problems_of(tmp_path, "target: http://127.0.0.1\ndatabase: ${DATABASE_URL}\ncache: ${CACHE}\n", {})

    assert any(line.startswith("scaleworthy.yaml:2: database: the environment variable DATABASE_URL") for line in found)
    assert any("CACHE is not set" in line for line in found)


def test_messages_never_show_the_value_of_a_variable(tmp_path: Path) -> None:
    found = problems_of(
        tmp_path,
        "target: http://${PASSWORD}@\nobjectives: ['p95 < ${PASSWORD}']\ndatabase: ${PASSWORD}\nseed: '${PASSWORD}'\n",
        {"PASSWORD": "hunter2"},
    )

    assert len(found) >= 4
    assert "hunter2" not in "\n".join(found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("", "mapping"), ("- a\n", "mapping"), ("target: [\n", "not YAML"), ("target: a\ntarget: b\n", "each name once")],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str, wanted: str) -> None:
    assert wanted in problems_of(tmp_path, text)[0]


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="scaleworthy init writes one"):
        load_config(tmp_path / "scaleworthy.yaml")


def test_processes_are_found_by_text_of_their_command_line(tmp_path: Path) -> None:
    config = config_of(tmp_path, FULL)
    running = [(10, "postgres: checkpointer"), (11, "postgres: writer"), (20, "python -m uvicorn app:app"), (21, "vim")]

    assert config.process_ids(running) == {"http": [20], "postgres": [10, 11]}


def test_processes_that_do_not_run_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"processes\.http: .*'uvicorn app'.*processes\.postgres: process 10 .*process 11"
    ):
        config_of(tmp_path, FULL).process_ids([(1, "init")])


def uncommented(text: str) -> str:
    """The template with every option in use: prose has one space after its #, options none or two."""
    return "\n".join(re.sub(r"^#(?=\S|  )", "", line) for line in text.splitlines())


def test_the_file_that_init_writes_is_valid(tmp_path: Path) -> None:
    config = config_of(tmp_path, template_for("http://127.0.0.1:9000"), {})

    assert config.target.port == 9000
    assert config.plan is None


def test_every_option_in_the_file_is_valid_and_every_field_is_in_the_file(tmp_path: Path) -> None:
    """Rule: what is listed in two places has a test that joins them."""
    (tmp_path / "prices.toml").write_text('state = 2026-01-01\ncurrency = "USD"\n')
    text = uncommented(template_for("http://127.0.0.1:9000"))
    environ = {"DATABASE_URL": "postgresql://127.0.0.1/app", "API_TOKEN": "t"}
    config = config_of(tmp_path, text, environ)

    assert config.model_fields_set == set(Config.model_fields)
    assert config.growth.model_fields_set == set(GrowthConfig.model_fields)
    assert config.plan is not None
    assert config.price_book is not None
    assert config.growth.assumptions().sizes == SIZES[:3]


def test_the_growth_options_shown_are_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text('state = 2026-01-01\ncurrency = "USD"\n')
    text = uncommented(template_for("http://127.0.0.1"))
    shown = config_of(tmp_path, text, {"DATABASE_URL": "postgresql://h/a", "API_TOKEN": "t"}).growth.assumptions()
    default = Assumptions()

    for name in Assumptions.__slots__:
        if name not in ("users_now", "sizes"):
            assert getattr(shown, name) == getattr(default, name), name


def test_init_writes_once_and_never_over_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scaleworthy.yaml"
    for status in (0, 2):
        with pytest.raises(SystemExit) as caught:
            main(["init", "--target", "http://127.0.0.1:8123", "--file", str(path)])
        assert caught.value.code == status
        before = path.read_text()
    assert "target: http://127.0.0.1:8123" in before
    assert "is there already" in capsys.readouterr().err


def test_init_refuses_what_is_no_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["init", "--target", "nonsense", "--file", str(tmp_path / "x.yaml")])

    assert caught.value.code == 2
    assert not (tmp_path / "x.yaml").exists()
    assert "URL" in capsys.readouterr().err


DOCS = Path(__file__).parents[1] / "docs"


def rows_of(page: str) -> list[list[str]]:
    """The cells of every table row of a page."""
    lines = (DOCS / page).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]


def test_the_reference_lists_every_field_and_no_other() -> None:
    listed = {row[0].strip("`") for row in rows_of("reference/config.md") if row[0].startswith("`")}
    named = {field.alias or name for model in (Config, GrowthConfig) for name, field in model.model_fields.items()}

    assert listed == named


def test_the_reference_shows_the_defaults_of_growth() -> None:
    shown = {row[0].strip("`"): row[1] for row in rows_of("reference/config.md")}
    default = Assumptions()

    for name in GrowthConfig.model_fields:
        if name not in ("users", "sizes"):
            assert float(shown[name]) == getattr(default, name), name


def test_the_capacity_page_shows_the_sizes_as_they_are() -> None:
    rows = {row[0]: row for row in rows_of("capacity.md")}
    for size in SIZES:
        _, users, concurrent, queries, data, peak = rows[size.name]
        assert (users, concurrent, queries) == (f"{size.users:,}", f"{size.concurrent:,}", f"{size.queries_per_day:,}")
        assert data in (f"{size.data_bytes // 10**9} GB", f"{size.data_bytes // 10**12} TB")
        assert peak == f"{Assumptions().peak_per_s(size):,.0f}/s"
