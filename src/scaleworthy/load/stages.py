"""Levels over time: `2m:100` reaches 100 linearly within two minutes, `2m@100` is 100 at once and for two minutes.
A stage of no length, `0s:100`, only changes the level, as in k6. A stage may have a name, `peak=2m:100`, by which objectives speak of it.

Levels are starts per second where they say so (`2m:100/s`), else users.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from scaleworthy.errors import UsageError
from scaleworthy.load.base import DURATION_MAX_NS, duration_text, shown
from scaleworthy.units import parse_duration_ns, parse_rate_per_s

RATE_MAX_PER_S = 10_000_000.0
STAGES_MAX = 1_000
_PART = re.compile(r"(?:(?P<name>[^=:@]+)=)?(?P<duration>[^:@]*)(?P<way>[:@])(?P<level>.*)")


class Stage(NamedTuple):
    """One piece of a load shape.

    Attributes:
        duration_ns: How long it lasts.
        level: At its end: starts per second, or users.
        is_rate: Whether the level was written as a rate.
        at_once: The level holds from the stage's beginning, instead of being reached from the one before.
        name: By which objectives may speak of it.
    """

    duration_ns: int
    level: float
    is_rate: bool
    at_once: bool = False
    name: str = ""


def parse_stages(text: str) -> list[Stage]:
    """Return the stages of `2m:100,5m:100,1m:0` (users) or `1m@100/s,1m@200/s` (starts per second, in steps).

    Raises:
        UsageError: Anything else, naming the stage.
    """
    stages = [_parse_stage(number, part.strip()) for number, part in enumerate(text.split(","), 1)]
    if len(stages) > STAGES_MAX:
        raise UsageError(f"at most {STAGES_MAX} stages, got {len(stages)}")
    if not any(stage.duration_ns for stage in stages):
        raise UsageError(f"a stage of no length (0s:100) only changes the level; one must last, got {text!r}")
    names = [stage.name for stage in stages if stage.name]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two stages are named {twice!r}; objectives speak of them by name")
    if len({stage.is_rate for stage in stages}) > 1:
        raise UsageError(f"stages must all be rates (100/s) or all be users (100), got {text!r}")
    return stages


def _parse_stage(number: int, part: str) -> Stage:
    wanted = f"stage {number} must be duration:level, such as 2m:100 or 2m:100/s, or duration@level, got {part!r}"
    pieces = _PART.fullmatch(part)
    if pieces is None:
        raise UsageError(wanted)
    try:
        duration_ns = parse_duration_ns(pieces["duration"].strip())
        level = parse_rate_per_s(pieces["level"].strip())
    except UsageError as error:
        raise UsageError(f"{wanted}: {error.message}") from error
    if duration_ns > DURATION_MAX_NS or level > RATE_MAX_PER_S:
        raise UsageError(f"stage {number} must last at most 7d, and ask for at most 10000000, got {part!r}")
    return Stage(duration_ns, level, "/" in pieces["level"], pieces["way"] == "@", (pieces["name"] or "").strip())


def read_stages(value: Any) -> list[Stage]:
    """Return the stages that a plan file says, as one text or a list of parts.

    Raises:
        ValueError: They are no stages.
    """
    text = ",".join(str(item) for item in value) if isinstance(value, list) else value
    if not isinstance(text, str):
        raise ValueError(f"must be text such as '2m:100,5m:100,1m:0', or a list of such parts, got {shown(value)}")
    try:
        return parse_stages(text)
    except UsageError as error:
        raise ValueError(error.message) from error


def write_stages(stages: Sequence[Stage] | None) -> str | None:
    """Return the text that `parse_stages` reads back."""
    if stages is None:
        return None
    return ",".join(_written(stage) for stage in stages)


def _written(stage: Stage) -> str:
    name = f"{stage.name}=" if stage.name else ""
    way, unit = "@" if stage.at_once else ":", "/s" if stage.is_rate else ""
    return f"{name}{duration_text(stage.duration_ns)}{way}{stage.level:.12g}{unit}"


def native_stages(stages: Sequence[Stage], *, start: float) -> list[dict[str, Any]]:
    """Return the engine's form; *start* is the level before the first stage."""
    native = []
    for stage in stages:
        begin = stage.level if stage.at_once else start
        if stage.duration_ns:
            native.append({"duration_ns": stage.duration_ns, "from": begin, "to": stage.level})
        start = stage.level
    return native
