"""Templates in paths, headers and bodies: `{{ name }}`, filled by the engine for each request.

A name is looked up among what earlier steps extracted, then the feeder's row, then the plan's variables. Built in:
`{{ $uuid }}`, `{{ $n }}` (number of the iteration) and `{{ $random(1, 100) }}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_RANDOM = re.compile(r"\$random\(\s*(-?\d{1,18})\s*,\s*(-?\d{1,18})\s*\)")
_BUILT_IN = ("$uuid", "$n", "$random(1, 100)")


def names_in(text: str) -> list[str]:
    """Return the names that *text* needs a value for, built-in ones left out.

    Raises:
        ValueError: A brace pair that is not closed, or something between braces that is no name.
    """
    names = []
    for found in _PLACE.finditer(text):
        inner = found[1].strip()
        if inner.startswith("$"):
            _check_built_in(inner)
        elif NAME.fullmatch(inner):
            names.append(inner)
        else:
            raise ValueError(
                f"'{{{{{found[1]}}}}}' is not a template: write {{{{ name }}}} or one of {_list(_BUILT_IN)}"
            )
    if "{{" in _PLACE.sub("", text):
        raise ValueError(f"'{{{{' is not closed by '}}}}' in {text!r}")
    return names


def is_template(text: str) -> bool:
    """Return whether *text* is one template and nothing else."""
    found = _PLACE.fullmatch(text.strip())
    return found is not None


def literal_parts(text: str) -> list[tuple[str, bool]]:
    """Return *text* in pieces, each with whether it is a template."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for found in _PLACE.finditer(text):
        pieces += [(text[at : found.start()], False), (found[0], True)]
        at = found.end()
    return [piece for piece in [*pieces, (text[at:], False)] if piece[0]]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest of *known*, or nothing where none is near."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _check_built_in(inner: str) -> None:
    if inner in ("$uuid", "$n"):
        return
    found = _RANDOM.fullmatch(inner)
    if found is None:
        raise ValueError(f"{{{{ {inner} }}}} is not built in; there are {_list(_BUILT_IN)}")
    if int(found[1]) > int(found[2]):
        raise ValueError(f"{{{{ {inner} }}}}: the first number must not be above the second")


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"{{{{ {name} }}}}" for name in names)
