"""A Plan from a file of Python scenarios (docs/guide/scenarios.md): the file says what users do, the command line how many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load.import_.imported import Imported, Wishes
from scaleworthy.load.plan import Plan
from scaleworthy.load.problems import describe


def python_plan(path: Path, wishes: Wishes) -> Imported:
    """Return the plan whose users run the scenarios of *path*.

    Raises:
        UsageError: There is no such file, or nobody says where its requests go.
        InvalidInput: The file cannot be run; with file, line and reason.
    """
    if wishes.target is None:
        raise UsageError(
            f"{path.name} does not say where its requests go", hint="add --target http://127.0.0.1:8000, for example"
        )
    return plan_with(path, {"target": wishes.target, "python": path.name})


def plan_with(path: Path, data: dict[str, Any]) -> Imported:
    """Return the plan that *data* describes, which names the Python file *path*.

    Raises:
        InvalidInput: The file cannot be run; with file, line and reason.
    """
    try:
        return Imported(Plan.model_validate(data, context={"folder": path.parent}), data)
    except ValidationError as error:
        problems = [f"{where}: {text}" if where else text for where, text in describe(error, Plan)]
        raise InvalidInput(str(path), problems) from None
