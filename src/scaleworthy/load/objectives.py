"""What must hold, as a plan says it: one line, or a mapping that says of which part of the run.

    objectives:
      - p95 < 200ms
      - {objective: failed < 1%, stage: 2, abort: true}
      - {objective: p99 < 1s, stage: peak, step: login, over: 10s, after: 5s}

`step`, `over` and `for` are part of the line itself too (docs/reference/objectives.md); `stage`, `after` and `abort` belong to the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_serializer, model_validator

from scaleworthy.errors import UsageError
from scaleworthy.load.base import SECOND_NS, Duration, PlanPart, duration_text, shown
from scaleworthy.series import Objective
from scaleworthy.series.names import KNOWN
from scaleworthy.series.objectives.expression import Expression

_ONLY_GROW = ("max", "count", "total")


def _read_line(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text such as 'p95 < 200ms', got {shown(value)}")
    try:
        Objective.parse(value)
    except UsageError as error:
        raise ValueError(error.message) from error
    return value


ObjectiveText = Annotated[str, BeforeValidator(_read_line)]
"""One line of the language."""


def has_interval(expression: Expression) -> bool:
    """Whether a value of it comes with an interval: quantiles and shares."""
    return expression.q is not None or expression.function == "ratio"


def breaks_for_good(expression: Expression) -> bool:
    """Whether it stays broken once it is, however the run goes on: what only grows is too large, a minimum too small."""
    if expression.wants_less:
        return expression.function in _ONLY_GROW
    return expression.function == "min"


class StageSpan(NamedTuple):
    """When a stage is, in seconds from the run's start; the last one ends with the run (None)."""

    number: int
    name: str
    from_s: float
    to_s: float | None


class PlanObjective(PlanPart):
    """One objective of a plan.

    Attributes:
        objective: The line.
        stage: Judge this stage alone: its number, from 1, or its name.
        step: Judge this step alone.
        over_ns: Width of the sliding window, in whole seconds.
        for_ns: How long it must be broken without a break to count, in whole seconds.
        after_ns: Leave out so much at the beginning, of the stage or the run, instead of the load's warm-up.
        abort: End the run as soon as it is broken.
    """

    objective: ObjectiveText
    stage: Annotated[int, Field(ge=1)] | str | None = None
    step: str | None = None
    over_ns: Duration | None = Field(None, alias="over")
    for_ns: Duration | None = Field(None, alias="for")
    after_ns: Duration | None = Field(None, alias="after")
    abort: bool = False

    @model_validator(mode="before")
    @classmethod
    def _read_form(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"objective": _read_line(data)}
        if not isinstance(data, dict | cls):
            raise ValueError(f"must be text such as 'p95 < 200ms', or a mapping with 'objective', got {shown(data)}")
        return data

    @model_validator(mode="after")
    def _refuse_impossible(self) -> Self:
        expression = Objective.parse(self.objective).expression
        for name, given, own in (("over", self.over_ns, expression.over_s), ("for", self.for_ns, expression.for_s)):
            if given is not None and own is not None:
                raise ValueError(f"{name!r} is said twice: in the objective and beside it")
            if given is not None and given % SECOND_NS:
                raise ValueError(f"{name!r} must be whole seconds, got {duration_text(given)}")
        if self.step is not None:
            self._check_step(expression)
        if self.abort and not self.is_windowed and not has_interval(expression) and not breaks_for_good(expression):
            raise ValueError(
                f"'abort' needs a window: whether {expression.function} of a whole run is broken is known at its end;"
                " add 'over', such as 10s"
            )
        return self

    def _check_step(self, expression: Expression) -> None:
        for selector in expression.series:
            if "step" in dict(selector.labels):
                raise ValueError("'step' is said twice: in the objective and beside it")
            known = KNOWN.get(selector.name)
            if known is not None and "step" not in dict(known.labels):
                raise ValueError(f"'step' does not fit {selector.name}, which is not kept by step")

    @model_serializer
    def _write(self) -> str | dict[str, Any]:
        times = {"over": self.over_ns, "for": self.for_ns, "after": self.after_ns}
        more: dict[str, Any] = {name: value for name, value in (("stage", self.stage), ("step", self.step)) if value}
        more |= {name: duration_text(value) for name, value in times.items() if value is not None}
        if self.abort:
            more["abort"] = True
        return {"objective": self.objective, **more} if more else self.objective

    @property
    def is_windowed(self) -> bool:
        """Whether windows that slide over the run are judged, rather than all of it."""
        expression = Objective.parse(self.objective).expression
        return bool(self.over_ns or self.for_ns or expression.over_s or expression.for_s)

    @property
    def text(self) -> str:
        """The line with step and windows, in its shortest spelling."""
        expression = Objective.parse(self.objective).expression
        series = expression.series
        if self.step is not None:
            series = tuple(replace(item, labels=tuple(sorted((*item.labels, ("step", self.step))))) for item in series)
        over_s = self.over_ns // SECOND_NS if self.over_ns else expression.over_s
        for_s = self.for_ns // SECOND_NS if self.for_ns else expression.for_s
        return str(replace(expression, series=series, over_s=over_s, for_s=for_s))

    def stage_in(self, spans: Sequence[StageSpan]) -> StageSpan | None:
        """Return the stage that is judged; None for the whole run.

        Raises:
            ValueError: There is no such stage, or it has no length.
        """
        if self.stage is None:
            return None
        found = [span for span in spans if self.stage in (span.number, span.name)]
        if not found:
            names = ", ".join(span.name for span in spans if span.name)
            there = f"there {'is 1 stage' if len(spans) == 1 else f'are {len(spans)} stages'}{f': {names}' if names else ''}"
            raise ValueError(f"stage: {there}, got {self.stage!r}")
        if found[0].to_s is not None and found[0].to_s <= found[0].from_s:
            raise ValueError(f"stage: stage {self.stage} has no length, so there is nothing to judge in it")
        return found[0]

    def to_fact(self, spans: Sequence[StageSpan], *, warm_up_s: float) -> dict[str, Any]:
        """Return what a recording keeps of it: the line, and the part of the run that it is about (see `judging`)."""
        span = self.stage_in(spans)
        begin = span.from_s if span is not None else 0.0
        from_s = begin + self.after_ns / SECOND_NS if self.after_ns is not None else max(begin, warm_up_s)
        where = f"stage {span.name or span.number}" if span is not None else ""
        if self.after_ns is not None:
            where = f"{where} after {duration_text(self.after_ns)}".strip()
        to_s = span.to_s if span is not None else None
        return {"text": self.text, "where": where, "from_s": from_s, "to_s": to_s, "abort": self.abort}
