"""How much load, when: arrivals per second (open) or concurrent users (closed), constant, in stages, or as recorded.

A stage `2m:100` changes the level linearly from the one before it to 100 within two minutes; `2m@100` is 100 at once. The first
stage starts at `rate` or `users` where one is given, else at 0: `2m:100,5m:100,1m:0` climbs, holds and comes down again, as in
k6. Levels are starts per second where `rate` is given or each level says so (`2m:100/s`), else users.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, model_validator

from scaleworthy.load.base import SECOND_NS, Duration, PlanPart, Rate, duration_text, shown
from scaleworthy.load.named_tests import INTENSITY_USERS, Intensity, TestName, stages_of
from scaleworthy.load.objectives import StageSpan
from scaleworthy.load.replay import Recorded, read_recorded, scenario_numbers
from scaleworthy.load.stages import Stage, native_stages, read_stages, write_stages

USERS_MAX = 1_000_000
ITERATIONS_MAX = 1_000_000
_COUNT_CLOSED_MAX_NS = 86_400 * SECOND_NS


def _read_iterations(value: Any) -> tuple[int, int]:
    low, dots, high = str(value).partition("..")
    texts = (low, high if dots else low)
    if isinstance(value, bool) or not all(text.strip().isdecimal() for text in texts):
        raise ValueError(f"must be a whole number or a range such as 2..5, got {shown(value)}")
    least, most = (int(text) for text in texts)
    if not 1 <= least <= most <= ITERATIONS_MAX:
        raise ValueError(f"must be 1 to {ITERATIONS_MAX}, the lower first, got {shown(value)}")
    return least, most


def _write_iterations(value: tuple[int, int]) -> str:
    return f"{value[0]}..{value[1]}" if value[0] < value[1] else str(value[0])


class Load(PlanPart):
    """One of `rate`, `users`, `users_arrive`, `intensity`, `replay` (or stages that say which), for one of `for`, `count`, `stages`.

    Attributes:
        rate_per_s: Scenario starts per second.
        users: Concurrent users; each repeats: pick a scenario by weight, run its steps.
        users_arrive_per_s: Users arriving per second, each going through `iterations` scenarios before it leaves (partly open).
        iterations: How often an arriving user goes through a scenario: least and most, drawn evenly.
        intensity: A number of users by name: low 50, medium 100, high 500, extreme 1,000.
        test: A named test (load/named_tests.py), derived from the rate or users, which are the normal load then.
        duration_ns: How long new iterations may start; 30 s where nothing else ends the run.
        count: The run ends after that many scenario starts.
        arrivals: Open plans only: Poisson, evenly spaced, or Gamma.
        gamma_shape: Of Gamma arrivals: below 1 in bursts, 1 is Poisson, above 1 smoother.
        replay: A file of recorded arrivals (load/replay.py).
        replay_speed: 2 replays an hour in half an hour.
        replay_requests: The requests are the recording's too; set where a plan with `replay` has no scenarios.
        warm_up_ns: So much of the beginning is left out of percentiles and objectives; counts are of the whole run.
        users_max: Open plans only: most users at once; an arrival that finds so many is counted as not started.
        finish: Open plans only: iterations that began run to their end, after the stages too.
    """

    rate_per_s: Rate | None = Field(None, alias="rate")
    users: Annotated[int, Field(ge=1, le=USERS_MAX)] | None = None
    users_arrive_per_s: Rate | None = Field(None, alias="users_arrive")
    iterations: Annotated[
        tuple[int, int] | None, BeforeValidator(_read_iterations), PlainSerializer(_write_iterations)
    ] = None
    intensity: Intensity | None = None
    test: TestName | None = None
    duration_ns: Duration | None = Field(None, alias="for")
    count: Annotated[int, Field(ge=1, le=10**12)] | None = None
    stages: Annotated[list[Stage] | None, BeforeValidator(read_stages), PlainSerializer(write_stages)] = None
    arrivals: Literal["poisson", "constant", "gamma"] | None = None
    gamma_shape: Annotated[float, Field(gt=0, le=1e6)] | None = None
    users_max: Annotated[int, Field(ge=1, le=USERS_MAX)] | None = None
    finish: bool = False
    replay: str | None = None
    replay_speed: Annotated[float, Field(gt=0, le=1e6, strict=False)] = 1.0
    replay_requests: bool = False
    warm_up_ns: Duration | None = Field(None, alias="warm_up")

    _recorded: Recorded = Recorded((), 0)

    @model_validator(mode="after")
    def _refuse_impossible(self, info: ValidationInfo) -> Load:
        self._check_level()
        self._check_end()
        self._check_arrivals()
        if self.stages is not None:
            self._check_stages(self.stages)
        self._check_warm_up()
        if self.replay is not None:
            recorded = read_recorded(Path((info.context or {}).get("folder", ".")) / self.replay)
            object.__setattr__(self, "_recorded", recorded)
        return self

    def _check_level(self) -> None:
        levels = {"rate": self.rate_per_s, "users": self.users, "users_arrive": self.users_arrive_per_s}
        given = [name for name, value in levels.items() if value is not None]
        given += [name for name in ("intensity", "replay") if getattr(self, name) is not None]
        if given == ["rate", "users"]:
            raise ValueError(
                "'rate' and 'users' exclude each other: arrivals do not wait for users, users wait for answers"
            )
        if len(given) > 1:
            raise ValueError(f"{' and '.join(map(repr, given))} exclude each other: each says how much load there is")
        if self.test is not None and not given:
            raise ValueError("'test' needs the normal load: 'rate' (such as 50/s), 'users' or 'intensity'")
        if not given and self.stages is None:
            raise ValueError("needs 'rate' (such as 50/s), 'users' (such as 10) or 'stages' (such as 2m:100)")
        if self.test is not None and self.replay is not None:
            raise ValueError("'test' and 'replay' exclude each other: each is a shape")
        if self.iterations is not None and self.users_arrive_per_s is None:
            raise ValueError("'iterations' goes with 'users_arrive': other users repeat until the end, or come once")
        if self.replay is None and self.replay_speed != 1.0:
            raise ValueError("'replay_speed' needs 'replay'")

    def _check_end(self) -> None:
        ends = ("for", self.duration_ns), ("count", self.count), ("stages", self.stages)
        given = [name for name, value in ends if value is not None]
        if len(given) > 1:
            raise ValueError(
                f"{' and '.join(repr(name) for name in given)} exclude each other: each says when the run ends"
            )
        if self.test is not None and given and given != ["for"]:
            raise ValueError(
                f"'test' and {given[0]!r} exclude each other: the test is the shape; stretch it with 'for'"
            )
        if self.replay is not None and given and given != ["count"]:
            raise ValueError(f"'replay' and {given[0]!r} exclude each other: the recording says when the run ends")

    def _check_warm_up(self) -> None:
        lasts_ns = self.lasts_ns
        if self.warm_up_ns is not None and lasts_ns is not None and self.warm_up_ns >= lasts_ns:
            raise ValueError(
                f"'warm_up' must be shorter than the run, got {duration_text(self.warm_up_ns)} of {duration_text(lasts_ns)}:"
                " nothing would be left to judge"
            )

    def _check_arrivals(self) -> None:
        if self.arrivals is not None and (not self.is_open or self.replay is not None):
            raise ValueError(
                "'arrivals' needs a rate: users start again when their answers are there, a recording has its own times"
            )
        if (self.gamma_shape is None) == (self.arrivals == "gamma"):
            raise ValueError("'arrivals: gamma' goes with 'gamma_shape' (below 1 in bursts, above 1 smoother)")
        if (self.users_max is not None or self.finish) and not self.is_open:
            raise ValueError("'users_max' and 'finish' need a rate: users are as many as the load says, until it ends")

    def _check_stages(self, stages: list[Stage]) -> None:
        if self.concurrent_users is not None and stages[0].is_rate:
            raise ValueError("'users' needs stages of users (2m:100), got rates (100/s)")
        if not self.is_open and any(level != math.floor(level) or level > USERS_MAX for _, level, *_ in stages):
            raise ValueError(f"users in stages must be whole numbers up to {USERS_MAX}; write 100/s for a rate")
        if not self.level and not any(stage.level for stage in stages):
            raise ValueError("the stages never ask for any load: every level is 0")

    @property
    def concurrent_users(self) -> int | None:
        """Users of a closed load that is stated as such, by number or by name."""
        return self.users if self.intensity is None else INTENSITY_USERS[self.intensity]

    @property
    def level(self) -> float:
        """The stated level: starts (or arriving users) per second, or users; 0 where only stages say it."""
        return self.rate_per_s or self.users_arrive_per_s or float(self.concurrent_users or 0)

    @property
    def is_open(self) -> bool:
        """Whether levels are starts per second rather than users."""
        if self.rate_per_s is not None or self.users_arrive_per_s is not None or self.replay is not None:
            return True
        return self.concurrent_users is None and bool(self.stages) and self.stages[0].is_rate  # type: ignore[index]

    @property
    def lasts_ns(self) -> int | None:
        """How long new iterations may start; None where a count or a recording says when the run ends."""
        if self.count is not None or self.replay is not None:
            return None
        shape = self.shape
        return sum(stage.duration_ns for stage in shape) if shape else self.duration_ns or 30 * SECOND_NS

    @property
    def stage_spans(self) -> list[StageSpan]:
        """When each stage is, in seconds from the start; a run without stages is one. The last ends with the run."""
        shape = self.shape
        if not shape:
            return [StageSpan(1, "", 0.0, None)]
        spans, at_ns = [], 0
        for number, stage in enumerate(shape, 1):
            end_ns = at_ns + stage.duration_ns
            last = number == len(shape) and stage.duration_ns > 0
            spans.append(StageSpan(number, stage.name, at_ns / SECOND_NS, None if last else end_ns / SECOND_NS))
            at_ns = end_ns
        return spans

    @property
    def shape(self) -> list[Stage] | None:
        """The stages, written or those of the named test; None for one level."""
        if self.test is None:
            return self.stages
        return stages_of(self.test, normal=self.level, is_rate=self.is_open, duration_ns=self.duration_ns)

    def within(self, duration_ns: int) -> dict[str, Any]:
        """Return a staged load in the plan file's form, its stages shortened or stretched to *duration_ns* in all."""
        assert self.stages is not None, "only stages can be shortened"
        whole_ns = sum(stage.duration_ns for stage in self.stages)
        # Whole milliseconds read better than nanoseconds, where there are enough of them.
        grain_ns = 10**6 if duration_ns >= 10**9 else 1
        stages = [
            stage._replace(duration_ns=stage.duration_ns and max(1, round(part / grain_ns)) * grain_ns)
            for stage in self.stages
            for part in (stage.duration_ns * duration_ns / whole_ns,)
        ]
        form = self.model_dump(by_alias=True, exclude_defaults=True, exclude={"stages"}, mode="json")
        return form | {"stages": write_stages(stages)}

    def describe(self) -> str:
        """Return the shape in words."""
        if self.replay is not None:
            speed = f" at {self.replay_speed:g}x speed" if self.replay_speed != 1.0 else ""
            left_out = f", {self._recorded.unsafe:,} left out (no body to send)" if self._recorded.unsafe else ""
            return f"{len(self._recorded.arrivals):,} arrivals as recorded in {Path(self.replay).name}{speed}{left_out}"
        level = f"{self.level:g}{'/s' if self.is_open else ' users'}" if self.level else "0"
        if self.users_arrive_per_s:
            times = _write_iterations(self.iterations or (1, 1))
            level = f"{self.users_arrive_per_s:g} users arriving a second, {times} iterations each"
        if self.test is not None:
            return f"{self.test} test of a normal load of {level}: {write_stages(self.shape)}"
        if self.stages is not None:
            return f"from {level} through {write_stages(self.stages)}{'' if self.is_open else ' users'}"
        if self.count is not None:
            return f"{level}, {self.count:,} starts"
        return f"{level} for {duration_text(self.duration_ns or 30 * SECOND_NS)}"

    def to_native(self) -> dict[str, Any]:
        """Return the engine's form (ARCHITECTURE.md, The plan that crosses the border)."""
        if self.replay is not None:
            return self._recorded_native()
        shape = self.shape
        if shape is None:
            stages = [{"duration_ns": self._duration_ns(), "from": self.level, "to": self.level}]
        else:
            stages = native_stages(shape, start=0.0 if self.test is not None else self.level)
        native: dict[str, Any] = {"kind": "open" if self.is_open else "closed", "stages": stages, "count": self.count}
        if self.is_open:
            native |= {"arrivals": self.arrivals or "poisson", "users_max": self.users_max, "finish": self.finish}
        if self.gamma_shape is not None:
            native["gamma_shape"] = self.gamma_shape
        if self.iterations is not None:
            native["iterations"] = dict(zip(("min", "max"), self.iterations, strict=True))
        return native

    def _recorded_native(self) -> dict[str, Any]:
        times = [round(arrival.at_ns / self.replay_speed) for arrival in self._recorded.arrivals]
        # One nanosecond more: a start at the very end is still within the run.
        duration_ns = times[-1] + 1
        mean_per_s = min(len(times) / duration_ns * SECOND_NS, 1e9)
        stage = {"duration_ns": duration_ns, "from": mean_per_s, "to": mean_per_s}
        native = {"kind": "open", "arrivals": "recorded", "times_ns": times, "stages": [stage], "count": self.count}
        if self.replay_requests:
            native["scenarios"] = scenario_numbers(self._recorded)
        return native

    def _duration_ns(self) -> int:
        if self.count is None:
            return self.duration_ns or 30 * SECOND_NS
        if not self.is_open:
            return _COUNT_CLOSED_MAX_NS
        # Random arrivals reach a count late by chance: twice the mean time, and 20 mean gaps, fail in less than 1 of 10^8
        # Poisson runs; bursts need room in proportion to their variance.
        room = 20 * max(1.0, 1.0 / (self.gamma_shape or 1.0))
        return math.ceil((2 * self.count + room) / self.level * SECOND_NS)
