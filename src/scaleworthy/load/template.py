"""Templates in paths, headers and bodies: `{{ name }}`, filled by the engine for each request.

A name is looked up among what earlier steps extracted or set, then the feeder's row, then the plan's variables; a path behind it
leads into a JSON value: `{{ user.name }}`, `{{ items[0].id }}`. Built in are the values of `BUILT_IN`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
BUILT_IN = (
    "$uuid", "$n", "$random(1, 100)", "$randomString(8)", "$timestamp", "$timestamp_ms", "$iso_date", "$loop", "$env.NAME",
)  # fmt: skip
_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_WITH_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_$-]+|\[\d+\])*")
_ENVIRONMENT = re.compile(r"\$env\.([A-Za-z_][A-Za-z0-9_]*)")
_RANDOM = re.compile(r"\$(?:random|randomNumber)\(\s*(-?\d{1,18})\s*,\s*(-?\d{1,18})\s*\)")
_RANDOM_TEXT = re.compile(r"\$randomString\(\s*(\d{1,5})\s*\)")
_PLAIN = ("$uuid", "$n", "$timestamp", "$timestamp_ms", "$iso_date", "$loop", "$loopCount")
_RANDOM_TEXT_MAX = 10_000


def names_in(text: str) -> list[str]:
    """Return the names that *text* needs a value for, each with its path; built-in ones are left out, `$env.NAME` is one.

    Raises:
        ValueError: A brace pair that is not closed, or something between braces that is no name.
    """
    names = []
    for found in _PLACE.finditer(text):
        inner = found[1].strip()
        if _ENVIRONMENT.fullmatch(inner) or NAME.fullmatch(inner) or _WITH_PATH.fullmatch(inner):
            names.append(inner)
        elif inner.startswith("$"):
            _check_built_in(inner)
        else:
            raise ValueError(
                f"'{{{{{found[1]}}}}}' is not a template: write {{{{ name }}}} or one of {_list(BUILT_IN)}"
            )
    if "{{" in _PLACE.sub("", text):
        raise ValueError(f"'{{{{' is not closed by '}}}}' in {text!r}")
    return names


def is_known(name: str, known: Collection[str]) -> bool:
    """Return whether *name*, or what stands before a path in it, is among *known*."""
    ends = [at for at, char in enumerate(name) if char in ".["]
    return name in known or any(name[:end] in known for end in ends)


def environment_name(name: str) -> str | None:
    """Return the environment variable that `$env.NAME` asks for, or None for any other name."""
    found = _ENVIRONMENT.fullmatch(name)
    return found[1] if found else None


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
    if inner in _PLAIN:
        return
    text = _RANDOM_TEXT.fullmatch(inner)
    if text is not None:
        if not 1 <= int(text[1]) <= _RANDOM_TEXT_MAX:
            raise ValueError(f"{{{{ {inner} }}}}: the length is 1 to {_RANDOM_TEXT_MAX}")
        return
    found = _RANDOM.fullmatch(inner)
    if found is None:
        raise ValueError(f"{{{{ {inner} }}}} is not built in; there are {_list(BUILT_IN)}")
    if int(found[1]) > int(found[2]):
        raise ValueError(f"{{{{ {inner} }}}}: the first number must not be above the second")


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"{{{{ {name} }}}}" for name in names)
