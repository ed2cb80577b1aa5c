"""What a search steers: something that takes a level and gives back one second of slices at a time.

Nothing in a search reads a clock: a second is what the driver says it is, so the same search runs on a real target and on a
simulated one in virtual time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scaleworthy.series import Slice


class SearchStopped(Exception):
    """The search is to end with what is known by now."""


class Driver(Protocol):
    """A running load."""

    def set_level(self, level: float) -> None:
        """Ask for *level* from now on: scenario starts per second, or users; 0 starts nothing."""

    def next_second(self) -> tuple[int, Sequence[Slice]]:
        """Wait for the next second to be over; return its Unix time and its slices.

        Raises:
            SearchStopped: The search is to end here.
        """
