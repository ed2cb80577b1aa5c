"""What `locust.exception` offers."""

from __future__ import annotations


class LocustError(Exception):
    """The file uses Locust's interface wrongly."""


class ResponseError(Exception):
    """Raised in a `catch_response` block: the request has failed."""


class CatchResponseError(Exception):
    """The text that `response.failure()` was given."""


class MissingWaitTimeError(LocustError):
    """No wait time is known."""


class InterruptTaskSet(Exception):
    """Leave the task set; its parent goes on at once where *reschedule* is true, else after its wait."""

    def __init__(self, reschedule: bool = True) -> None:
        super().__init__(reschedule)
        self.reschedule = reschedule


class StopTest(Exception):
    """End the whole run."""


class StopUser(Exception):
    """End this user."""


class RescheduleTask(Exception):
    """End this task; the next one comes after the wait."""


class RescheduleTaskImmediately(Exception):
    """End this task; the next one comes at once."""


class RunnerAlreadyExistsError(Exception):
    """Never raised here; files may name it."""
