"""A whole Artillery file: `config`, `scenarios`, `before` and `after` become the plan file's form, then a Plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from scaleworthy.load.import_.artillery import words
from scaleworthy.load.import_.artillery.environment import resolve, with_environment
from scaleworthy.load.import_.artillery.phases import load_of
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.scenarios import Scenarios
from scaleworthy.load.import_.artillery.settings import headers_of, http_of, target_of
from scaleworthy.load.import_.imported import Document, Imported, Wishes
from scaleworthy.load.plan import Plan
from scaleworthy.load.problems import located
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
    given = [name for name in data if not name.startswith("x-")]
    reading.check_words((), given, words.TOP, {})
    config = with_environment(reading, reading.mapping(("config",), data.get("config")))
    reading.check_words(("config",), config, words.CONFIG, words.CONFIG_REFUSED)
    config = resolve(reading, ("config",), config)
    plan, origins = _plan_form(reading, data, config, wishes)
    try:
        made = Plan.model_validate(plan, context={"folder": reading.folder})
    except ValidationError as error:
        found = [(_origin(loc, origins), text) for loc, text in located(error, Plan)]
        for loc, text in found:
            # What follows from a refusal, such as a scenario without steps, says nothing more.
            if not loc or not reading.is_refused(loc):
                reading.refuse(loc, text)
        reading.fail()
    if reading.is_refused():
        reading.fail()
    return Imported(made, plan, reading.notes())


def _plan_form(
    reading: Reading, data: Mapping[str, Any], config: Mapping[str, Any], wishes: Wishes
) -> tuple[dict[str, Any], dict[Loc, Loc]]:
    """Return the plan file's form, and where in the script each of its parts stood."""
    target = target_of(reading, config, wishes.target)
    scenarios = Scenarios(reading, config, target)
    plan: dict[str, Any] = {"target": target, "http": http_of(reading, config)}
    if headers := headers_of(reading, config):
        plan["headers"] = headers
    plan["scenarios"] = scenarios.all(data.get("scenarios"))
    phases: Loc = ("config", "phases")
    if wishes.has_load and config.get("phases") is None:
        plan["load"] = {"users": 1}
    else:
        plan["load"] = load_of(reading, phases, config.get("phases"), mode=config.get("mode"))
    origins: dict[Loc, Loc] = {
        (): (),
        ("target",): ("config", "target"),
        ("http",): ("config", "http"),
        ("headers",): ("config", "http", "defaults", "headers"),
        ("load",): phases,
        **scenarios.origins,
    }
    return plan, origins


def _origin(loc: Loc, origins: Mapping[Loc, Loc]) -> Loc:
    """Return where in the script the plan's part at *loc* came from: the nearest part around it that is known."""
    for length in range(len(loc), -1, -1):
        if loc[:length] in origins:
            return origins[loc[:length]]
    return ()
