"""Do frames come when they should? Jitter, loss and late frames of one stream.

Model:    frame n is due 20 ms after frame n-1. Its transit is when it came less n frames; the least transit seen is the base.
          Jitter: J += (|D| - J) / 16 with D the change of transit from one frame to the next.
          Late: more than 20 ms, one whole frame, beyond base: a receiver that plays frames as they fall due has nothing to play.
          A second of late frames in a row is another pace, not lateness (a pause of the sender, a longer way): it becomes the base.
Loss:     numbered frames: numbers up to the highest that never came. Frames without numbers: frames that such a pause left out.
Units:    nanoseconds; frames.
Source:   RFC 3550, 6.4.1 and A.8.
"""

from __future__ import annotations

FRAME_NS = 20_000_000
_ANOTHER_PACE = 50
_NUMBERS = 1 << 16


class Pace:
    """What one stream's frames are held to. `came` for each frame, in the order in which they come."""

    __slots__ = ("_base", "_first_number", "_highest", "_paused", "_run", "_run_least", "_transit", "first_ns", "jitter_ns", "late",
                 "received")  # fmt: skip

    def __init__(self) -> None:
        self.received = 0
        self.late = 0
        self.jitter_ns = 0.0
        self.first_ns = 0
        self._transit = self._base = 0
        self._run = self._run_least = 0
        self._paused = 0
        self._first_number: int | None = None
        self._highest = 0

    def came(self, at_ns: int, number: int | None = None) -> None:
        """Take a frame that came at *at_ns*; *number* is its 16-bit sequence number, where it has one."""
        place = self.received + self._paused if number is None else self._place(number)
        if not self.received:
            self.received = 1
            self.first_ns = at_ns
            self._transit = self._base = at_ns - place * FRAME_NS
            return
        self.received += 1
        transit = at_ns - place * FRAME_NS
        self.jitter_ns += (abs(transit - self._transit) - self.jitter_ns) / 16
        self._transit = transit
        behind = transit - self._base
        if behind <= FRAME_NS:
            if behind < 0:
                self._base = transit
            self._run = 0
            return
        self.late += 1
        self._run_least = min(self._run_least, behind) if self._run else behind
        self._run += 1
        if self._run == _ANOTHER_PACE:
            self._settle(numbered=number is not None)

    @property
    def lost(self) -> int:
        """Frames that never came."""
        if self._first_number is None:
            return self._paused
        return max(0, self._highest - self._first_number + 1 - self.received)

    def ahead(self, at_ns: int) -> int:
        """Return how many more frames came than time has passed for."""
        return self.received - 1 - (at_ns - self.first_ns) // FRAME_NS

    def _place(self, number: int) -> int:
        """Return the number without its wrap-around: the one nearest to the highest so far."""
        if self._first_number is None:
            self._first_number = self._highest = number
        step = (number - self._highest + _NUMBERS // 2) % _NUMBERS - _NUMBERS // 2
        place = self._highest + step
        self._highest = max(self._highest, place)
        return place

    def _settle(self, *, numbered: bool) -> None:
        self.late -= self._run
        self._run = 0
        if numbered:
            self._base += self._run_least
        else:
            # The frames that the pause left out have taken their time; those after it count on behind it.
            left_out = self._run_least // FRAME_NS
            self._paused += left_out
            self._transit -= left_out * FRAME_NS
            self._base += self._run_least % FRAME_NS
