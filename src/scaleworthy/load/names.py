"""Which names have a value where: every template and condition of a plan is looked at before the run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from scaleworthy._native import condition_names
from scaleworthy.load.flow import IfStep, LoopStep, SetStep
from scaleworthy.load.steps import within
from scaleworthy.load.template import environment_name, is_known, names_in, nearest


def given_by(step: Any) -> list[str]:
    """Return the names that *step* itself gives a value to."""
    if isinstance(step, SetStep):
        return list(step.assigned)
    if isinstance(step, LoopStep):
        return [step.loop.item] if step.loop.over is not None else []
    return list(getattr(step, "extract", ()))


def all_given(steps: Sequence[Any]) -> Iterator[str]:
    """Yield every name that some step gives a value to, at any depth."""
    for step in steps:
        yield from given_by(step)
        for _, inner in within(step):
            yield from all_given(inner)


def missing_names(steps: Sequence[Any], path: str, known: set[str]) -> list[str]:
    """Return a problem for each name that nothing before its step gives a value to; adds to *known* what the steps give."""
    problems = []
    for at, step in enumerate(steps):
        where = f"{path}[{at}]"
        texts = step.templates() if hasattr(step, "templates") else []
        problems += [
            problem(f"{where}.{field}", name, known) for field, text in texts for name in _missing(text, known)
        ]
        known.update(given_by(step))
        for field, condition in _conditions(step):
            # What the loop's own steps give may be asked for from its second pass on.
            there = known | {name for _, inner in within(step) for name in all_given(inner)}
            problems += [
                problem(f"{where}.{field}", name, there)
                for name in condition_names(condition)
                if not _has_value(name, there)
            ]
        for field, inner in within(step):
            problems += missing_names(inner, f"{where}.{field}", known)
    return problems


def problem(where: str, name: str, known: set[str]) -> str:
    """Return what is wrong with a name that has no value."""
    variable = environment_name(name)
    if variable is not None:
        return f"{where}: {{{{ {name} }}}}: the environment has no {variable}; set it, or put the value under variables"
    near = nearest(name, known)
    offer = near or (f"; there is {', '.join(sorted(known)[:8])}" if known else "; nothing before it gives one")
    return f"{where}: {{{{ {name} }}}} has no value{offer}"


def environment_of(native: Any) -> dict[str, str]:
    """Return the environment's values that the texts of a plan's engine form ask for, as variables."""
    found: dict[str, str] = {}
    if isinstance(native, str):
        if "$env." in native:
            for name in _environment_names(native):
                found[f"$env.{name}"] = os.environ.get(name, "")
    elif isinstance(native, dict | list | tuple):
        for item in native.values() if isinstance(native, dict) else native:
            found |= environment_of(item)
    return found


def _environment_names(text: str) -> list[str]:
    pieces = text.split("$env.")[1:]
    return [
        piece[: next((at for at, c in enumerate(piece) if not (c.isalnum() or c == "_")), len(piece))]
        for piece in pieces
    ]


def _conditions(step: Any) -> list[tuple[str, str]]:
    if isinstance(step, IfStep):
        return [("if", step.holds)]
    if isinstance(step, LoopStep) and step.loop.holds is not None:
        return [("loop.while", step.loop.holds)]
    return []


def _missing(text: str, known: set[str]) -> list[str]:
    return [name for name in names_in(text) if not _has_value(name, known)]


def _has_value(name: str, known: set[str]) -> bool:
    variable = environment_name(name)
    return variable in os.environ if variable is not None else is_known(name, known)
