"""What an objective said of a run."""

from __future__ import annotations

from dataclasses import dataclass

from scaleworthy.series.store import Window


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether an objective held, and the value that decided.

    Attributes:
        text: The objective, canonical.
        held: None where nothing was measured to judge by; *why* says what.
        value: In *unit*, as is *limit*. With `over` and `for`: of the window that decided.
        count: Samples behind the value.
        interval: Where the true value lies with 95 % if requests are independent of each other: order statistics for a quantile,
            Wilson for a share; else None. Requests that wait in one queue are not independent, and the interval is too narrow then.
        margin: How far the value is from its limit, as a ratio of the limit (of 1 where the limit is 0); above 0 holds.
        why: Why there is no value; empty where there is one.
        window: With `over` or `for`: the worst stretch, (first second, second after the last).
    """

    text: str
    held: bool | None
    value: float | None
    limit: float
    unit: str
    count: int
    interval: tuple[float, float] | None
    margin: float | None
    why: str = ""
    window: Window | None = None
