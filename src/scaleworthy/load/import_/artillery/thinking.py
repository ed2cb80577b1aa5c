"""`think`: a pause of seconds, of a time such as `30s`, or between bounds where it has jitter."""

from __future__ import annotations

import re
from typing import Any

from scaleworthy.load.base import duration_text, shown
from scaleworthy.load.import_.artillery.amounts import parse_time_ns, time_ns
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.templates import Templates
from scaleworthy.load.yaml_lines import Loc

_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")
_RANDOM = re.compile(r"\s*\{\{\s*\$randomNumber\(\s*(\d{1,9})\s*,\s*(\d{1,9})\s*\)\s*\}\}\s*(ms|s|m)?\s*")


class Thinking:
    """Compiles pauses; *jitter* is `config.http.defaults.think.jitter`."""

    def __init__(self, reading: Reading, templates: Templates, jitter: Any) -> None:
        self._reading = reading
        self._templates = templates
        self._jitter = jitter

    def step(self, loc: Loc, given: Any, jitter: Any = None) -> dict[str, Any] | None:
        """Return the plan's pause, or None where it was refused."""
        drawn = _RANDOM.fullmatch(given) if isinstance(given, str) else None
        if drawn is not None:
            unit = drawn[3] or "s"
            low, high = sorted((int(drawn[1]), int(drawn[2])))
            return {"think": f"{low}{unit}..{high}{unit}"}
        if isinstance(given, str) and "{{" in given:
            given = self._templates.constant(loc, given)
            if given is None:
                return None
        pause_ns = time_ns(self._reading, loc, given, what="a think time")
        if pause_ns is None:
            return None
        if isinstance(given, float) and not given.is_integer():
            self._reading.note(
                loc, "a fraction of a second is waited for; Artillery 2.0 reads such a number as no pause"
            )
        spread_ns = self._spread(loc, pause_ns, self._jitter if jitter is None else jitter)
        if not spread_ns:
            return {"think": duration_text(pause_ns)}
        return {"think": f"{duration_text(max(0, pause_ns - spread_ns))}..{duration_text(pause_ns + spread_ns)}"}

    def _spread(self, loc: Loc, pause_ns: int, jitter: Any) -> int:
        """Return how far a pause may be from its middle: milliseconds, a time, or a share of it."""
        if jitter is None:
            return 0
        share = _PERCENT.fullmatch(jitter) if isinstance(jitter, str) else None
        if share is not None:
            return round(pause_ns * float(share[1]) / 100)
        if isinstance(jitter, int) and not isinstance(jitter, bool) and 0 <= jitter < 10**9:
            return jitter * 10**6
        plain = isinstance(jitter, str) and jitter.strip().isdigit()
        found = int(jitter) * 10**6 if plain else parse_time_ns(jitter)
        if found is None:
            self._reading.refuse(loc, f"jitter must be milliseconds, or such as '10%', got {shown(jitter)}")
        return found or 0
