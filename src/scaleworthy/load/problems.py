"""Say what is wrong with a plan: pydantic's errors as `path`, and `what is wanted, what was got`."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from scaleworthy.load.base import PartProblems, shown
from scaleworthy.load.steps import STEP_KINDS
from scaleworthy.load.template import nearest

_INNER_PATH = re.compile(r"(?P<path>[a-z_]+(?:\[\d+\])?(?:\.[a-z_]+(?:\[\d+\])?)*): (?P<text>.*)", re.DOTALL)
Loc = tuple[str | int, ...]
_STEP_LISTS = ("steps", "else", "before", "after")
_WANTED = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of names to values",
    "model_type": "must be a mapping of names to values",
    "model_attributes_type": "must be a mapping of names to values",
    "tuple_type": "must be a list",
}


def describe(error: ValidationError, model: type[BaseModel], *, below: Loc = ()) -> list[tuple[str, str]]:
    """Return every problem as its path (`scenarios[0].steps[1].expect`) and its text; *below* is where *error*'s paths start."""
    return [(path_text(loc), text) for loc, text in located(error, model, below=below)]


def located(error: ValidationError, model: type[BaseModel], *, below: Loc = ()) -> list[tuple[Loc, str]]:
    """Return every problem as its place in the plan file's form and its text."""
    problems: list[tuple[Loc, str]] = []
    for item in error.errors(include_url=False):
        loc = (*below, *item["loc"])
        for inner, text in _texts(item, loc, model):
            place = (*_visible(loc), *inner)
            if (place, text) not in problems:
                problems.append((place, text))
    return problems


def path_text(loc: Loc) -> str:
    """Return a place as people write it: `scenarios[0].steps[1]`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def parse_path(text: str) -> Loc:
    """Return the place that `path_text` wrote."""
    return tuple(
        int(number) if number else name for name, number in re.findall(r"([^.\[\]]+)(?=[.\[]|$)|\[(\d+)\]", text)
    )


def _texts(item: Any, loc: Loc, model: type[BaseModel]) -> list[tuple[Loc, str]]:
    kind, got, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        known = _fields_at(loc[:-1], model)
        name = str(loc[-1])
        offer = nearest(name, known) or f"; known are {', '.join(known)}"
        return [((), f"unknown field{offer}")]
    if kind == "missing":
        return [((), "is required")]
    if kind == "value_error":
        message = str(context["error"])
        if isinstance(context["error"], PartProblems):
            parted = [line.partition(": ") for line in context["error"].problems]
            return [(parse_path(field), text) for field, _, text in parted]
        if not loc:  # checked over the whole plan: each line carries its own path
            found = [_INNER_PATH.fullmatch(line) for line in message.split("\n")]
            if all(found):
                return [(parse_path(match["path"]), match["text"]) for match in found if match]
        return [((), message)]
    if kind == "literal_error":
        wanted = [choice.strip("'") for choice in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return [((), f"must be one of {', '.join(wanted)}, got {shown(got)}{nearest(str(got), wanted)}")]
    if kind in _WANTED:
        return [((), f"{_WANTED[kind]}, got {shown(got)}")]
    text = str(item["msg"])
    for before, after in (
        ("Input should be greater than or equal to", "must be at least"),
        ("Input should be less than or equal to", "must be at most"),
        ("Input should be greater than", "must be above"),
        ("Input should be less than", "must be below"),
        ("List should have at least 1 item after validation, not 0", "must not be empty"),
        ("String should have at least 1 character", "must not be empty"),
        ("Input should be", "must be"),
    ):
        if text.startswith(before):
            return [((), f"{after}{text[len(before) :]}, got {shown(got)}")]
    return [((), f"{text[0].lower()}{text[1:]}, got {shown(got)}")]


def _visible(loc: Loc) -> Loc:
    """Leave out what pydantic adds to a place: the kind of a step, `[key]`, and the members of a union of plain types."""
    shown_parts: list[str | int] = []
    for at, part in enumerate(loc):
        if _is_kind(loc, at) or part in ("[key]", "str", "int", "float", "bool", "none"):
            continue
        shown_parts.append(part)
    return tuple(shown_parts)


def _is_kind(loc: Loc, at: int) -> bool:
    """Return whether pydantic put the kind of a step here: behind the step's number in a list of steps or in a branch."""
    if at < 2 or loc[at] not in STEP_KINDS or not isinstance(loc[at - 1], int):
        return False
    before = loc[at - 2]
    return before in _STEP_LISTS or (isinstance(before, int) and loc[at - 3] == "parallel")


def _fields_at(loc: Loc, model: type[BaseModel]) -> list[str]:
    """Return the names that the plan file's form knows at *loc*."""
    current: type[BaseModel] = model
    for at, part in enumerate(loc):
        if isinstance(part, int):
            continue
        if _is_kind(loc, at):
            current = STEP_KINDS[part]
            continue
        for name, field in current.model_fields.items():
            if part == (field.alias or name):
                current = next(iter(_models_in(field.annotation)), current)
    return [field.alias or name for name, field in current.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
