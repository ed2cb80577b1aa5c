"""What a scenario raised, for the people who wrote it: their own frames, none of ours."""

from __future__ import annotations

import traceback
from pathlib import Path

_OURS = str(Path(__file__).parent.parent)


def own_traceback(error: BaseException) -> str:
    """Return the traceback as Python prints it."""
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(_frames(error))]
    return "".join([*lines, *traceback.format_exception_only(error)]).rstrip()


def in_a_line(error: BaseException) -> str:
    """Return what was raised and through which lines it came, in one line."""
    places = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in _frames(error)]
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{text} ({' → '.join(places)})" if places else text


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not frame.filename.startswith(_OURS)]
