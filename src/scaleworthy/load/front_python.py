"""A Plan from a file of Python scenarios (docs/guide/scenarios.md): the file says what users do, the command line how many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load.import_.imported import Imported, Wishes
from scaleworthy.load.plan import Plan
from scaleworthy.load.problems import describe
from scaleworthy.load.scenarios.file import PythonFile


def python_plan(path: Path, wishes: Wishes) -> Imported:
    """Return the plan whose users run the scenarios of *path*.

    Raises:
        UsageError: There is no such file, or nobody says where its requests go.
        InvalidInput: The file cannot be run; with file, line and reason.
    """
    part = PythonFile.model_validate(path.name, context={"folder": path.parent})
    own = part.settings.get("target")
    target = wishes.target if wishes.target is not None or own is None else own.url
    if target is None:
        raise UsageError(
            f"{path.name} does not say where its requests go",
            hint="add --target http://127.0.0.1:8000, or target to the file's Settings(...)",
        )
    return plan_with(path, {"target": target, "python": path.name}, part)


def plan_with(path: Path, data: dict[str, Any], part: PythonFile | None = None) -> Imported:
    """Return the plan that *data* describes, which names the Python file *path*; *part* is that file where it was loaded already.

    Raises:
        InvalidInput: The file cannot be run; with file, line and reason.
    """
    try:
        loaded = data if part is None else {**data, "python": part}
        return Imported(Plan.model_validate(loaded, context={"folder": path.parent}), data)
    except ValidationError as error:
        problems = [f"{where}: {text}" if where else text for where, text in describe(error, Plan)]
        raise InvalidInput(str(path), problems) from None
