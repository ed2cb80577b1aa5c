"""How much load, when: arrivals per second (open) or concurrent users (closed), constant or in stages.

A stage `2m:100` changes the level linearly from the one before it to 100 within two minutes. The first stage starts at
`rate` or `users` where one is given, else at 0: `2m:100,5m:100,1m:0` climbs, holds and comes down again, as in k6. A
stage of no length, `0s:100`, changes the level at once.
Levels are starts per second where `rate` is given or each level says so (`2m:100/s`), else users.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from scaleworthy.errors import UsageError
from scaleworthy.load.base import DURATION_MAX_NS, SECOND_NS, Duration, PlanPart, Rate, duration_text, shown
from scaleworthy.units import parse_duration_ns, parse_rate_per_s

USERS_MAX = 1_000_000
RATE_MAX_PER_S = 10_000_000.0
STAGES_MAX = 1_000
_COUNT_CLOSED_MAX_NS = 86_400 * SECOND_NS

Stage = tuple[int, float, bool]
"""Duration in ns, the level at its end, and whether the level was written as a rate."""


def parse_stages(text: str) -> list[Stage]:
    """Return the stages of `2m:100,5m:100,1m:0` (users) or `2m:100/s,1m:0/s` (starts per second).

    Raises:
        UsageError: Anything else, naming the stage.
    """
    stages: list[Stage] = []
    for number, part in enumerate(text.split(","), 1):
        duration, colon, level = (piece.strip() for piece in part.partition(":"))
        wanted = f"stage {number} must be duration:level, such as 2m:100 or 2m:100/s, got {part.strip()!r}"
        if not colon:
            raise UsageError(wanted)
        try:
            duration_ns, value = parse_duration_ns(duration), parse_rate_per_s(level)
        except UsageError as error:
            raise UsageError(f"{wanted}: {error.message}") from error
        if duration_ns > DURATION_MAX_NS or value > RATE_MAX_PER_S:
            raise UsageError(f"stage {number} must last at most 7d, and ask for at most 10000000, got {part.strip()!r}")
        stages.append((duration_ns, value, "/" in level))
    if len(stages) > STAGES_MAX:
        raise UsageError(f"at most {STAGES_MAX} stages, got {len(stages)}")
    if not any(duration_ns for duration_ns, _, _ in stages):
        raise UsageError(f"a stage of no length (0s:100) only changes the level; one must last, got {text!r}")
    if len({rate for _, _, rate in stages}) > 1:
        raise UsageError(f"stages must all be rates (100/s) or all be users (100), got {text!r}")
    return stages


def _read_stages(value: Any) -> list[Stage]:
    text = ",".join(str(item) for item in value) if isinstance(value, list) else value
    if not isinstance(text, str):
        raise ValueError(f"must be text such as '2m:100,5m:100,1m:0', or a list of such parts, got {shown(value)}")
    try:
        return parse_stages(text)
    except UsageError as error:
        raise ValueError(error.message) from error


def _write_stages(stages: list[Stage] | None) -> str | None:
    if stages is None:
        return None
    return ",".join(f"{duration_text(ns)}:{level:.12g}{'/s' if rate else ''}" for ns, level, rate in stages)


class Load(PlanPart):
    """One of `rate` and `users` (or stages that say which they are), for one of `for`, `count` and `stages`.

    Attributes:
        rate_per_s: Scenario starts per second.
        users: Concurrent users; each repeats: pick a scenario by weight, run its steps.
        duration_ns: How long new iterations may start; 30 s where nothing else ends the run.
        count: The run ends after that many scenario starts.
        arrivals: Open plans only: Poisson, or evenly spaced.
    """

    rate_per_s: Rate | None = Field(None, alias="rate")
    users: Annotated[int, Field(ge=1, le=USERS_MAX)] | None = None
    duration_ns: Duration | None = Field(None, alias="for")
    count: Annotated[int, Field(ge=1, le=10**12)] | None = None
    stages: Annotated[list[Stage] | None, BeforeValidator(_read_stages), PlainSerializer(_write_stages)] = None
    arrivals: Literal["poisson", "constant"] | None = None

    @model_validator(mode="after")
    def _refuse_impossible(self) -> Load:
        if self.rate_per_s is not None and self.users is not None:
            raise ValueError(
                "'rate' and 'users' exclude each other: arrivals do not wait for users, users wait for answers"
            )
        ends = [
            name
            for name, value in (("for", self.duration_ns), ("count", self.count), ("stages", self.stages))
            if value is not None
        ]
        if len(ends) > 1:
            raise ValueError(
                f"{' and '.join(repr(name) for name in ends)} exclude each other: each says when the run ends"
            )
        if self.rate_per_s is None and self.users is None and self.stages is None:
            raise ValueError("needs 'rate' (such as 50/s), 'users' (such as 10) or 'stages' (such as 2m:100)")
        if self.stages is not None:
            self._check_stages(self.stages)
        if self.arrivals is not None and not self.is_open:
            raise ValueError("'arrivals' needs a rate: users start again when their answers are there")
        return self

    def _check_stages(self, stages: list[Stage]) -> None:
        if self.users is not None and stages[0][2]:
            raise ValueError("'users' needs stages of users (2m:100), got rates (100/s)")
        if not self.is_open and any(level != math.floor(level) or level > USERS_MAX for _, level, _ in stages):
            raise ValueError(f"users in stages must be whole numbers up to {USERS_MAX}; write 100/s for a rate")
        if not (self.rate_per_s or self.users) and not any(level for _, level, _ in stages):
            raise ValueError("the stages never ask for any load: every level is 0")

    @property
    def is_open(self) -> bool:
        """Whether levels are starts per second rather than users."""
        return self.rate_per_s is not None or (self.users is None and bool(self.stages) and self.stages[0][2])  # type: ignore[index]

    def within(self, duration_ns: int) -> dict[str, Any]:
        """Return a staged load in the plan file's form, its stages shortened or stretched to *duration_ns* in all."""
        assert self.stages is not None, "only stages can be shortened"
        whole_ns = sum(ns for ns, _, _ in self.stages)
        stages = [(ns and max(1, ns * duration_ns // whole_ns), level, rate) for ns, level, rate in self.stages]
        form = self.model_dump(by_alias=True, exclude_none=True, exclude={"stages"}, mode="json")
        return form | {"stages": _write_stages(stages)}

    def describe(self) -> str:
        """Return the shape in words."""
        level = f"{self.rate_per_s:g}/s" if self.rate_per_s else f"{self.users} users" if self.users else "0"
        if self.stages is not None:
            return f"from {level} through {_write_stages(self.stages)}{'' if self.is_open else ' users'}"
        if self.count is not None:
            return f"{level}, {self.count:,} starts"
        return f"{level} for {duration_text(self.duration_ns or 30 * SECOND_NS)}"

    def to_native(self) -> dict[str, Any]:
        """Return the engine's form (ARCHITECTURE.md, The plan that crosses the border)."""
        start = self.rate_per_s or float(self.users or 0)
        stages = []
        if self.stages is not None:
            for duration_ns, level, _ in self.stages:
                if duration_ns:
                    stages.append({"duration_ns": duration_ns, "from": start, "to": level})
                start = level
        else:
            stages.append({"duration_ns": self._duration_ns(), "from": start, "to": start})
        shape: dict[str, Any] = {"kind": "open" if self.is_open else "closed", "stages": stages, "count": self.count}
        if self.is_open:
            shape["arrivals"] = self.arrivals or "poisson"
        return shape

    def _duration_ns(self) -> int:
        if self.count is None:
            return self.duration_ns or 30 * SECOND_NS
        if self.rate_per_s is None:
            return _COUNT_CLOSED_MAX_NS
        # Poisson arrivals reach a count late by chance: twice the mean time, and 20 mean gaps, fail in less than 1 of 10^8.
        return math.ceil((2 * self.count + 20) / self.rate_per_s * SECOND_NS)
