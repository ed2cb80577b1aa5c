"""`scenarios` become the plan's: each flow's steps in order, and where in the script each of them stood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scaleworthy.load.base import shown
from scaleworthy.load.import_.artillery import words
from scaleworthy.load.import_.artillery.amounts import number, time_ns
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.requests import Requests
from scaleworthy.load.import_.artillery.templates import Templates
from scaleworthy.load.yaml_lines import Loc

Step = dict[str, Any]


class Scenarios:
    """Compiles every scenario of a file.

    Attributes:
        origins: Place in the plan → place in the script.
    """

    def __init__(self, reading: Reading, config: Mapping[str, Any], target: str) -> None:
        self._reading = reading
        self._config = config
        self._templates = Templates(reading, target=target)
        self._requests = Requests(reading, self._templates, target)
        self.origins: dict[Loc, Loc] = {}

    def all(self, scenarios: Any) -> list[dict[str, Any]]:
        """Return the plan's scenarios; one without a name is called by its number."""
        if not isinstance(scenarios, list) or not scenarios:
            self._reading.refuse(("scenarios",), "must be a list of scenarios, each with a flow")
            return []
        made: list[dict[str, Any]] = []
        for at, scenario in enumerate(scenarios):
            loc: Loc = ("scenarios", at)
            given = self._reading.mapping(loc, scenario)
            if not given:
                continue
            self._reading.check_words(loc, given, words.SCENARIO, words.SCENARIO_REFUSED)
            here: Loc = ("scenarios", len(made))
            self.origins[here] = loc
            form: dict[str, Any] = {"name": self._name(loc, given.get("name"), at, made)}
            weight = number(self._reading, (*loc, "weight"), given.get("weight"))
            if weight is not None:
                form["weight"] = weight
            form["steps"] = self._flow((*loc, "flow"), given.get("flow"), (*here, "steps"))
            made.append(form)
        return made

    def _name(self, loc: Loc, given: Any, at: int, before: list[dict[str, Any]]) -> str:
        name = str(given) if given is not None else f"scenario {at + 1}"
        name = name[:190] or f"scenario {at + 1}"
        if name in {scenario["name"] for scenario in before}:
            self._reading.note(
                loc, f"a second scenario named {name!r} is called '{name} ({at + 1})': results are kept by name"
            )
            name = f"{name} ({at + 1})"
        return name

    def _flow(self, loc: Loc, flow: Any, here: Loc) -> list[Step]:
        if not isinstance(flow, list) or not flow:
            self._reading.refuse(loc, f"must be a list of steps, got {shown(flow)}")
            return []
        steps: list[Step] = []
        for at, item in enumerate(flow):
            for step_loc, step in self._reading.items((*loc, at), item):
                made = self._step(step_loc, step)
                if made is not None:
                    self.origins[(*here, len(steps))] = step_loc
                    steps.append(made)
        return steps

    def _step(self, loc: Loc, step: Any) -> Step | None:
        given = self._reading.mapping(loc, step)
        if not given:
            return None
        kinds = [name for name in given if name in words.STEPS_HTTP]
        if len(kinds) != 1:
            self._reading.check_words(loc, given, words.STEPS_HTTP, words.STEPS_REFUSED)
            if len(kinds) > 1:
                self._reading.refuse(loc, f"one step does one thing, got {' and '.join(kinds)}")
            return None
        kind = kinds[0]
        beside = [name for name in given if name != kind]
        if kind in words.VERBS:
            if beside:
                self._reading.refuse(loc, f"{', '.join(beside)} must stand inside {kind}: indent by two more")
                return None
            return self._requests.step(loc, kind, given[kind])
        if kind == "think":
            return self._think((*loc, "think"), given["think"])
        self._reading.refuse((*loc, kind), f"{kind} is not run")
        return None

    def _think(self, loc: Loc, given: Any) -> Step | None:
        pause_ns = time_ns(self._reading, loc, given, what="a think time")
        return None if pause_ns is None else {"think": f"{pause_ns}ns"}
