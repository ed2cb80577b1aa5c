"""Check a scenario file's `Settings` as a plan file is checked: all wrong values at once, each with file and line."""

from __future__ import annotations

from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from scaleworthy.errors import InvalidInput
from scaleworthy.load.problems import located, path_text
from scaleworthy.load.scenarios.settings import FIELDS, Settings
from scaleworthy.load.template import nearest
from scaleworthy.load.yaml_lines import line_of


def checked(settings: Settings) -> dict[str, Any]:
    """Return the plan's fields that *settings* give, made; files that they name are looked for beside the scenario's.

    Raises:
        InvalidInput: Every problem, each as `scenario.py:7: http.proxy: must be …, got …`.
    """
    from scaleworthy.load.plan import Plan

    fields = {field.alias or name: name for name, field in Plan.model_fields.items()}
    wanted = get_type_hints(Plan, include_extras=True)
    lines = settings.lines()
    made: dict[str, Any] = {}
    problems: list[tuple[int, str]] = []
    for name, value in settings.given.items():
        if name not in FIELDS:
            offer = nearest(name, FIELDS) or f"; known are {', '.join(FIELDS)}"
            problems.append((line_of((name,), lines), f"{name}: unknown field{offer}"))
            continue
        adapter: TypeAdapter[Any] = TypeAdapter(wanted[fields[name]])
        try:
            made[fields[name]] = adapter.validate_python(
                _plain(value), strict=True, context={"folder": settings.file.parent}
            )
        except ValidationError as error:
            found = located(error, Plan, below=(name,))
            problems += [(line_of(loc, lines), f"{path_text(loc)}: {text}") for loc, text in found]
    if problems:
        raise InvalidInput(
            str(settings.file),
            [f"{settings.file.name}:{line}: {text}" for line, text in sorted(problems)],
            hint="docs/reference/plan.md lists every field",
        )
    return made


def _plain(value: Any) -> Any:
    """Return *value* with tuples as the lists that a plan file would hold."""
    return list(value) if isinstance(value, tuple) else value
