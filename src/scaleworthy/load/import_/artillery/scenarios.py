"""`scenarios`, `before` and `after`: which engine each runs on, its name and weight, and its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scaleworthy.load.base import shown
from scaleworthy.load.import_.artillery import words
from scaleworthy.load.import_.artillery.amounts import number
from scaleworthy.load.import_.artillery.flows import Flows
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.sockets import Sockets
from scaleworthy.load.import_.artillery.templates import USER_ID, Templates
from scaleworthy.load.yaml_lines import Loc

_SOCKET_ENGINES = ("ws", "websocket")


def has_sockets(scenarios: Any, engine: Any) -> bool:
    """Return whether any of *scenarios* talks over a WebSocket; *engine* is the config's own."""
    return isinstance(scenarios, list) and any(
        isinstance(item, dict)
        and (item.get("engine") or engine) in _SOCKET_ENGINES
        and not _asks_http(item.get("flow"))
        for item in scenarios
    )


def _asks_http(flow: Any) -> bool:
    kinds = {name for step in flow if isinstance(step, dict) for name in step} if isinstance(flow, list) else set()
    return bool(kinds & set(words.VERBS)) and not kinds & {"send", "connect"}


class Scenarios:
    """Compiles every scenario of a file.

    Attributes:
        origins: Place in the plan → place in the script.
    """

    def __init__(self, reading: Reading, templates: Templates, flows: Flows, sockets: Sockets, *, engine: Any) -> None:
        self._reading = reading
        self._templates = templates
        self._flows = flows
        self._sockets = sockets
        self._engine = engine or "http"
        self.origins: dict[Loc, Loc] = flows.origins

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
            weight = self._weight((*loc, "weight"), given.get("weight"))
            here: Loc = ("scenarios", len(made))
            self.origins[here] = loc
            steps = self._steps(loc, given, (*here, "steps"))
            if weight == 0:
                self._reading.note(loc, "a scenario of weight 0 is never taken")
                continue
            form: dict[str, Any] = {"name": self._name(loc, given.get("name"), at, made)}
            made.append(form | ({} if weight is None else {"weight": weight}) | {"steps": steps})
        return made

    def once(self, name: str, given: Any) -> list[dict[str, Any]]:
        """Return the steps of `before` or `after`: run once in the whole run."""
        loc: Loc = (name,)
        hook = self._reading.mapping(loc, given)
        if not hook:
            return []
        self._reading.check_words(loc, hook, words.SCENARIO, words.SCENARIO_REFUSED)
        if hook.get("engine") in _SOCKET_ENGINES:
            self._reading.refuse((*loc, "engine"), "what runs once runs over HTTP; leave engine out")
        return self._flows.steps((*loc, "flow"), hook.get("flow"), (name,))

    def _weight(self, loc: Loc, given: Any) -> float | None:
        if isinstance(given, str) and "{{" in given:
            given = self._templates.constant(loc, given)
        return number(self._reading, loc, given)

    def _name(self, loc: Loc, given: Any, at: int, before: list[dict[str, Any]]) -> str:
        name = (str(given) if given is not None else "")[:190].strip() or f"scenario {at + 1}"
        if name not in {scenario["name"] for scenario in before}:
            return name
        other = f"{name} ({at + 1})"
        self._reading.note(loc, f"a second scenario named {name!r} is called {other!r}: results are kept by name")
        return other

    def _steps(self, loc: Loc, given: Mapping[str, Any], here: Loc) -> list[dict[str, Any]]:
        engine = given.get("engine") or self._engine
        flow = given.get("flow")
        self._templates.uses_user_id = False
        if engine in _SOCKET_ENGINES and not self._is_http(loc, flow):
            socket = self._sockets.step((*loc, "flow"), flow)
            self.origins[(*here, 0)] = (*loc, "flow")
            steps = [] if socket is None else [socket]
        elif engine in ("http", *_SOCKET_ENGINES):
            steps = self._flows.steps((*loc, "flow"), flow, here)
        else:
            why = words.ENGINES_REFUSED.get(
                str(engine), f"the engine {shown(engine)} is not run; there are http and ws"
            )
            self._reading.refuse((*loc, "engine"), why)
            return []
        if self._templates.uses_user_id:
            steps.insert(0, {"set": {USER_ID: "{{ $uuid }}"}})
            self._move(here)
        return steps

    def _is_http(self, loc: Loc, flow: Any) -> bool:
        """Return whether a flow that says `engine: ws` asks over HTTP; such files are about."""
        if not _asks_http(flow):
            return False
        self._reading.note(loc, "engine: ws, but its steps are HTTP requests: it runs over HTTP")
        return True

    def _move(self, here: Loc) -> None:
        """One step was put before the others: what stood at 0 stands at 1, and so on."""
        moved = {}
        for place, origin in self.origins.items():
            if place[: len(here)] == here and len(place) > len(here):
                step = place[len(here)]
                assert isinstance(step, int), "steps are numbered"
                moved[(*here, step + 1, *place[len(here) + 1 :])] = origin
            else:
                moved[place] = origin
        self.origins.clear()
        self.origins.update(moved)
