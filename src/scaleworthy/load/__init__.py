"""Load: make a plan, run it, sum it up, find the limit.

A name is imported when it is first asked for: a worker process needs none of what reads plans and sums runs up, and is a fifth of
the size without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaleworthy.load.front import load_plan, read_plan
    from scaleworthy.load.front_url import plan_for_url
    from scaleworthy.load.import_.imported import Imported, Wishes
    from scaleworthy.load.limit.live import find_limit
    from scaleworthy.load.limit.settings import SearchSettings
    from scaleworthy.load.plan import Plan, make_plan
    from scaleworthy.load.plan_yaml import plan_text
    from scaleworthy.load.result import Limit, Probe, Quantiles
    from scaleworthy.load.run import LoadRun, run_load, start
    from scaleworthy.load.scenarios import (
        ExpectationFailed,
        RequestFailed,
        Response,
        Settings,
        User,
        feed,
        on_start,
        on_stop,
        scenario,
        setup,
        teardown,
    )
    from scaleworthy.load.second import Second
    from scaleworthy.load.summary import Summary, summarize
    from scaleworthy.load.summary_lines import summary_text

_WHERE = {
    "ExpectationFailed": "scenarios",
    "Imported": "import_.imported",
    "Limit": "result",
    "LoadRun": "run",
    "Plan": "plan",
    "Probe": "result",
    "Quantiles": "result",
    "RequestFailed": "scenarios",
    "Response": "scenarios",
    "SearchSettings": "limit.settings",
    "Second": "second",
    "Settings": "scenarios",
    "Summary": "summary",
    "User": "scenarios",
    "Wishes": "import_.imported",
    "feed": "scenarios",
    "find_limit": "limit.live",
    "load_plan": "front",
    "make_plan": "plan",
    "on_start": "scenarios",
    "on_stop": "scenarios",
    "plan_for_url": "front_url",
    "plan_text": "plan_yaml",
    "read_plan": "front",
    "run_load": "run",
    "scenario": "scenarios",
    "setup": "scenarios",
    "start": "run",
    "summarize": "summary",
    "summary_text": "summary_lines",
    "teardown": "scenarios",
}

__all__ = [
    "ExpectationFailed",
    "Imported",
    "Limit",
    "LoadRun",
    "Plan",
    "Probe",
    "Quantiles",
    "RequestFailed",
    "Response",
    "SearchSettings",
    "Second",
    "Settings",
    "Summary",
    "User",
    "Wishes",
    "feed",
    "find_limit",
    "load_plan",
    "make_plan",
    "on_start",
    "on_stop",
    "plan_for_url",
    "plan_text",
    "read_plan",
    "run_load",
    "scenario",
    "setup",
    "start",
    "summarize",
    "summary_text",
    "teardown",
]


def __getattr__(name: str) -> Any:
    """Import the module that has *name*, and keep what it is."""
    where = _WHERE.get(name)
    if where is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{where}"), name)
    globals()[name] = value
    return value
