"""What was asked of models, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass

from scaleworthy.runtime.llm.model import Usage


@dataclass(frozen=True, slots=True)
class ModelStatistics:
    """Counts since the gateway was made; `cost_usd` is of the calls whose price is known, `unpriced` counts the others."""

    answered: int
    failed: int
    waiting: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class GatewayStatistics:
    """By model; `cached` answers asked none."""

    models: dict[str, ModelStatistics]
    cached: int

    @property
    def cost_usd(self) -> float:
        """What all of it cost, as far as prices are known."""
        return sum(model.cost_usd for model in self.models.values())


class Tally:
    """The counts of one model."""

    def __init__(self) -> None:
        self.failed = 0
        self._answered = self._prompt = self._completion = self._unpriced = 0
        self._cost = 0.0

    def add(self, usage: Usage, cost: float | None) -> None:
        """Count an answer."""
        self._answered += 1
        self._prompt += usage.prompt
        self._completion += usage.completion
        self._cost += cost or 0.0
        self._unpriced += cost is None

    def statistics(self, *, waiting: int) -> ModelStatistics:
        """Return the counts."""
        return ModelStatistics(
            self._answered, self.failed, waiting, self._prompt, self._completion, self._cost, self._unpriced
        )
