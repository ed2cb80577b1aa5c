"""LLM gateway: limits, a queue with deadlines, fallbacks, a cache of answers, councils, and what all of it costs."""

from scaleworthy.runtime.llm.budget import OverBudget
from scaleworthy.runtime.llm.council import Council, Opinion, TooFewOpinions, convene
from scaleworthy.runtime.llm.gateway import Completion, Gateway, NoModel
from scaleworthy.runtime.llm.model import Model, Prices, Provider, Usage
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
    "Prices",
    "Provider",
    "TooFewOpinions",
    "Usage",
    "convene",
]
