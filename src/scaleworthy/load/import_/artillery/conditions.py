"""`ifTrue` and `whileTrue`: Artillery's expressions (filtrex) become the plan's conditions; a function's name is refused.

`loggedIn and page < 5 and not (status == "done")` is the same in both, but for how names and texts are quoted.
"""

from __future__ import annotations

import re
from typing import Any

from scaleworthy.load.base import shown
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.templates import Templates
from scaleworthy.load.import_.artillery.words import JAVASCRIPT
from scaleworthy.load.yaml_lines import Loc

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>\"[^\"]*\")|(?P<quoted>'[^']*')|(?P<word>\$?[A-Za-z_][\w.$]*)"
    r"|(?P<operator>==|!=|<=|>=|<|>|\(|\)))"
)
_JOINING = ("and", "or", "not")
_COMPARING = ("==", "!=", "<=", ">=", "<", ">")


def condition(reading: Reading, templates: Templates, loc: Loc, given: Any) -> str | None:
    """Return the plan's condition of an expression, or None where it was refused."""
    if isinstance(given, bool):
        return "1 == 1" if given else "1 == 2"
    if not isinstance(given, str) or not given.strip():
        reading.refuse(loc, f'must be an expression such as status == "ok", got {shown(given)}')
        return None
    parts: list[str] = []
    at, text = 0, given.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            reading.refuse(
                loc,
                f'{shown(given)} is not run from {shown(text[at:].strip())} on; there are names, numbers, "texts",'
                " == != < <= > >=, and, or, not and brackets",
            )
            return None
        parts.append(_part(templates, loc, found))
        at = found.end()
    return " ".join(parts)


def loop_condition(reading: Reading, templates: Templates, loc: Loc, given: Any) -> str | None:
    """Return the condition of `whileTrue`; a name alone is a function of the processor there."""
    if isinstance(given, str) and re.fullmatch(r"\s*[A-Za-z_$][\w$]*\s*", given):
        reading.refuse(loc, f"{given.strip()!r} is a function: {JAVASCRIPT}")
        return None
    return condition(reading, templates, loc, given)


def _part(templates: Templates, loc: Loc, found: re.Match[str]) -> str:
    if found["number"] or found["operator"]:
        return found["number"] or found["operator"]
    if found["text"]:
        return found["text"]
    word = found["word"] or found["quoted"][1:-1]
    if found["word"] and word.lower() in (*_JOINING, "true", "false"):
        return word.lower()
    return templates.text(loc, f"{{{{ {word} }}}}")
