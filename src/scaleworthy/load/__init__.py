"""Load: make a plan, run it, sum it up, find the limit."""

from scaleworthy.load.front_url import plan_for_url
from scaleworthy.load.front_yaml import load_plan
from scaleworthy.load.limit.live import find_limit
from scaleworthy.load.limit.settings import SearchSettings
from scaleworthy.load.plan import Plan, make_plan
from scaleworthy.load.result import Limit, Probe, Quantiles
from scaleworthy.load.run import LoadRun, run_load, start
from scaleworthy.load.summary import Summary, summarize
from scaleworthy.load.summary_text import summary_text

__all__ = [
    "Limit",
    "LoadRun",
    "Plan",
    "Probe",
    "Quantiles",
    "SearchSettings",
    "Summary",
    "find_limit",
    "load_plan",
    "make_plan",
    "plan_for_url",
    "run_load",
    "start",
    "summarize",
    "summary_text",
]
