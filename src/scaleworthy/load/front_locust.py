"""A Plan from a Locust file (docs/guide/from-locust.md): the file says what users do and where, the command line or its shape how many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from scaleworthy.errors import UsageError
from scaleworthy.load.front_python import plan_with
from scaleworthy.load.import_.imported import Imported, Wishes
from scaleworthy.load.scenarios.loading import load_scenarios


def locust_plan(path: Path, wishes: Wishes) -> Imported:
    """Return the plan whose users are those of the Locust file *path*.

    Raises:
        UsageError: There is no such file, nobody says where its requests go, or its shape cannot be known before the run.
        InvalidInput: The file cannot be run; with file, line and reason.
    """
    found = load_scenarios(path).locust
    assert found is not None, "the file was recognised"
    hosts = (wishes.target,) if wishes.target is not None else found.hosts
    if not hosts:
        raise UsageError(
            f"{path.name} does not say where its requests go",
            hint="add --target http://127.0.0.1:8000, or host to a class",
        )
    data: dict[str, Any] = {"target": hosts[0], "python": path.name}
    if hosts[1:]:
        data["origins"] = list(hosts[1:])
    if found.has_fixed_count:
        data["workers"] = 1  # "two of this class" is two in the whole run
    notes = list(found.notes)
    if found.shape is not None:
        from scaleworthy.load.scenarios.locust.shape import stages_of

        try:
            data["load"] = {"stages": stages_of(found.shape)}
        except UsageError as error:
            if not wishes.has_load:
                raise
            notes.append(f"{path.name}:1: the load is the command line's: {error.message}")
    return replace(plan_with(path, data), notes=tuple(notes))
