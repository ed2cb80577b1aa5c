"""The `python:` part of a plan: a file of scenarios in place of steps, and what it says of its run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, model_serializer, model_validator

from scaleworthy.load.base import PlanPart, shown
from scaleworthy.load.scenarios.checking import checked
from scaleworthy.load.scenarios.loading import load_scenarios


class PythonFile(PlanPart):
    """A file whose `@scenario` functions the users run.

    Attributes:
        file: Its path; in a plan file beside that.
        scenarios: Name and weight of each.
        has_setup: It has a `@setup`.
        has_teardown: It has a `@teardown`.
        settings: Parts of the plan that the file gives, checked; a plan's own win over them.
    """

    file: Path
    scenarios: tuple[tuple[str, float], ...] = ()
    has_setup: bool = False
    has_teardown: bool = False
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _load(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, dict | PythonFile):
            return value
        if not isinstance(value, str) or not value.endswith(".py"):
            raise ValueError(f"must be a Python file such as scenario.py, got {shown(value)}")
        path = (Path((info.context or {}).get("folder", ".")) / value).resolve()
        loaded = load_scenarios(path)
        declared = loaded.declared
        return {
            "file": path,
            "scenarios": tuple((one.name, float(one.weight)) for one in declared.scenarios),
            "has_setup": declared.setup is not None,
            "has_teardown": declared.teardown is not None,
            "settings": {} if loaded.settings is None else checked(loaded.settings),
        }

    @model_serializer
    def _write(self) -> str:
        return self.file.name

    def to_native(self) -> list[dict[str, Any]]:
        """Return the engine's form of the scenarios."""
        return [{"name": name, "weight": weight, "python": True, "steps": []} for name, weight in self.scenarios]
