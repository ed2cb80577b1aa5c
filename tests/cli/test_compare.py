"""`scaleworthy compare`: recordings in, verdict and exit status out."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import scaleworthy

from load.compare.made import run
from scaleworthy.series import Recording


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three recordings: one, the same service again, and one a third slower."""
    folder, rng = tmp_path_factory.mktemp("runs"), np.random.default_rng(1)
    made = {}
    for name, median_ms in (("before", 10.0), ("again", 10.0), ("slower", 13.0)):
        made[name] = str(folder / f"{name}.sw")
        with Recording.create(Path(made[name])) as store:
            run(rng, median_ms=median_ms, wander=0.02, store=store)
    return made


def test_a_slower_run_ends_with_1_and_says_so_in_every_form(runs: dict[str, str], tmp_path: Path) -> None:
    comment = tmp_path / "comment.md"
    ended = scaleworthy("compare", runs["before"], runs["slower"], "--json", "-", "--markdown", str(comment))

    assert ended.status == 1
    assert json.loads(ended.out)["verdict"] == "worse"
    assert "verdict: worse" in ended.err
    assert comment.read_text().startswith("**Load comparison: worse**")


def test_the_same_service_ends_with_0(runs: dict[str, str]) -> None:
    ended = scaleworthy("compare", runs["before"], runs["again"], "--floor", "10")

    assert ended.status == 0
    assert "worse" not in ended.out


def test_several_runs_of_a_side_are_joined_by_commas(runs: dict[str, str]) -> None:
    ended = scaleworthy("compare", f"{runs['before']},{runs['again']}", f"{runs['slower']},{runs['slower']}")
    assert "2 and 2 runs, 116 and 116 s" in ended.out


@pytest.mark.parametrize(
    ("words", "said"),
    [(("missing.sw", "missing.sw"), "missing.sw"), (("--floor", "0"), "--floor must be above 0")],
)
def test_what_cannot_be_compared_is_said(runs: dict[str, str], words: tuple[str, str], said: str) -> None:
    given = words if words[0] == "missing.sw" else (runs["before"], runs["again"], *words)
    ended = scaleworthy("compare", *given)
    assert ended.status == 2
    assert said in ended.err
