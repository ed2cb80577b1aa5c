"""A whole Artillery file: `config`, `scenarios`, `before` and `after` become the plan file's form, then a Plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from scaleworthy.load.http import Target
from scaleworthy.load.import_.artillery import words
from scaleworthy.load.import_.artillery.amounts import switch
from scaleworthy.load.import_.artillery.captures import Captures
from scaleworthy.load.import_.artillery.checks import Checks, apdex_of
from scaleworthy.load.import_.artillery.environment import resolve, with_environment
from scaleworthy.load.import_.artillery.expectations import Expectations
from scaleworthy.load.import_.artillery.flows import Flows
from scaleworthy.load.import_.artillery.payload import Values
from scaleworthy.load.import_.artillery.phases import load_of
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.requests import Requests
from scaleworthy.load.import_.artillery.scenarios import Scenarios, has_sockets
from scaleworthy.load.import_.artillery.settings import defaults_of, headers_of, http_of, target_of
from scaleworthy.load.import_.artillery.sockets import Sockets
from scaleworthy.load.import_.artillery.templates import Templates
from scaleworthy.load.import_.artillery.thinking import Thinking
from scaleworthy.load.import_.engine_check import engine_problems
from scaleworthy.load.import_.imported import Document, Imported, Wishes
from scaleworthy.load.plan import Plan
from scaleworthy.load.problems import located
from scaleworthy.load.template import nearest
from scaleworthy.load.texts import path_label
from scaleworthy.load.yaml_lines import Loc


def is_artillery(data: Mapping[str, Any]) -> bool:
    """Return whether *data* is an Artillery script: scenarios with a flow, or a config."""
    scenarios = data.get("scenarios")
    if isinstance(scenarios, list) and any(isinstance(item, dict) and "flow" in item for item in scenarios):
        return True
    return isinstance(data.get("config"), dict) and "load" not in data and "target" not in data


def artillery_plan(document: Document, wishes: Wishes) -> Imported:
    """Return the plan of an Artillery script.

    Raises:
        InvalidInput: What cannot run, every instance with its line, column and what to do.
        UsageError: The environment that was asked for is not there.
    """
    reading = Reading(document.path, document.places, environment=wishes.environment)
    data = document.data
    reading.check_words((), [name for name in data if not name.startswith("x-")], words.TOP, {})
    config = with_environment(reading, reading.mapping(("config",), data.get("config")))
    reading.check_words(("config",), config, words.CONFIG, words.CONFIG_REFUSED)
    config = resolve(reading, ("config",), config)
    script = _Script(reading, data, config, wishes)
    plan = script.form()
    try:
        made = Plan.model_validate(plan, context={"folder": reading.folder})
    except ValidationError as error:
        found = [(script.origin(loc), text) for loc, text in located(error, Plan)]
        for loc, text in found:
            # What follows from a refusal, such as a scenario without steps, says nothing more.
            if not loc or not reading.is_refused(loc):
                reading.refuse(loc, text)
        reading.fail()
    if not reading.is_refused():
        for loc, text in engine_problems(made):
            reading.refuse(script.origin(loc), text)
    if reading.is_refused():
        reading.fail()
    return Imported(made, plan, reading.notes())


class _Script:
    """The compilers of one file, wired to each other."""

    def __init__(self, reading: Reading, data: Mapping[str, Any], config: Mapping[str, Any], wishes: Wishes) -> None:
        self._reading = reading
        self._data = data
        self._config = config
        self._wishes = wishes
        self._plugins = reading.mapping(("config", "plugins"), config.get("plugins"))
        for name in self._plugins:
            if name not in words.PLUGINS:
                offer = nearest(name, words.PLUGINS)
                reading.note(
                    ("config", "plugins", name),
                    f"the plugin {name!r} is not run; what it measures or checks is left out{offer}",
                )
        self._target = target_of(reading, config, wishes.target)
        # A socket is opened at the target's own path, so that this cannot stand before every path.
        self._base = Target.parse(self._target).base if has_sockets(data.get("scenarios"), config.get("engine")) else ""
        self._values = Values(reading, config)
        templates = Templates(reading, target=self._target, variables=self._values.variables)
        loc, defaults = defaults_of(reading, config)
        strict = switch(reading, (*loc, "strictCapture"), defaults.get("strictCapture"))
        captures = Captures(reading, templates, strict=strict is not False)
        thinking = Thinking(reading, templates, reading.mapping((*loc, "think"), defaults.get("think")).get("jitter"))
        expect = self._expect_plugin()
        cookies = reading.mapping((*loc, "cookie"), defaults.get("cookie"))
        requests = Requests(
            reading,
            templates,
            self._target,
            captures=captures,
            expectations=Expectations(
                reading,
                templates,
                default_200=expect.get("expectDefault200") is True,
                is_on="expect" in self._plugins,
            ),
            prefix=self._base,
            cookies={name: templates.text((*loc, "cookie", name), str(value)) for name, value in cookies.items()},
        )
        self._templates = templates
        flows = Flows(reading, templates, requests, thinking)
        sockets = Sockets(reading, templates, captures, thinking, config=config, target=self._target)
        self._scenarios = Scenarios(reading, templates, flows, sockets, engine=config.get("engine"))
        self._origins: dict[Loc, Loc] = {}

    def form(self) -> dict[str, Any]:
        """Return the plan file's form."""
        reading, data, config = self._reading, self._data, self._config
        target = self._target.removesuffix(self._base)
        plan: dict[str, Any] = {"target": target, "http": http_of(reading, config)}
        if headers := headers_of(reading, config):
            plan["headers"] = self._templates.deep(("config", "http", "defaults", "headers"), headers)
        variables = {
            name: value
            for name, value in self._values.variables.items()
            if not (isinstance(value, str) and "{{" in value)
        }
        if variables:
            plan["variables"] = variables
        if self._values.feeders:
            plan["feeders"] = self._values.feeders
        scenarios = self._scenarios.all(data.get("scenarios"))
        for name in ("before", "after"):
            steps = self._scenarios.once(name, data.get(name))
            if steps:
                plan[name] = steps
        plan["scenarios"] = scenarios
        plan["load"] = self._load()
        objectives = self._objectives([step for scenario in scenarios for step in scenario["steps"]])
        if objectives:
            plan["objectives"] = objectives
        if apdex := apdex_of(reading, config, self._plugins):
            plan["apdex"] = apdex
        self._origins = {
            (): (),
            ("target",): ("config", "target"),
            ("http",): ("config", "http"),
            ("headers",): ("config", "http", "defaults", "headers"),
            ("variables",): ("config", "variables"),
            ("load",): ("config", "phases"),
            ("objectives",): ("config", "ensure"),
            **self._values.origins,
            **self._scenarios.origins,
        }
        return plan

    def origin(self, loc: Loc) -> Loc:
        """Return where in the script the plan's part at *loc* came from: the nearest part around it that is known."""
        for length in range(len(loc), -1, -1):
            if loc[:length] in self._origins:
                return self._origins[loc[:length]]
        return ()

    def _load(self) -> dict[str, Any]:
        phases = self._config.get("phases")
        if self._wishes.has_load and phases is None:
            return {"users": 1}
        return load_of(self._reading, ("config", "phases"), phases, mode=self._config.get("mode"))

    def _objectives(self, steps: list[dict[str, Any]]) -> list[str]:
        checks = Checks(self._reading, labels_in(steps))
        made: list[str] = []
        for loc, given in (
            (("config", "ensure"), self._config.get("ensure")),
            (("config", "plugins", "ensure"), self._plugins.get("ensure")),
        ):
            made += checks.objectives(loc, given)
        return list(dict.fromkeys(made))

    def _expect_plugin(self) -> dict[str, Any]:
        loc: Loc = ("config", "plugins", "expect")
        given = self._reading.mapping(loc, self._plugins.get("expect") or self._config.get("expect"))
        self._reading.check_words(loc, given, words.EXPECT, {})
        default = switch(self._reading, (*loc, "expectDefault200"), given.get("expectDefault200"))
        return given | {"expectDefault200": default}


def labels_in(steps: list[Any]) -> list[str]:
    """Return the names that requests are measured by, in steps at any depth."""
    made: list[str] = []
    for step in steps:
        if isinstance(step, list):
            made += labels_in(step)
        elif isinstance(step, dict):
            verb = next((name for name in words.VERBS if name in step), None)
            if verb is not None:
                made.append(step.get("name") or path_label(verb.upper(), step[verb]))
            for within in (step.get("steps"), step.get("parallel"), (step.get("loop") or {}).get("steps")):
                made += labels_in(within) if isinstance(within, list) else []
    return list(dict.fromkeys(made))
