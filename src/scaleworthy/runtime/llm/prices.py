"""What calls cost: a list of prices with its date and sources, ours or a file of yours in the same form."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from scaleworthy.errors import InvalidInput
from scaleworthy.runtime.llm.model import Usage


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens; *cached*: of the prompt's tokens that the provider had seen before, None: as the others.

    `source` and `as_of` say where it is from, and of which day.
    """

    input: float
    output: float
    cached: float | None = None
    source: str = ""
    as_of: date | None = None

    def of(self, usage: Usage) -> float:
        """Return what a call cost, dollars."""
        again = self.input if self.cached is None else self.cached
        fresh = usage.prompt - usage.cached
        return (fresh * self.input + usage.cached * again + usage.completion * self.output) / 1e6


class Prices:
    """Prices by model: `prices.toml`, or a file of yours in its form.

    A model that is not in the file costs None, not nothing.

    Attributes:
        as_of: The date of the prices, of several the oldest.
        sources: Where they are from.
    """

    def __init__(self, prices: Mapping[str, Price], *, as_of: date, sources: tuple[str, ...] = ()) -> None:
        self._prices = dict(prices)
        self.as_of = as_of
        self.sources = sources

    @classmethod
    def read(cls, path: Path | None = None) -> Prices:
        """Return the prices of the file at *path*; None: those that came with this package, as of the date they say.

        Raises:
            InvalidInput: With everything that is wrong in the file.
        """
        name = path or "prices.toml"
        try:
            text = (files("scaleworthy.runtime.llm") / "prices.toml").read_text() if path is None else path.read_text()
            said = tomllib.loads(text)
        except (OSError, ValueError) as error:
            raise InvalidInput(f"the prices in {name}", [str(error)]) from error
        problems: list[str] = []
        models, as_of, sources = said.get("models"), said.get("as_of"), said.get("sources")
        listed = isinstance(sources, list) and all(isinstance(one, str) for one in sources)
        common = "; ".join(sources) if isinstance(sources, list) and listed else ""
        prices = _prices(models if isinstance(models, dict) else {}, as_of, common, problems)
        if not prices and not problems:
            problems.append("models: a table of models is wanted")
        dates = [price.as_of for price in prices.values() if type(price.as_of) is date]
        if len(dates) < len(prices):
            problems.append(
                f"as_of: the date of the prices is wanted, such as 2026-11-01 without quotes; got {as_of!r}"
            )
        if (not listed and sources is not None) or not all(price.source for price in prices.values()):
            problems.append(f"sources: a list of where the prices are from is wanted; got {sources!r}")
        if problems:
            raise InvalidInput(f"the prices in {name}", problems)
        return cls(prices, as_of=min(dates), sources=tuple(dict.fromkeys(price.source for price in prices.values())))

    def of(self, model: str, usage: Usage) -> float | None:
        """Return what a call cost, dollars; None: nobody knows."""
        price = self.price(model)
        return None if price is None else price.of(usage)

    def price(self, model: str) -> Price | None:
        """Return the price of *model*, with its source and its date; None: nobody knows."""
        return self._prices.get(model)

    def __contains__(self, model: object) -> bool:
        return model in self._prices


def _prices(said: Mapping[str, Any], as_of: Any, source: str, problems: list[str]) -> dict[str, Price]:
    """Return the price of each model in *said*, of *as_of* and from *source* where it does not say of when and from where itself."""
    prices = {}
    for name, price in said.items():
        known = dict(price) if isinstance(price, dict) else {}
        own_as_of, own_source = known.pop("as_of", as_of), known.pop("source", source)
        each = [known.pop(key, None) for key in ("input", "output")] + [known.pop("cached", 0.0)]
        if known or not all(isinstance(one, (int, float)) and 0 <= one < float("inf") for one in each):
            problems.append(
                f"models.{name!r}: input, output and, if you like, cached are wanted, dollars for a million tokens; got {price!r}"
            )
            continue
        cached = float(each[2]) if "cached" in price else None
        prices[name] = Price(float(each[0]), float(each[1]), cached, str(own_source), own_as_of)
    return prices
