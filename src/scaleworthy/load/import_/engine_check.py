"""What the engine alone can tell about a plan: paths, patterns and templates that it cannot compile."""

from __future__ import annotations

import json

from scaleworthy._native import Run
from scaleworthy.load.lookup import Lookup
from scaleworthy.load.names import all_given
from scaleworthy.load.plan import Plan
from scaleworthy.load.problems import parse_path
from scaleworthy.load.yaml_lines import Loc

_ADDRESS = "127.0.0.1"


def engine_problems(plan: Plan) -> list[tuple[Loc, str]]:
    """Return what the engine refuses of *plan*, each with its place; nothing is resolved, connected to or started."""
    others = [Lookup((_ADDRESS,), None) for _ in plan.other_origins]
    # What `before` gives is known when it has run; here it is enough that there will be a value.
    given = dict.fromkeys(all_given(plan.before or []), "")
    whole = plan.seeded().model_copy(update={"variables": plan.variables | given})
    native = whole.to_native(addresses=[_ADDRESS], others=others)
    for feeder in native["feeders"]:
        feeder["rows"] = feeder["rows"][:1]  # rows are checked already, and may be many
    try:
        Run(plan_json=json.dumps(native))
    except ValueError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        return [_placed(line) for line in lines if line]
    return []


def _placed(line: str) -> tuple[Loc, str]:
    path, colon, text = line.partition(": ")
    return (parse_path(path), text) if colon and path.startswith(("scenarios", "headers", "http")) else ((), line)
