"""Load: make a plan, run it, sum it up, find the limit."""

from scaleworthy.load.front import load_plan, read_plan
from scaleworthy.load.front_url import plan_for_url
from scaleworthy.load.import_.imported import Imported, Wishes
from scaleworthy.load.limit.live import find_limit
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.plan import Plan, make_plan
from scaleworthy.load.result import Limit, Probe, Quantiles
from scaleworthy.load.run import LoadRun, run_load, start
from scaleworthy.load.summary import Summary, summarize
from scaleworthy.load.summary_text import summary_text

__all__ = [
    "Imported",
    "Limit",
    "LoadRun",
    "Plan",
    "Probe",
    "Quantiles",
    "SearchSettings",
    "Summary",
    "Wishes",
    "find_limit",
    "load_plan",
    "make_plan",
    "plan_for_url",
    "read_plan",
    "run_load",
    "start",
    "summarize",
    "summary_text",
]
