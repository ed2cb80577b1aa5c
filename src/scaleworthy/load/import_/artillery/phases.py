"""`config.phases` become the load: virtual users that arrive at a rate, whatever the answers do.

A phase with an arrival rate is a level of starts per second, `rampTo` a line to another, `arrivalCount` that many starts
spread evenly over the phase, `pause` a level of 0. Arrivals are evenly spaced as in Artillery, Poisson with `mode: poisson`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scaleworthy.load.base import SECOND_NS, duration_text
from scaleworthy.load.import_.artillery.amounts import number, time_ns
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.yaml_lines import Loc

_WORDS = ("name", "duration", "arrivalRate", "rampTo", "arrivalCount", "maxVusers", "pause", "mode")


@dataclass(frozen=True, slots=True)
class Phase:
    """Starts per second from one level to another, and how many users there may be at once."""

    duration_ns: int
    first_per_s: float
    last_per_s: float
    users_max: int | None = None


def load_of(reading: Reading, loc: Loc, phases: Any, *, mode: Any) -> dict[str, Any]:
    """Return the load of `config.phases` in the plan file's form; without phases one user runs once, as in Artillery."""
    if phases is None:
        reading.note(loc, "no phases: one virtual user runs once, as in Artillery; give --rate or --users with --for")
        return {"users": 1, "count": 1}
    if not isinstance(phases, list) or not phases:
        reading.refuse(loc, "must be a list of phases")
        return {"users": 1, "count": 1}
    read = [_phase(reading, (*loc, at), phase) for at, phase in enumerate(phases)]
    made = [phase for phase in read if phase is not None]
    if len(made) == len(read) and not any(phase.first_per_s or phase.last_per_s for phase in made):
        reading.refuse(loc, "never start a virtual user: every phase is a pause")
    modes = {mode, *(phase.get("mode") for phase in phases if isinstance(phase, dict))} - {None}
    for wrong in modes - {"uniform", "poisson"}:
        reading.refuse(loc, f"mode must be uniform or poisson, got {wrong!r}")
    if len(modes) > 1:
        reading.note(loc, "phases of several modes: all arrivals are Poisson")
    load = _stages(made) | {"arrivals": "poisson" if "poisson" in modes else "constant", "finish": True}
    users_max = {phase.users_max for phase in made if phase.first_per_s or phase.last_per_s}
    if len(users_max) > 1:
        reading.note(loc, f"maxVusers differs between phases: {_most(users_max):,} holds in all of them")
    return load if users_max <= {None} else load | {"users_max": _most(users_max)}


def _phase(reading: Reading, loc: Loc, phase: Any) -> Phase | None:
    given = reading.mapping(loc, phase)
    if not given:
        return None
    reading.check_words(loc, given, _WORDS, {})
    if "pause" in given:
        pause_ns = time_ns(reading, (*loc, "pause"), given["pause"], what="a pause")
        return Phase(pause_ns, 0.0, 0.0) if pause_ns else None
    rate = number(reading, (*loc, "arrivalRate"), given.get("arrivalRate"))
    ramp_to = number(reading, (*loc, "rampTo"), given.get("rampTo"))
    count = number(reading, (*loc, "arrivalCount"), given.get("arrivalCount"))
    users_max = number(reading, (*loc, "maxVusers"), given.get("maxVusers"))
    if "duration" not in given:
        reading.refuse(loc, "a phase needs a duration, in seconds or such as '5m'")
        return None
    duration_ns = time_ns(reading, (*loc, "duration"), given["duration"], what="a duration")
    if duration_ns is None:
        return None
    if duration_ns == 0:
        reading.refuse((*loc, "duration"), "must be above 0")
        return None
    if users_max is not None and users_max < 1:
        return Phase(duration_ns, 0.0, 0.0)  # nobody may be there: a pause, as in Artillery
    cap = None if users_max is None else int(users_max)
    if count is not None:
        per_s = count / (duration_ns / SECOND_NS)
        return Phase(duration_ns, per_s, per_s, cap)
    if rate is None and ramp_to is None:
        if not {"arrivalRate", "rampTo", "arrivalCount"} & given.keys():
            reading.refuse(loc, "a phase needs arrivalRate, rampTo, arrivalCount or pause")
        return None
    first = rate or 0.0
    return Phase(duration_ns, first, first if ramp_to is None else ramp_to, cap)


def _stages(phases: list[Phase]) -> dict[str, Any]:
    """Return phases in a row as the plan's stages: held at once, or climbed from a level that a stage of no length sets."""
    load: dict[str, Any] = {}
    stages: list[str] = []
    level = 0.0
    for phase in phases:
        duration = duration_text(phase.duration_ns)
        if phase.first_per_s == phase.last_per_s:
            stages.append(f"{duration}@{_rate(phase.last_per_s)}")
        else:
            if phase.first_per_s != level and not stages:
                load["rate"] = _rate(phase.first_per_s)
            elif phase.first_per_s != level:
                stages.append(f"0s:{_rate(phase.first_per_s)}")
            stages.append(f"{duration}:{_rate(phase.last_per_s)}")
        level = phase.last_per_s
    return load | {"stages": ",".join(stages)}


def _most(users_max: set[int | None]) -> int:
    return max(most for most in users_max if most is not None)


def _rate(per_s: float) -> str:
    return f"{per_s:.17g}/s"
