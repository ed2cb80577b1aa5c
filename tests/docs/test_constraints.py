"""constraints.txt pins every package that the project needs, directly or through another, with each of its extras."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .pages import ROOT

PINNED = {
    canonicalize_name(name): version
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    if "==" in line
    for name, version in [line.split("==")]
}


def needed() -> set[str]:
    """Return the names of what pyproject.toml asks for and of all that those ask for, as far as this platform has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    waiting = [Requirement(text) for text in project["dependencies"]]
    waiting += [Requirement(text) for extra in project["optional-dependencies"].values() for text in extra]
    found: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if name == "scaleworthy" or (name, extras) in seen:
            continue
        seen.add((name, extras))
        found.add(name)
        try:
            asks = [Requirement(text) for text in distribution(name).requires or ()]
        except PackageNotFoundError:
            continue
        waiting += [
            one
            for one in asks
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in (extras or {""}))
        ]
    return found


def test_every_package_that_is_needed_is_pinned() -> None:
    names = needed()

    assert {"numpy", "opentelemetry-api", "hpack", "markupsafe"} <= names
    assert names - PINNED.keys() == set()
