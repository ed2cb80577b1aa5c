"""`config.environments.NAME` laid over `config`, and what configuration may take from the shell's environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from scaleworthy.errors import UsageError
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.template import nearest
from scaleworthy.load.yaml_lines import Loc

_TEMPLATE = re.compile(r"\{\{\{?\s*([^{}]*?)\s*\}\}\}?")
_SHELL = re.compile(r"\$(?:processEnvironment|env)\.([A-Za-z_][A-Za-z0-9_]*)")


def with_environment(reading: Reading, config: dict[str, Any]) -> dict[str, Any]:
    """Return *config* with the chosen environment merged into it, mappings and lists part by part as Artillery does.

    Raises:
        UsageError: There is no such environment.
    """
    environments = reading.mapping(("config", "environments"), config.get("environments"))
    for name, part in environments.items():
        reading.mapping(("config", "environments", name), part)
    base = {name: value for name, value in config.items() if name != "environments"}
    chosen = reading.environment
    if chosen is None:
        return base
    if chosen not in environments:
        offer = nearest(chosen, environments) or (
            f"; there is {', '.join(environments)}" if environments else "; the file has none"
        )
        raise UsageError(f"--environment {chosen!r} is not in {reading.path.name}{offer}")
    over = environments[chosen]
    if not isinstance(over, dict):
        return base
    reading.move(("config", "environments", chosen), ("config",))
    for name, value in over.items():
        before = base.get(name)
        if isinstance(before, list) and isinstance(value, list) and len(before) > len(value):
            reading.note(
                ("config", name),
                f"{name}: lists are merged item by item, as in Artillery: items {len(value) + 1} to {len(before)} "
                "of the config's own list stay",
            )
    return dict(_merged(base, over))


def _merged(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {name: _merged(base.get(name), value) for name, value in over.items()}
    if isinstance(base, list) and isinstance(over, list):
        return [
            _merged(base[at] if at < len(base) else None, over[at]) if at < len(over) else base[at]
            for at in range(max(len(base), len(over)))
        ]
    return base if over is None and base is not None else over


def resolve(reading: Reading, loc: Loc, value: Any, *, shell: Mapping[str, str] | None = None) -> Any:
    """Return *value* with `$processEnvironment.X`, `$env.X` and `$environment` filled in, at any depth.

    A name that the shell does not have is refused; every other template stays as it is.
    """
    names = os.environ if shell is None else shell
    if isinstance(value, dict):
        return {name: resolve(reading, (*loc, name), item, shell=names) for name, item in value.items()}
    if isinstance(value, list):
        return [resolve(reading, (*loc, at), item, shell=names) for at, item in enumerate(value)]
    if not isinstance(value, str) or "{{" not in value:
        return value

    def fill(found: re.Match[str]) -> str:
        if found[1] == "$environment":
            return reading.environment or ""
        asked = _SHELL.fullmatch(found[1])
        if asked is None:
            return found[0]
        if asked[1] not in names:
            reading.refuse(
                loc, f"the environment variable {asked[1]} is not set; write {asked[1]}=... before the command"
            )
            return ""
        return names[asked[1]]

    return _TEMPLATE.sub(fill, value)
