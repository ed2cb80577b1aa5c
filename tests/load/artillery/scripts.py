"""Artillery scripts for tests: written into a folder, compiled, run against a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaleworthy.errors import InvalidInput
from scaleworthy.load import Imported, Summary, Wishes, read_plan, start
from scaleworthy.series import MemoryStore

CONFIG = """\
config:
  target: http://127.0.0.1:8000
  phases: [{duration: 10, arrivalRate: 5}]
"""


def written(folder: Path, text: str, *, name: str = "artillery.yml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def flow(steps: str, *, config: str = CONFIG) -> str:
    """Return a script of one scenario; *steps* are lines of its flow."""
    indented = "\n".join(f"      {line}" for line in steps.strip("\n").splitlines())
    return f"{config}scenarios:\n  - name: only\n    flow:\n{indented}\n"


def compiled(folder: Path, text: str, wishes: Wishes | None = None) -> Imported:
    return read_plan(written(folder, text), wishes)


def problems_of(folder: Path, text: str, wishes: Wishes | None = None) -> tuple[str, ...]:
    with pytest.raises(InvalidInput) as caught:
        compiled(folder, text, wishes)
    return caught.value.problems


def ran(folder: Path, text: str, url: str, *, users: int = 1, count: int = 1) -> Summary:
    """Run the script's scenarios *count* times against *url* and return the summary."""
    imported = compiled(folder, text, Wishes(target=url, has_load=True))
    plan = imported.plan.changed(load={"users": users, "count": count})
    with MemoryStore(run={}) as store:
        return start(plan, store).wait()
