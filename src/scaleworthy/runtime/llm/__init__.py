"""LLM gateway: limits, a queue with deadlines, fallbacks, a cache of answers, councils, and what all of it costs."""

from scaleworthy.runtime.llm.answers import Completion
from scaleworthy.runtime.llm.budget import OverBudget
from scaleworthy.runtime.llm.council import Council, Opinion, TooFewOpinions, convene
from scaleworthy.runtime.llm.gateway import Gateway, NoModel
from scaleworthy.runtime.llm.model import Model, Provider, Usage
from scaleworthy.runtime.llm.prices import Price, Prices
from scaleworthy.runtime.llm.statistics import GatewayStatistics, ModelStatistics
from scaleworthy.runtime.llm.wire import CallFailed

__all__ = [
    "CallFailed",
    "Completion",
    "Council",
    "Gateway",
    "GatewayStatistics",
    "Model",
    "ModelStatistics",
    "NoModel",
    "Opinion",
    "OverBudget",
    "Price",
    "Prices",
    "Provider",
    "TooFewOpinions",
    "Usage",
    "convene",
]
