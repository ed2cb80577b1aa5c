"""The plans of the guide do what their page says, sent to a real server that answers with what it was sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from load.echoing import echoing
from scaleworthy.load import load_plan, run_load
from scaleworthy.series import MemoryStore

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "plans.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_request_of_the_guide_is_sent_and_holds(block: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(block)
    with echoing() as echo:
        plan = load_plan(path, target=echo.url).changed(load={"users": 1, "count": 1})
        summary = run_load(plan, MemoryStore())

    assert summary["errors"] == {}
    assert summary["answered"] == len(echo.seen) - len(plan.before or []) - len(plan.after or []) > 0


def test_the_guide_has_plans() -> None:
    assert len(BLOCKS) == 4
