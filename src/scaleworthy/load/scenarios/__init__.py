"""Python scenarios: what a scenario's file imports, and what carries it out."""

from scaleworthy._native import Response
from scaleworthy.load.scenarios.declare import on_start, on_stop, scenario, setup, teardown
from scaleworthy.load.scenarios.errors import ExpectationFailed, FeederDry, RequestFailed
from scaleworthy.load.scenarios.feeders import Feeder, feed
from scaleworthy.load.scenarios.settings import Settings
from scaleworthy.load.scenarios.user import User

__all__ = [
    "ExpectationFailed",
    "Feeder",
    "FeederDry",
    "RequestFailed",
    "Response",
    "Settings",
    "User",
    "feed",
    "on_start",
    "on_stop",
    "scenario",
    "setup",
    "teardown",
]
