"""A Plan from a YAML file; every problem is listed at once, each with its line and its path."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from scaleworthy.errors import InvalidInput
from scaleworthy.load.plan import Plan
from scaleworthy.load.problems import located, path_text
from scaleworthy.load.yaml_lines import line_of, read_yaml


def load_plan(path: Path | str, *, target: str | None = None) -> Plan:
    """Return the plan in the YAML file *path*; *target* is used in place of its own.

    Raises:
        UsageError: The file cannot be read.
        InvalidInput: Every problem, each as `plan.yaml:12: scenarios[0].steps[1].expect.status: must be …, got …`.
    """
    path = Path(path)
    data, lines = read_yaml(path, what="plan", wanted="target and scenarios", hint=_hint(path))
    if target is not None:
        data = {**data, "target": target}
    try:
        return Plan.model_validate(data, context={"folder": path.parent})
    except ValidationError as error:
        problems = sorted((line_of(loc, lines), path_text(loc), text) for loc, text in located(error, Plan))
        raise InvalidInput(
            str(path),
            [f"{path.name}:{line}: {f'{where}: ' if where else ''}{text}" for line, where, text in problems],
            hint="docs/reference/plan.md lists every field",
        ) from None


def _hint(path: Path) -> str | None:
    near = sorted(other.name for other in path.parent.glob("*.y*ml"))[:5] if path.parent.is_dir() else []
    return (
        f"in {path.parent} there is {', '.join(near)}"
        if near
        else "give a plan file, or a URL such as http://127.0.0.1:8000/"
    )
