"""`ensure` becomes the plan's objectives, `apdex` its apdex: what should hold, judged at the end.

Response time here runs from the planned start to the last byte; Artillery's from the send to the first. A limit that
held there may break here, and the reverse cannot be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from scaleworthy.load.base import duration_text, shown
from scaleworthy.load.import_.artillery.amounts import number, switch
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.templates import TEMPLATE
from scaleworthy.load.yaml_lines import Loc

_ENSURE = ("min", "max", "median", "p95", "p99", "maxErrorRate", "thresholds", "conditions")
_TIME = {
    "min": "min",
    "max": "max",
    "mean": "mean",
    "median": "p50",
    **{f"p{n}": f"p{n}" for n in (50, 75, 90, 95, 99, 999)},
}
_COUNTERS = {
    "http.requests": "load.started",
    "http.responses": "load.answered",
    "vusers.failed": "load.failed",
    "vusers.skipped": "load.not_started",
}
_ERRORS = {
    "ETIMEDOUT": "timeout",
    "ESOCKETTIMEDOUT": "timeout",
    "ECONNREFUSED": "connect",
    "ECONNRESET": "reset",
    "EPIPE": "closed",
    "ENOTFOUND": "dns",
    "EAI_AGAIN": "dns",
}
_CONDITION = re.compile(r"\s*([A-Za-z][\w./{}\-: ]*?)\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*")
_BY_ENDPOINT = re.compile(r"plugins\.metrics-by-endpoint\.(response_time|codes|errors)\.(.+)")


class Checks:
    """Compiles the checks of one file; *steps* are the names of its requests, by which they are measured."""

    def __init__(self, reading: Reading, steps: Sequence[str]) -> None:
        self._reading = reading
        self._steps = steps

    def objectives(self, loc: Loc, given: Any) -> list[str]:
        """Return the objectives of an `ensure`; each that cannot be judged is refused, or said where it is optional."""
        ensure = self._reading.mapping(loc, given)
        self._reading.check_words(loc, ensure, _ENSURE, {})
        made: list[str | None] = []
        for name in ("min", "max", "median", "p95", "p99"):
            limit = number(self._reading, (*loc, name), ensure.get(name))
            if limit is not None:
                made.append(f"{_TIME[name]} < {limit:g}ms")
        rate = number(self._reading, (*loc, "maxErrorRate"), ensure.get("maxErrorRate"))
        if rate is not None:
            made.append(f"failed <= {rate:g}%")
        for at, item in self._reading.items((*loc, "thresholds"), ensure.get("thresholds")):
            for metric, limit_given in self._reading.mapping(at, item).items():
                limit = number(self._reading, (*at, metric), limit_given)
                if limit is not None:
                    made.append(self._judged((*at, metric), metric, "<", limit, strict=True))
        for at, item in self._reading.items((*loc, "conditions"), ensure.get("conditions")):
            made += self._conditions(at, item)
        return [text for text in dict.fromkeys(made) if text is not None]

    def _conditions(self, loc: Loc, given: Any) -> list[str | None]:
        spec = self._reading.mapping(loc, given)
        self._reading.check_words(loc, spec, ("expression", "strict"), {})
        strict = switch(self._reading, (*loc, "strict"), spec.get("strict")) is not False
        expression = spec.get("expression")
        if not isinstance(expression, str):
            self._reading.refuse(
                loc, f"needs an expression such as http.response_time.p99 < 250, got {shown(expression)}"
            )
            return []
        if not strict:
            self._reading.note(loc, "a condition that is not strict decides nothing, so it is not judged")
            return []
        made: list[str | None] = []
        for part in re.split(r"\s+and\s+", expression.strip().strip("()")):
            found = _CONDITION.fullmatch(part)
            if found is None:
                self._reading.refuse(
                    (*loc, "expression"),
                    f"{shown(part)} cannot be judged; write a measurement, <, <=, > or >=, and a number, joined by 'and'",
                )
            else:
                made.append(self._judged((*loc, "expression"), found[1], found[2], float(found[3]), strict=strict))
        return made

    def _judged(self, loc: Loc, metric: str, operator: str, limit: float, *, strict: bool) -> str | None:
        text = self._objective(metric, operator, limit)
        if text is None and strict:
            self._reading.refuse(
                loc,
                f"{metric} is not measured here; there are http.response_time.p95, http.codes.500, http.request_rate and others:"
                " see the guide, or leave it out and give --objective",
            )
        return text

    def _objective(self, metric: str, operator: str, limit: float) -> str | None:
        """Return the objective that a metric of Artillery's report and its limit are; None where there is none."""
        family, _, aggregate = metric.rpartition(".")
        if family == "http.response_time" and aggregate in _TIME:
            return f"{_TIME[aggregate]} {operator} {limit:g}ms"
        if metric == "http.request_rate":
            return f"rate {operator} {limit:g}/s"
        if metric in _COUNTERS:
            return f"total({_COUNTERS[metric]}) {operator} {limit:g}"
        if family == "http.codes" and re.fullmatch(r"[1-5]\d\d", aggregate):
            return f'total(load.statuses{{status="{aggregate}"}}) {operator} {limit:g}'
        if family == "errors" and aggregate in _ERRORS:
            return f'total(load.errors{{kind="{_ERRORS[aggregate]}"}}) {operator} {limit:g}'
        endpoint = _BY_ENDPOINT.fullmatch(metric)
        return self._of_endpoint(endpoint[1], endpoint[2], operator, limit) if endpoint else None

    def _of_endpoint(self, kind: str, rest: str, operator: str, limit: float) -> str | None:
        where, _, aggregate = rest.rpartition(".")
        where = TEMPLATE.sub(r"{\1}", where)
        named = [step for step in self._steps if step == where or step.partition(" ")[2] == where]
        if len(named) != 1:
            return None
        if kind == "response_time" and aggregate in _TIME:
            return f'{_TIME[aggregate]}{{step="{named[0]}"}} {operator} {limit:g}ms'
        if kind == "codes" and re.fullmatch(r"[1-5]\d\d", aggregate):
            return f'total(load.statuses{{step="{named[0]}",status="{aggregate}"}}) {operator} {limit:g}'
        return None


def apdex_of(reading: Reading, config: Mapping[str, Any], plugins: Mapping[str, Any]) -> str | None:
    """Return the apdex threshold as a duration; 500 ms where the plugin is on and none is given."""
    for loc, given in (
        (("config", "apdex"), config.get("apdex")),
        (("config", "plugins", "apdex"), plugins.get("apdex")),
    ):
        spec = reading.mapping(loc, given)
        reading.check_words(loc, spec, ("threshold",), {})
        threshold_ms = number(reading, (*loc, "threshold"), spec.get("threshold"), least=1)
        if threshold_ms is not None:
            return duration_text(round(threshold_ms * 1e6))
    return "500ms" if "apdex" in plugins or "apdex" in config else None
