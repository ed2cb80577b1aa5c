"""A Plan from a plan file (docs/reference/plan.md); every problem is listed at once, each with its line and its path."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from scaleworthy.errors import InvalidInput
from scaleworthy.load.import_.imported import Document, Imported, Wishes
from scaleworthy.load.plan import Plan
from scaleworthy.load.problems import located, path_text
from scaleworthy.load.yaml_lines import line_of


def plan_of(document: Document, wishes: Wishes) -> Imported:
    """Return the plan that a plan file's mapping describes.

    Raises:
        InvalidInput: Every problem, each as `plan.yaml:12: scenarios[0].steps[1].expect.status: must be …, got …`.
    """
    path = document.path
    data = document.data if wishes.target is None else {**document.data, "target": wishes.target}
    try:
        return Imported(Plan.model_validate(data, context={"folder": path.parent}), data)
    except ValidationError as error:
        lines = {loc: line for loc, (line, _) in document.places.items()}
        problems = sorted((line_of(loc, lines), path_text(loc), text) for loc, text in located(error, Plan))
        raise InvalidInput(
            str(path),
            [f"{path.name}:{line}: {f'{where}: ' if where else ''}{text}" for line, where, text in problems],
            hint="docs/reference/plan.md lists every field",
        ) from None


def near_files(path: Path) -> str:
    """Return what to do when there is no file *path*: the plan files beside it."""
    near = sorted(other.name for other in path.parent.glob("*.y*ml"))[:5] if path.parent.is_dir() else []
    return (
        f"in {path.parent} there is {', '.join(near)}"
        if near
        else "give a plan file, or a URL such as http://127.0.0.1:8000/"
    )
