"""How the local model endpoint behaves: its speed, its limits, and the share of each fault."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from scaleworthy.errors import InvalidInput

FAULTS = ("failed", "stalled", "paused", "broken", "half", "garbled", "mangled", "endless")


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """How the endpoint behaves.

    Args:
        first_s: Until the first token.
        tokens_per_s: From then on.
        tokens: Of an answer, unless the request's max_tokens is lower.
        requests_per_minute, tokens_per_minute: Of each model; beyond them 429 with Retry-After. None: without limit.
        failed: Share of requests that are answered 500.
        stalled: Share of requests that are never answered.
        paused: Share of answers that stop half-way and stay open.
        broken: Share of answers whose connection is cut half-way.
        half: Share of answers that end, properly, within an event.
        garbled: Share of answers with an event that is no JSON.
        mangled: Share of answers with an event that is no UTF-8.
        endless: Share of answers that go on, at any rate, until the client leaves.
        seed: Of these.
        models: Names it answers to; an empty tuple: to any.
        key: The bearer token it wants; None: any or none.

    Raises:
        InvalidInput: With everything that cannot be.
    """

    first_s: float = 0.05
    tokens_per_s: float = 200.0
    tokens: int = 40
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    failed: float = 0.0
    stalled: float = 0.0
    paused: float = 0.0
    broken: float = 0.0
    half: float = 0.0
    garbled: float = 0.0
    mangled: float = 0.0
    endless: float = 0.0
    seed: int = 1
    models: tuple[str, ...] = ()
    key: str | None = None

    def __post_init__(self) -> None:
        """Check all at once."""
        shares = [getattr(self, name) for name in FAULTS]
        problems = [
            f"{name}: a share from 0 to 1 is wanted, got {share:g}"
            for name, share in zip(FAULTS, shares, strict=True)
            if not 0 <= share <= 1
        ]
        if not problems and sum(shares) > 1 + 1e-9:
            problems.append(f"{', '.join(FAULTS)}: shares of at most 1 together are wanted, got {sum(shares):g}")
        for name in ("tokens_per_s", "tokens", "requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                problems.append(f"{name}: above 0 is wanted, got {value:g}")
        if not self.first_s >= 0:
            problems.append(f"first_s: 0 or more is wanted, got {self.first_s:g}")
        if problems:
            raise InvalidInput("this model endpoint cannot be", problems)

    def to_json(self) -> str:
        """Return the settings on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> LlmSettings:
        """Return the settings that `to_json` wrote."""
        return changed(cls(), json.loads(text))

    def fault(self, chance: float) -> str | None:
        """Return which fault a request has whose lot, from 0 to 1, is *chance*."""
        for name in FAULTS:
            chance -= getattr(self, name)
            if chance < 0:
                return name
        return None


def changed(settings: LlmSettings, wanted: dict[str, Any]) -> LlmSettings:
    """Return *settings* with the values *wanted*.

    Raises:
        InvalidInput: With everything that is no setting, or cannot be.
    """
    known = [each.name for each in fields(LlmSettings)]
    problems = [f"{name}: one of {', '.join(known)} is wanted" for name in sorted(set(wanted) - set(known))]
    models = wanted.get("models", ())
    if not isinstance(models, list | tuple) or not all(isinstance(name, str) for name in models):
        problems.append(f"models: a list of names is wanted, got {models!r}")
    if problems:
        raise InvalidInput("this model endpoint cannot be", problems)
    if "models" in wanted:
        wanted = wanted | {"models": tuple(models)}
    try:
        return replace(settings, **wanted)
    except TypeError as error:
        raise InvalidInput("this model endpoint cannot be", [str(error)]) from error
