"""The load tests that teams have names for, as shapes derived from one stated normal load.

| test | what it asks | shape, as multiples of the normal load |
| --- | --- | --- |
| baseline | how fast is it when nothing is going on? | 0.1 for 1 min |
| normal | does a usual day hold? | up in 30 s, 1 for 4.5 min |
| peak | does the busiest hour hold? | 1, then 2.5 for 3 min, and back |
| stress | what goes first, and how? | 1, 1.5, 2, 3, 4: a minute each |
| spike | does it survive a rush, and recover? | 1, at once 5 for 1 min, at once back to 1 for 2 min |
| soak | does anything leak or fill up? | 1 for 2 h |
| breakpoint | where does it break? | from 0 to 10 in 10 min; meant to be aborted by an objective |

A length given with the test stretches its shape to that length.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

from scaleworthy.load.base import SECOND_NS
from scaleworthy.load.stages import Stage

TestName = Literal["baseline", "normal", "peak", "stress", "spike", "soak", "breakpoint"]
TEST_NAMES: tuple[TestName, ...] = get_args(TestName)
Intensity = Literal["low", "medium", "high", "extreme"]
INTENSITY_USERS: dict[Intensity, int] = {"low": 50, "medium": 100, "high": 500, "extreme": 1_000}

# (seconds, multiple of the normal load, at once instead of linearly)
_SHAPES: dict[TestName, tuple[tuple[int, float, bool], ...]] = {
    "baseline": ((60, 0.1, True),),
    "normal": ((30, 1.0, False), (270, 1.0, False)),
    "peak": ((60, 1.0, True), (30, 2.5, False), (180, 2.5, False), (30, 1.0, False)),
    "stress": tuple((60, multiple, True) for multiple in (1.0, 1.5, 2.0, 3.0, 4.0)),
    "spike": ((60, 1.0, True), (60, 5.0, True), (120, 1.0, True)),
    "soak": ((60, 1.0, False), (7_200, 1.0, False)),
    "breakpoint": ((600, 10.0, False),),
}


def stages_of(test: TestName, *, normal: float, is_rate: bool, duration_ns: int | None = None) -> list[Stage]:
    """Return the test's shape for a *normal* load, stretched to *duration_ns* where one is given.

    Args:
        normal: Starts per second, or users; users are rounded up, so that none of a test's levels is empty.
    """
    shape = _SHAPES[test]
    own_s = sum(seconds for seconds, _, _ in shape)
    stretch = 1.0 if duration_ns is None else duration_ns / (own_s * SECOND_NS)
    return [
        Stage(
            max(1, round(seconds * SECOND_NS * stretch)),
            normal * multiple if is_rate else float(math.ceil(normal * multiple)),
            is_rate,
            at_once,
        )
        for seconds, multiple, at_once in shape
    ]
