"""Python scenarios: what a scenario's file imports, and what carries it out."""

from scaleworthy._native import Response
from scaleworthy.load.scenario.declare import on_start, on_stop, scenario, setup, teardown
from scaleworthy.load.scenario.errors import ExpectationFailed, FeederDry, RequestFailed
from scaleworthy.load.scenario.feeders import Feeder, feed
from scaleworthy.load.scenario.user import User

__all__ = [
    "ExpectationFailed",
    "Feeder",
    "FeederDry",
    "RequestFailed",
    "Response",
    "User",
    "feed",
    "on_start",
    "on_stop",
    "scenario",
    "setup",
    "teardown",
]
