"""What can go wrong, said so that the reader can mend it: what failed, what we got, what to do next.

Each class carries the exit status its command ends with: 1 a judgement (something did not hold), 2 usage
(nothing was done), 3 the generator itself was the limit.
"""

from __future__ import annotations

from collections.abc import Sequence


class ScaleworthyError(Exception):
    """Something could not be done; the text says what failed and what was got, the hint what to do next."""

    exit_status = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n\nhint: {self.hint}" if self.hint else self.message


class UsageError(ScaleworthyError):
    """The request itself cannot be carried out; nothing was started."""

    exit_status = 2


class InvalidInput(UsageError):
    """Input with one or more problems, each `path: what is wanted, what was got`; all are listed at once."""

    def __init__(self, what: str, problems: Sequence[str], *, hint: str | None = None) -> None:
        self.what = what
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{what}: {count} problem{'s' if count != 1 else ''}\n{lines}", hint=hint)


class MissingExtra(UsageError):
    """An optional part is not installed."""

    def __init__(self, extra: str, *, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the extra '{extra}', which is not installed",
            hint=f"pip install 'scaleworthy[{extra}]'",
        )


class TargetError(ScaleworthyError):
    """The service under test cannot be reached, or does not answer as the plan needs."""


class GeneratorError(ScaleworthyError):
    """The load generator itself failed, or was the limit."""

    exit_status = 3


class ServerError(ScaleworthyError):
    """An embedded server could not be started or stopped."""


class RecordingError(ScaleworthyError):
    """A recording could not be written or read."""
