"""`LoadTestShape`: its `tick()` is asked for the whole run before the start, on a clock of its own, and becomes stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scaleworthy.errors import UsageError

TICKS_MAX = 7 * 86_400
STAGES_MAX = 1_000


class LoadTestShape:
    """How many users there are at each second of a run.

    Attributes:
        use_common_options: Accepted; the command line's shape wins over a file's here.
    """

    abstract = False
    use_common_options = False
    runner: Any = None
    run_time_s = 0.0
    users_now = 0
    start_time = 0.0

    def reset_time(self) -> None:
        """Begin again at 0 seconds."""
        self.start_time = self.run_time_s

    def get_run_time(self) -> float:
        """Return seconds since the start."""
        return self.run_time_s - self.start_time

    def get_current_user_count(self) -> int:
        """Return how many users there are."""
        return self.users_now

    def tick(self) -> Any:
        """Return users and the rate at which they come, or None for the end of the run; a file's own shape says it.

        Raises:
            UsageError: It does not.
        """
        raise UsageError(
            f"{type(self).__name__} is a LoadTestShape without a tick()",
            hint="define `def tick(self)`: it returns (users, users per second), and None at the end of the run",
        )


def stages_of(shape: type[LoadTestShape]) -> str:
    """Return the stages that a shape's ticks describe, second by second.

    Raises:
        UsageError: Two rounds of asking differ, it never ends, or it says something else than users and a rate.
    """
    levels = _levels(shape)
    if levels != _levels(shape):
        raise UsageError(
            f"{shape.__name__}.tick() says something else each time it is asked for the same second",
            hint="give the load on the command line: --stages or --users",
        )
    if not levels:
        raise UsageError(
            f"{shape.__name__}.tick() ends the run at once", hint="give the load on the command line: --users"
        )
    parts = [f"{seconds}s:{level:g}" for seconds, level in _pieces(levels)]
    if len(parts) > STAGES_MAX:
        raise UsageError(
            f"{shape.__name__} becomes {len(parts):,} stages, and a plan has {STAGES_MAX:,} at most",
            hint="give the load on the command line: --stages",
        )
    return ",".join(parts)


def _levels(kind: type[LoadTestShape]) -> list[float]:
    """Return the users at the end of each second: moved towards what the tick says, by its rate at most."""
    shape = kind()
    levels: list[float] = []
    level = 0.0
    for second in range(TICKS_MAX):
        shape.run_time_s = float(second)
        shape.users_now = round(level)
        try:
            said = shape.tick()
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(
                f"{kind.__name__}.tick() cannot be asked before the run: {type(error).__name__}: {error}",
                hint="give the load on the command line: --stages or --users",
            ) from error
        if said is None:
            return levels
        if not isinstance(said, tuple) or len(said) not in (2, 3) or said[0] < 0 or said[1] <= 0:
            raise UsageError(f"{kind.__name__}.tick() must return (users, rate), got {said!r}")
        step = max(min(said[0] - level, said[1]), -said[1])
        level += step
        levels.append(level)
    raise UsageError(
        f"{kind.__name__}.tick() does not end the run within 7 days", hint="give the load on the command line: --stages"
    )


def _pieces(levels: Sequence[float]) -> list[tuple[int, float]]:
    """Join seconds of one slope into stages: length and level at the end."""
    pieces: list[tuple[int, float]] = []
    before, slope = 0.0, None
    for level in levels:
        if pieces and slope is not None and abs((level - before) - slope) < 1e-9:
            pieces[-1] = (pieces[-1][0] + 1, level)
        else:
            slope = level - before
            pieces.append((1, level))
        before = level
    return pieces
