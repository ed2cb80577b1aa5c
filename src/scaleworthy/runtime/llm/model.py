"""A model of a provider: where it is asked, how much of it may be, what it costs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from scaleworthy.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Provider:
    """An endpoint that speaks OpenAI's chat completions.

    Args:
        name: For messages and statistics.
        url: Up to `/v1`.
        key: Sent as a bearer token; never written anywhere.
    """

    name: str
    url: str
    key: str | None = None

    def __repr__(self) -> str:
        return f"Provider(name={self.name!r}, url={self.url!r})"


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a provider.

    Args:
        name: As the provider calls it.
        provider: Who has it.
        requests_per_minute, tokens_per_minute: What the provider lets through; None: without limit.
        fallbacks: Names of models that are asked where this one refuses, fails or is too slow, in this order.
        timeout_s: How long an answer may take to begin.
    """

    name: str
    provider: Provider
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    fallbacks: tuple[str, ...] = ()
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as the provider counted them; `estimated` where it did not say."""

    prompt: int
    completion: int
    estimated: bool = False

    @property
    def total(self) -> int:
        """All of them."""
        return self.prompt + self.completion


class Prices:
    """US dollars for a million tokens, by model: `prices.toml`, or a file of yours in its form.

    A model that is not in the file costs None, not nothing.
    """

    def __init__(self, prices: Mapping[str, tuple[float, float]], *, as_of: str) -> None:
        self._prices = dict(prices)
        self.as_of = as_of

    @classmethod
    def read(cls, path: Path | None = None) -> Prices:
        """Return the prices of the file at *path*; None: those that came with this package, as of the date they say.

        Raises:
            InvalidInput: With everything that is wrong in the file.
        """
        text = (files("scaleworthy.runtime.llm") / "prices.toml").read_text() if path is None else path.read_text()
        try:
            said = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(f"the prices in {path}", [str(error)]) from error
        problems, prices = [], {}
        for name, price in said.get("models", {}).items():
            match price:
                case {"input": int() | float() as each_in, "output": int() | float() as each_out} if (
                    min(each_in, each_out) >= 0
                ):
                    prices[name] = (float(each_in), float(each_out))
                case _:
                    problems.append(
                        f"models.{name!r}: input and output, dollars for a million tokens, are wanted; got {price!r}"
                    )
        if not isinstance(said.get("as_of"), str):
            problems.append("as_of: the date of the prices is wanted")
        if problems:
            raise InvalidInput(f"the prices in {path or 'prices.toml'}", problems)
        return cls(prices, as_of=said["as_of"])

    def of(self, model: str, usage: Usage) -> float | None:
        """Return what a call cost, dollars; None: nobody knows."""
        price = self._prices.get(model)
        return None if price is None else (usage.prompt * price[0] + usage.completion * price[1]) / 1e6
