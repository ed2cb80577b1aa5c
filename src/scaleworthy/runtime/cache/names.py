"""Keys and tags as they are given: several names, never one text, whose letters would be taken for names."""

from __future__ import annotations

from collections.abc import Sequence

from scaleworthy.errors import UsageError


def require_several(**given: Sequence[str]) -> None:
    """Do nothing where each of *given*, by its argument's name, is a list or the like.

    Raises:
        UsageError: One is a text.
    """
    for what, names in given.items():
        if isinstance(names, str):
            raise UsageError(
                f"{what}: several names are wanted, got the text {names!r}", hint=f"write {what}=[{names!r}]"
            )
