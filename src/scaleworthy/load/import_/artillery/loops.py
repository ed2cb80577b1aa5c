"""`loop` with `count`, `over` or `whileTrue`, and what `$loopCount` and `$loopElement` mean inside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from scaleworthy.load.base import shown
from scaleworthy.load.import_.artillery.conditions import loop_condition
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.templates import NAME, Templates
from scaleworthy.load.yaml_lines import Loc

_RANGE = re.compile(r"\s*(\d{1,6})\s*-\s*(\d{1,6})\s*")
_RANGE_MAX = 10_000


class Loops:
    """Compiles the heads of loops."""

    def __init__(self, reading: Reading, templates: Templates) -> None:
        self._reading = reading
        self._templates = templates
        self._depth = 0

    @contextmanager
    def within(self, loc: Loc, given: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
        """Give the plan's loop without its steps, or None where it was refused; templates inside know its names."""
        self._depth += 1
        names = self._names(loc, given)
        is_while = given.get("over") is None and given.get("whileTrue") is not None
        # What it goes over, or how often, is asked outside of it; whether it goes on, inside.
        form = None if is_while else self._head(loc, given)
        renamed = {names["count"]: "$loop", names["element"]: self._item}
        if form is not None and "over" in form and given.get("over") is None:
            # A range such as 5-10 is a list of its numbers: the count is the item.
            renamed[names["count"]] = self._item
        with self._templates.renamed(renamed):
            yield self._while((*loc, "whileTrue"), given["whileTrue"]) if is_while else form
        self._depth -= 1

    @property
    def _item(self) -> str:
        return f"loop_item_{self._depth}"

    def _names(self, loc: Loc, given: dict[str, Any]) -> dict[str, str]:
        names = {"count": given.get("loopValue", "$loopCount"), "element": given.get("loopElement", "$loopElement")}
        for kind, name in names.items():
            if not isinstance(name, str) or not NAME.fullmatch(name.removeprefix("$")):
                self._reading.refuse(
                    loc, f"{'loopValue' if kind == 'count' else 'loopElement'} must be a name, got {shown(name)}"
                )
        return {kind: str(name) for kind, name in names.items()}

    def _head(self, loc: Loc, given: dict[str, Any]) -> dict[str, Any] | None:
        if given.get("over") is not None:
            return self._over((*loc, "over"), given["over"])
        count = given.get("count")
        if count is None:
            self._reading.refuse(loc, "a loop needs count, over or whileTrue: without one it never ends")
            return None
        if isinstance(count, str):
            return self._count_text((*loc, "count"), count)
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            self._reading.refuse(
                (*loc, "count"), f"must be a whole number from 1, or a range such as '1-10', got {shown(count)}"
            )
            return None
        return {"count": count}

    def _while(self, loc: Loc, given: Any) -> dict[str, Any] | None:
        condition = loop_condition(self._reading, self._templates, loc, given)
        # The first turn comes without asking, as in Artillery.
        return None if condition is None else {"while": f"{{{{ $loop }}}} == 0 or ({condition})"}

    def _count_text(self, loc: Loc, count: str) -> dict[str, Any] | None:
        text = self._templates.constant(loc, count) if "{{" in count else count
        if text is None:
            return None
        bounds = _RANGE.fullmatch(str(text))
        if bounds is not None:
            first, end = int(bounds[1]), int(bounds[2])
            if not 0 < end - first <= _RANGE_MAX:
                self._reading.refuse(loc, f"a range goes up, by at most {_RANGE_MAX:,}, got {shown(count)}")
                return None
            return {"over": list(range(first, end)), "as": self._item}
        if not re.fullmatch(r"\s*[1-9]\d{0,8}\s*", str(text)):
            self._reading.refuse(loc, f"must be a whole number from 1, or a range such as '1-10', got {shown(count)}")
            return None
        return {"count": int(text)}

    def _over(self, loc: Loc, over: Any) -> dict[str, Any] | None:
        if isinstance(over, list):
            if not over:
                self._reading.refuse(loc, "an empty list has nothing to loop over")
                return None
            return {"over": self._templates.deep(loc, over), "as": self._item}
        if not isinstance(over, str) or not over.strip():
            self._reading.refuse(loc, f"must be a list, or the name of a variable that holds one, got {shown(over)}")
            return None
        name = over.strip().removeprefix("{{").removesuffix("}}").strip()
        return {"over": self._templates.text(loc, f"{{{{ {name} }}}}"), "as": self._item}
