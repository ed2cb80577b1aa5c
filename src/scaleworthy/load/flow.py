"""Steps that decide what a user does next: loops, conditions, branches under way at once, variables, lines to log.

    {loop: {count: 3, steps: […]}}            {if: "{{ status }} == 'ok'", steps: […], else: […]}
    {parallel: [[…], […]]}                    {set: {page: 1}}          {log: "at {{ page }}"}

A loop has a bound: `count`, `for`, or the list of `over`; `while` goes beside one of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from scaleworthy._native import condition_names
from scaleworthy.load.base import Duration, PlanPart, shown
from scaleworthy.load.template import is_template, names_in
from scaleworthy.load.texts import Variable

if TYPE_CHECKING:
    from scaleworthy.load.steps import Step

TURNS_MAX = 1_000_000_000
WHILE_TURNS_DEFAULT = 10_000
"""Passes that a loop with `while` alone makes at most."""
BRANCHES_MAX = 100


def _read_condition(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise ValueError(f"must be a condition such as {{{{ page }}}} < 5, got {shown(value)}")
    condition_names(value)
    return value


Condition = Annotated[str, BeforeValidator(_read_condition)]


def _read_value(value: Any) -> Any:
    names_in(json.dumps(value, ensure_ascii=False))
    return value


Value = Annotated[Any, BeforeValidator(_read_value)]


def _read_over(value: Any) -> Any:
    if isinstance(value, list):
        if not value:
            raise ValueError("an empty list has nothing to loop over")
        return _read_value(value)
    if not isinstance(value, str) or not is_template(value):
        raise ValueError(f"must be a list, or a template that stands for one, got {shown(value)}")
    return _read_value(value)


class Loop(PlanPart):
    """Do the steps again and again; `$loop` in them is the number of the pass, from 0.

    Attributes:
        count: Passes at most.
        for_ns: No pass begins after so long.
        every_ns: A pass is due so long after the one before was, however long that one took; a late one is timed from when it was due.
        over: A list, or a template that stands for one: a pass for each item, which is called `item`.
        holds: No pass begins where this does not hold.
        item: The item's name: `as` in the plan file.
    """

    count: Annotated[int, Field(ge=0, le=TURNS_MAX)] | None = None
    for_ns: Duration | None = Field(None, alias="for")
    every_ns: Duration | None = Field(None, alias="every")
    over: Annotated[Any, BeforeValidator(_read_over)] = None
    holds: Condition | None = Field(None, alias="while")
    item: Variable = Field("item", alias="as")
    steps: Annotated[list[Step], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _is_bounded(self) -> Loop:
        if (self.count, self.for_ns, self.over, self.holds) == (None, None, None, None):
            raise ValueError("needs a bound: count, for, over, or while")
        if "item" in self.model_fields_set and self.over is None:
            raise ValueError("'as' names the item of 'over'")
        return self


class LoopStep(PlanPart):
    """Steps that are done again and again."""

    loop: Loop

    @property
    def requests(self) -> int:
        """How many requests it counts as: with a count or a list exactly, otherwise as one pass."""
        turns = self.loop.count
        if isinstance(self.loop.over, list):
            turns = min(len(self.loop.over), turns if turns is not None else TURNS_MAX)
        return (1 if turns is None or self.loop.holds is not None else turns) * requests_of(self.loop.steps)

    def templates(self) -> list[tuple[str, str]]:
        """Return each text that may hold a template, with the field it stands in."""
        return [] if self.loop.over is None else [("loop.over", json.dumps(self.loop.over, ensure_ascii=False))]

    def to_native(self, base: str) -> dict[str, Any]:
        """Return the engine's form."""
        return self.around([step.to_native(base) for step in self.loop.steps])

    def around(self, steps: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the engine's form around *steps*, which have theirs already."""
        loop = self.loop
        bounded = loop.count is not None or loop.for_ns is not None or loop.over is not None
        return {
            "loop": {
                "count": loop.count if bounded else WHILE_TURNS_DEFAULT,
                "for_ns": loop.for_ns,
                "every_ns": loop.every_ns,
                "over": loop.over,
                "item": loop.item if loop.over is not None else None,
                "while": loop.holds,
                "steps": steps,
            }
        }


class IfStep(PlanPart):
    """Steps that are done where a condition holds, and others where it does not."""

    holds: Condition = Field(alias="if")
    steps: Annotated[list[Step], Field(min_length=1, max_length=10_000)]
    otherwise: Annotated[list[Step], Field(max_length=10_000)] = Field(default_factory=list, alias="else")

    @property
    def requests(self) -> int:
        """How many requests it counts as: as though the condition held."""
        return requests_of(self.steps)

    def to_native(self, base: str) -> dict[str, Any]:
        """Return the engine's form."""
        steps, otherwise = ([step.to_native(base) for step in steps] for steps in (self.steps, self.otherwise))
        return self.around(steps, otherwise)

    def around(self, steps: list[dict[str, Any]], otherwise: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the engine's form around steps that have theirs already."""
        return {"if": {"condition": self.holds, "steps": steps, "else": otherwise}}


class ParallelStep(PlanPart):
    """Branches under way at the same time; the user goes on when all are done, with the values they were given."""

    parallel: Annotated[
        list[Annotated[list[Step], Field(min_length=1, max_length=1_000)]], Field(min_length=1, max_length=BRANCHES_MAX)
    ]

    @property
    def requests(self) -> int:
        """How many requests it counts as."""
        return sum(requests_of(branch) for branch in self.parallel)

    def to_native(self, base: str) -> dict[str, Any]:
        """Return the engine's form."""
        return {"parallel": {"branches": [[step.to_native(base) for step in branch] for branch in self.parallel]}}


class SetStep(PlanPart):
    """Variables that get a value: a text with templates, or JSON; one template alone keeps its value's type."""

    assigned: Annotated[dict[Variable, Value], Field(min_length=1, max_length=100)] = Field(alias="set")

    @property
    def requests(self) -> int:
        """How many requests it counts as."""
        return 0

    def templates(self) -> list[tuple[str, str]]:
        """Return each text that may hold a template, with the field it stands in."""
        return [(f"set.{name}", json.dumps(value, ensure_ascii=False)) for name, value in self.assigned.items()]

    def to_native(self, base: str) -> dict[str, Any]:  # noqa: ARG002 - the same call makes every kind of step
        """Return the engine's form."""
        return {"set": {"values": list(self.assigned.items())}}


class LogStep(PlanPart):
    """A line for the person who watches: the first 20 of each engine thread are shown, further ones are counted."""

    log: Annotated[str, Field(min_length=1, max_length=1_000), BeforeValidator(_read_value)]

    @property
    def requests(self) -> int:
        """How many requests it counts as."""
        return 0

    def templates(self) -> list[tuple[str, str]]:
        """Return each text that may hold a template, with the field it stands in."""
        return [("log", self.log)]

    def to_native(self, base: str) -> dict[str, Any]:  # noqa: ARG002 - the same call makes every kind of step
        """Return the engine's form."""
        return {"log": {"text": self.log}}


def requests_of(steps: list[Any]) -> int:
    """Return how many requests the steps make, where that can be told."""
    return sum(getattr(step, "requests", 0) for step in steps)
