"""What was asked, answered and paid, by model; and the series it goes into."""

from __future__ import annotations

from dataclasses import dataclass

from scaleworthy.runtime.llm.model import Usage
from scaleworthy.series.meter import Meter


@dataclass(frozen=True, slots=True)
class ModelStatistics:
    """One model's, since the gateway was made.

    Attributes:
        answered: Calls that it answered.
        failed: Calls that it did not, for whatever reason.
        abandoned: Calls whose caller went away; their tokens are counted, as estimated.
        under_way, waiting: Calls now.
        prompt_tokens, completion_tokens: Of all of them, broken off and abandoned ones too.
        cost_usd: Of those whose price is known.
        unpriced: Answers whose price is not.
    """

    answered: int
    failed: int
    abandoned: int
    under_way: int
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
    """The counts of one model, in *meter* too."""

    def __init__(self, model: str, meter: Meter) -> None:
        self._answered = self._failed = self._abandoned = self._prompt = self._completion = self._unpriced = 0
        self._cost = 0.0
        self._calls = {
            outcome: meter.counter("runtime.llm.calls", "calls", model=model, outcome=outcome)
            for outcome in ("answered", "failed", "abandoned")
        }
        self._tokens = {
            direction: meter.counter("runtime.llm.tokens", "tokens", model=model, direction=direction)
            for direction in ("prompt", "completion")
        }
        self._usd = meter.counter("runtime.llm.cost", "usd", model=model)
        self._first = meter.histogram("runtime.llm.first", model=model)
        self._duration = meter.histogram("runtime.llm.duration", model=model)

    def answered(self, usage: Usage, cost: float | None, *, first_s: float, took_s: float) -> None:
        """Count an answer."""
        self._answered += 1
        self._unpriced += cost is None
        self._calls["answered"].add()
        self._first.record(round(first_s * 1e9))
        self._duration.record(round(took_s * 1e9))
        self._spend(usage, cost)

    def failed(self) -> None:
        """Count a call that was not answered."""
        self._failed += 1
        self._calls["failed"].add()

    def abandoned(self) -> None:
        """Count a call whose caller went away."""
        self._abandoned += 1
        self._calls["abandoned"].add()

    def broken(self, usage: Usage, cost: float | None) -> None:
        """Count what a call used that was broken off or abandoned."""
        self._spend(usage, cost)

    def statistics(self, *, under_way: int, waiting: int) -> ModelStatistics:
        """Return the counts."""
        return ModelStatistics(
            self._answered,
            self._failed,
            self._abandoned,
            under_way,
            waiting,
            self._prompt,
            self._completion,
            self._cost,
            self._unpriced,
        )

    def _spend(self, usage: Usage, cost: float | None) -> None:
        self._prompt += usage.prompt
        self._completion += usage.completion
        self._cost += cost or 0.0
        self._tokens["prompt"].add(usage.prompt)
        self._tokens["completion"].add(usage.completion)
        self._usd.add(cost or 0.0)
