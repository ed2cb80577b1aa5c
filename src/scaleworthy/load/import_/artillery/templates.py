"""Artillery's `{{ }}` become the plan's: built-in values by other names, constants filled in at once.

`{{ $randomNumber(1, 9) }}` is `{{ $random(1, 9) }}`, `{{ $env.X }}` and `{{ $environment }}` are settled when the file is
read, `{{ $loopElement.id }}` is a path into the item of the loop around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from scaleworthy.load.import_.artillery.environment import resolve
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.import_.artillery.settings import as_text
from scaleworthy.load.yaml_lines import Loc

TEMPLATE = re.compile(r"\{\{\{?\s*([^{}]*?)\s*\}\}\}?")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
USER_ID = "virtual_user_id"
"""Artillery's `$uuid` is the virtual user's: the same in all of its requests."""
_CALL = re.compile(r"\$([A-Za-z_]\w*)\s*\(([^()]*)\)")
_PATH = re.compile(r"(\$?[A-Za-z_][\w-]*)((?:\.[\w$-]+|\[\s*(?:\d+|'[^']*'|\"[^\"]*\")\s*\])*)")
_LENGTH = 10
_WITHIN_MAX = 10


class Templates:
    """Rewrites the templates of one file; *variables* are the constants that other text may be made of.

    Attributes:
        uses_user_id: Whether `$uuid` was asked for since this was last set to false.
    """

    def __init__(self, reading: Reading, *, target: str, variables: Mapping[str, Any]) -> None:
        self._reading = reading
        self._target = target
        self._variables = variables
        self._names: dict[str, str] = {}
        self._within = 0
        self.uses_user_id = False

    @contextmanager
    def renamed(self, names: Mapping[str, str]) -> Iterator[None]:
        """Have each of *names* be written otherwise within the block."""
        before = self._names
        self._names = before | dict(names)
        yield
        self._names = before

    def deep(self, loc: Loc, value: Any) -> Any:
        """Return *value* with every text in it rewritten, names of keys too."""
        if isinstance(value, dict):
            return {self.text(loc, name): self.deep((*loc, name), item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.deep((*loc, at), item) for at, item in enumerate(value)]
        return self.text(loc, value) if isinstance(value, str) else value

    def text(self, loc: Loc, text: str) -> str:
        """Return *text* with its templates as the plan writes them; what is none of ours is refused."""
        if "{{" not in text:
            return text
        settled = resolve(self._reading, loc, text)
        return TEMPLATE.sub(lambda found: self._one(loc, found[1]), settled)

    def constant(self, loc: Loc, text: str) -> str | None:
        """Return *text* with variables in place of its templates; a value that only a run has is refused."""
        made = self.text(loc, text)

        def fill(found: re.Match[str]) -> str:
            value = self._variables.get(found[1])
            return found[0] if value is None or isinstance(value, dict | list) else as_text(value)

        filled = TEMPLATE.sub(fill, made)
        if "{{" in filled:
            self._reading.refuse(
                loc, f"{text!r} is settled before the start; only variables that are no lists can stand here"
            )
            return None
        return filled

    def _one(self, loc: Loc, inner: str) -> str:
        call = _CALL.fullmatch(inner)
        if call is not None:
            return self._call(loc, call[1], [part.strip() for part in call[2].split(",") if part.strip()])
        if inner == "target":
            return self._target
        if inner in ("$uuid", "$testId"):
            self.uses_user_id = self.uses_user_id or inner == "$uuid"
            return f"{{{{ {USER_ID} }}}}" if inner == "$uuid" else "{{ $uuid }}"
        found = _PATH.fullmatch(inner)
        if found is None or (found[1].startswith("$") and found[1] not in self._names):
            self._reading.refuse(
                loc,
                f"'{{{{ {inner} }}}}' is not a template that runs; there are names, $uuid, $randomNumber(1, 9),"
                " $randomString(10), $loopCount and $loopElement in a loop, $environment and $env.NAME",
            )
            return ""
        value = self._variables.get(inner)
        if isinstance(value, str) and "{{" in value and self._within < _WITHIN_MAX:
            # A variable that is made of others is written out where it is used.
            self._within += 1
            text = self.text(loc, value)
            self._within -= 1
            return text
        return f"{{{{ {self._names.get(found[1], found[1])}{_plain(found[2])} }}}}"

    def _call(self, loc: Loc, name: str, given: list[str]) -> str:
        numbers = [int(part) for part in given if re.fullmatch(r"-?\d{1,15}", part)]
        if len(numbers) == len(given):
            if name == "randomNumber" and len(numbers) == 2:
                return f"{{{{ $random({min(numbers)}, {max(numbers)}) }}}}"
            if name == "randomString" and len(numbers) <= 1:
                return f"{{{{ $randomString({numbers[0] if numbers else _LENGTH}) }}}}"
        if name in ("randomNumber", "randomString"):
            self._reading.refuse(
                loc, f"${name} takes {'two whole numbers' if name[6] == 'N' else 'a length'}, got {given}"
            )
        else:
            self._reading.refuse(
                loc,
                f"${name}() is not built in; there are $randomNumber(1, 9) and $randomString(10), and a payload's columns",
            )
        return ""


def _plain(path: str) -> str:
    """Return a path with names behind dots and numbers in brackets: `['a'][ 0 ]` is `.a[0]`."""
    return re.sub(r"\[\s*(?:(\d+)|['\"]([^'\"]*)['\"])\s*\]", lambda at: f"[{at[1]}]" if at[1] else f".{at[2]}", path)
