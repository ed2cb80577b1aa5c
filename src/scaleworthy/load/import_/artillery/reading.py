"""One Artillery file while it is compiled: its parts and their places, what cannot run, and what must be said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from scaleworthy.errors import InvalidInput
from scaleworthy.load.base import shown
from scaleworthy.load.problems import path_text
from scaleworthy.load.template import nearest
from scaleworthy.load.yaml_lines import Loc, Places

GUIDE = "docs/guide/from-artillery.md lists what runs, what is refused, and what to do instead"
_PROBLEMS_MAX = 100


class Reading:
    """Collects every problem and note with its line and column; nothing stops at the first."""

    def __init__(self, path: Path, places: Places, *, environment: str | None = None) -> None:
        self.path = path
        self.environment = environment
        self._places = places
        self._problems: dict[tuple[int, int, str], Loc] = {}
        self._notes: dict[str, tuple[tuple[int, int], int]] = {}

    @property
    def folder(self) -> Path:
        """Where the files that this one names are looked for."""
        return self.path.parent

    def place(self, loc: Loc) -> tuple[int, int]:
        """Return line and column of the nearest part around *loc* that the file has."""
        while loc and loc not in self._places:
            loc = loc[:-1]
        return self._places.get(loc, (1, 1))

    def move(self, before: Loc, after: Loc) -> None:
        """Have what stands at *before* and below it be found at *after*: an environment's part replaces another."""
        for loc, place in list(self._places.items()):
            if loc[: len(before)] == before:
                self._places[(*after, *loc[len(before) :])] = place

    def refuse(self, loc: Loc, text: str) -> None:
        """Note what cannot run; the file is refused in the end, with all of them."""
        line, column = self.place(loc)
        where = path_text(loc)
        self._problems[(line, column, f"{where}: {text}" if where else text)] = loc

    def note(self, loc: Loc, text: str) -> None:
        """Note what runs otherwise than the file may suggest; the same text is said once, with its first line."""
        place, count = self._notes.get(text, (self.place(loc), 0))
        self._notes[text] = (place, count + 1)

    def mapping(self, loc: Loc, value: Any) -> dict[str, Any]:
        """Return *value* where it is a mapping; otherwise refuse it and return an empty one. None is empty."""
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        self.refuse(loc, f"must be a mapping of names to values, got {shown(value)}")
        return {}

    def items(self, loc: Loc, value: Any) -> list[tuple[Loc, Any]]:
        """Return the items of a list with their places; one thing alone counts as a list of one. None is empty."""
        if value is None:
            return []
        if isinstance(value, list):
            return [((*loc, at), item) for at, item in enumerate(value)]
        return [(loc, value)]

    def check_words(self, loc: Loc, given: Iterable[str], known: Iterable[str], refused: Mapping[str, str]) -> None:
        """Refuse each of *given* that is not among *known*, with the nearest one; *refused* says why of those we do not run."""
        words = [*known, *refused]
        for word in given:
            if word in refused:
                self.refuse((*loc, word), refused[word])
            elif word not in words:
                offer = nearest(word, words) or f"; known are {', '.join(known)}"
                self.refuse((*loc, word), f"unknown key{offer}")

    def is_refused(self, loc: Loc = ()) -> bool:
        """Return whether anything was refused, at *loc* or below it."""
        return any(refused[: len(loc)] == loc for refused in self._problems.values())

    def fail(self) -> NoReturn:
        """Refuse the file with everything that is wrong, in the file's order.

        Raises:
            InvalidInput: Always.
        """
        name = self.path.name
        lines = [f"{name}:{line}:{column}: {text}" for line, column, text in sorted(self._problems)]
        more = len(lines) - _PROBLEMS_MAX
        if more > 0:
            lines = [*lines[:_PROBLEMS_MAX], f"and {more} more"]
        raise InvalidInput(str(self.path), lines, hint=GUIDE)

    def notes(self) -> tuple[str, ...]:
        """Return what must be said, in the file's order: `file:line: text`."""
        said = sorted((place, text, count) for text, (place, count) in self._notes.items())
        return tuple(
            f"{self.path.name}:{place[0]}: {text}{f' (and {count - 1} more)' if count > 1 else ''}"
            for place, text, count in said
        )
