"""The plan that a caller from Python means: a Plan, a mapping in the plan file's form, a file, or a URL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaleworthy.load.front import load_plan
from scaleworthy.load.front_url import plan_for_url
from scaleworthy.load.plan import Plan, make_plan

GivenPlan = Plan | Mapping[str, Any] | Path | str
"""What `start` takes: text with `://` is a URL, any other text a file."""


def plan_given(given: GivenPlan, *, target: str | None = None) -> Plan:
    """Return the plan of *given*; *target* is where a file's requests go instead, and is needed for Python scenarios.

    A URL alone is loaded by ten users for 30 s; a mapping's `target` may be left out where *target* is given.

    Raises:
        UsageError: The file cannot be read, or the URL is none.
        InvalidInput: Every problem with the plan.
    """
    if isinstance(given, Plan):
        return given if target is None else given.changed(target=target)
    if isinstance(given, Mapping):
        return make_plan(given if target is None else {**given, "target": target})
    if isinstance(given, str) and "://" in given:
        return plan_for_url(given)
    return load_plan(given, target=target)
