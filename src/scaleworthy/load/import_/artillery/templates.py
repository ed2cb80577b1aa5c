"""Artillery's `{{ }}` become the plan's: built-in values by other names, constants filled in at once.

`{{ $randomNumber(1, 9) }}` is `{{ $random(1, 9) }}`, `{{ $env.X }}` and `{{ $environment }}` are settled when the file is
read, `{{ user.name }}` is a name with a dot in it.
"""

from __future__ import annotations

import re
from typing import Any

from scaleworthy.load.import_.artillery.environment import resolve
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.yaml_lines import Loc

TEMPLATE = re.compile(r"\{\{\{?\s*([^{}]*?)\s*\}\}\}?")
_CALL = re.compile(r"\$([A-Za-z_]\w*)\s*\(([^()]*)\)")
_BRACKETS = re.compile(r"\[\s*['\"]?([^\[\]'\"]*)['\"]?\s*\]")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Templates:
    """Rewrites the templates of one file.

    Attributes:
        used: The names that templates ask for, so that paths into captured values can be read where they are captured.
    """

    def __init__(self, reading: Reading, *, target: str) -> None:
        self._reading = reading
        self._target = target
        self.used: set[str] = set()

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

    def _one(self, loc: Loc, inner: str) -> str:
        call = _CALL.fullmatch(inner)
        if call is not None:
            return self._call(loc, call[1], [part.strip() for part in call[2].split(",") if part.strip()])
        if inner == "target":
            return self._target
        if inner == "$uuid":
            return "{{ $uuid }}"
        name = _BRACKETS.sub(r".\1", inner).strip(".")
        if not NAME.fullmatch(name):
            self._reading.refuse(
                loc, f"'{{{{ {inner} }}}}' is not a template that runs; write a name, $uuid or $randomNumber(1, 9)"
            )
            return ""
        self.used.add(name)
        return f"{{{{ {name} }}}}"

    def _call(self, loc: Loc, name: str, given: list[str]) -> str:
        if name == "randomNumber":
            bounds = [int(part) for part in given if re.fullmatch(r"-?\d{1,15}", part)]
            if len(bounds) == 2 and len(given) == 2:
                return f"{{{{ $random({min(bounds)}, {max(bounds)}) }}}}"
            self._reading.refuse(loc, f"$randomNumber needs two whole numbers, got ({', '.join(given)})")
            return ""
        self._reading.refuse(loc, f"${name}() is not built in; there are $randomNumber(1, 9), $randomString(10), $uuid")
        return ""
