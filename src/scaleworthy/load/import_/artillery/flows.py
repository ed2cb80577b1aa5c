"""A flow's steps: requests, pauses, loops, parallel branches and log lines, and where in the script each of them stood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scaleworthy.load.base import shown
from scaleworthy.load.import_.artillery import words
from scaleworthy.load.import_.artillery.conditions import condition
from scaleworthy.load.import_.artillery.loops import Loops
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.requests import Requests
from scaleworthy.load.import_.artillery.templates import Templates
from scaleworthy.load.import_.artillery.thinking import Thinking
from scaleworthy.load.yaml_lines import Loc

Step = dict[str, Any]


class Flows:
    """Compiles flows over HTTP.

    Attributes:
        origins: Place in the plan → place in the script.
    """

    def __init__(self, reading: Reading, templates: Templates, requests: Requests, thinking: Thinking) -> None:
        self._reading = reading
        self._templates = templates
        self._requests = requests
        self._thinking = thinking
        self._loops = Loops(reading, templates)
        self.origins: dict[Loc, Loc] = {}

    def steps(self, loc: Loc, flow: Any, here: Loc) -> list[Step]:
        """Return the plan's steps of a flow that stands at *loc*; they will stand at *here* in the plan."""
        if not isinstance(flow, list) or not flow:
            self._reading.refuse(loc, f"must be a list of steps, got {shown(flow)}")
            return []
        made: list[Step] = []
        for at, item in enumerate(flow):
            # Lists within the list come from YAML references; they are flattened, as in Artillery.
            for step_loc, step in self._reading.items((*loc, at), item):
                self.origins[(*here, len(made))] = step_loc
                one = self._step(step_loc, step, (*here, len(made)))
                if one is not None:
                    made.append(one)
        return made

    def _step(self, loc: Loc, step: Any, here: Loc) -> Step | None:
        given = self._reading.mapping(loc, step)
        kinds = [name for name in given if name in words.STEPS_HTTP]
        if len(kinds) != 1:
            self._reading.check_words(loc, given, words.STEPS_HTTP, words.STEPS_REFUSED)
            if len(kinds) > 1:
                self._reading.refuse(loc, f"one step does one thing, got {' and '.join(kinds)}")
            elif isinstance(step, dict) and not step:
                self._reading.refuse(loc, "is empty")
            return None
        kind = kinds[0]
        beside = [name for name in given if name not in (kind, *words.BESIDE.get(kind, ()))]
        if beside and kind in words.VERBS:
            self._reading.refuse(loc, f"{', '.join(beside)} must stand inside {kind}: indent by two more")
            return None
        self._reading.check_words(loc, beside, (kind, *words.BESIDE.get(kind, ())), words.STEPS_REFUSED)
        if kind in words.VERBS:
            return self._request(loc, kind, given[kind], here)
        makers: dict[str, Callable[[Loc, dict[str, Any], Loc], Step | None]] = {
            "think": self._think,
            "loop": self._loop,
            "parallel": self._parallel,
            "log": self._log,
        }
        return makers[kind](loc, given, here)

    def _request(self, loc: Loc, verb: str, params: Any, here: Loc) -> Step | None:
        """Return the request, within an `if` where it has `ifTrue`."""
        request = self._requests.step(loc, verb, params)
        if request is None or not isinstance(params, dict) or params.get("ifTrue") is None:
            return request
        holds = condition(self._reading, self._templates, (*loc, verb, "ifTrue"), params["ifTrue"])
        if holds is None:
            return None
        self.origins[(*here, "steps", 0)] = loc
        return {"if": holds, "steps": [request]}

    def _think(self, loc: Loc, given: dict[str, Any], here: Loc) -> Step | None:  # noqa: ARG002 - as the others
        return self._thinking.step((*loc, "think"), given["think"], given.get("jitter"))

    def _loop(self, loc: Loc, given: dict[str, Any], here: Loc) -> Step | None:
        with self._loops.within(loc, given) as form:
            if form is None:
                return None
            form["steps"] = self.steps((*loc, "loop"), given["loop"], (*here, "loop", "steps"))
        return {"loop": form}

    def _parallel(self, loc: Loc, given: dict[str, Any], here: Loc) -> Step | None:
        branches = given["parallel"]
        if not isinstance(branches, list) or not branches:
            self._reading.refuse((*loc, "parallel"), f"must be a list of steps, got {shown(branches)}")
            return None
        made: list[list[Step]] = []
        for at, branch in enumerate(branches):
            where: Loc = (*loc, "parallel", at)
            flow = branch if isinstance(branch, list) else [branch]
            made.append(self._branch(where, flow, (*here, "parallel", at)))
        if given.get("limit") is not None:
            self._reading.note((*loc, "limit"), "all branches of parallel run at the same time; limit is left out")
        return {"parallel": made}

    def _branch(self, loc: Loc, flow: list[Any], here: Loc) -> list[Step]:
        if len(flow) == 1:
            self.origins[(*here, 0)] = loc
            one = self._step(loc, flow[0], (*here, 0))
            return [] if one is None else [one]
        return self.steps(loc, flow, here)

    def _log(self, loc: Loc, given: dict[str, Any], here: Loc) -> Step:  # noqa: ARG002 - as the others
        return {"log": self._templates.text((*loc, "log"), str(given["log"]))}
