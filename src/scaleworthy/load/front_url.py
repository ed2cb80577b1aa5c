"""A Plan from a URL alone: one scenario of one GET."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scaleworthy.errors import InvalidInput
from scaleworthy.load.http import split_url
from scaleworthy.load.plan import Plan, make_plan
from scaleworthy.load.replay import read_recorded


def plan_for_url(
    url: str,
    *,
    load: Mapping[str, Any] | None = None,
    objectives: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
    http: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Plan:
    """Return the plan that gets *url*, with the other parts in the plan file's form.

    Raises:
        UsageError: Not an http or https URL.
        InvalidInput: A part is not what the plan file's form allows.
    """
    target, query = split_url(url)
    slash = url.split("#")[0].split("?")[0].rstrip().endswith("/")
    path = f"{target.base or ''}{'/' if slash or not target.base else ''}" + (f"?{query}" if query else "")
    if "{{" in path:
        raise InvalidInput(url, ["a URL alone has no values for templates; write a plan file"])
    data: dict[str, Any] = {"target": replace(target, base="").url, "objectives": list(objectives)}
    if not _has_requests(load, url):
        data["scenarios"] = [{"name": "get", "steps": [{"get": path}]}]
    for name, value in (("load", load), ("headers", headers), ("http", http), ("seed", seed)):
        if value is not None:
            data[name] = dict(value) if isinstance(value, Mapping) else value
    return make_plan(data, what=url)


def _has_requests(load: Mapping[str, Any] | None, url: str) -> bool:
    """Return whether the load is a recording that says which requests came, so that the URL is only where they go."""
    if load is None or "replay" not in load:
        return False
    try:
        return read_recorded(Path(load["replay"])).has_requests
    except ValueError as error:
        raise InvalidInput(url, [f"load.replay: {error}"]) from None
