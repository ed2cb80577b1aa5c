"""What a scenario may see raised: a request that failed, an answer that was not what was expected."""

from __future__ import annotations


class RequestFailed(Exception):
    """A request ended without an answer; it is counted already, and unless it is caught the iteration ends.

    Attributes:
        kind: Why, one of the kinds of docs/reference/series.md: `timeout`, `connect`, `closed`, …
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class ExpectationFailed(Exception):
    """An answer was not what `expect` said; it is counted already, and unless it is caught the iteration ends.

    Attributes:
        kind: `expect-status`, `expect-body` or `expect-header`.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class StopRun(Exception):
    """Ends the run; the text says why."""


class FeederDry(StopRun):
    """A feeder whose rows are to be used once each has no row left; the iteration ends."""
