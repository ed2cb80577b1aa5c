"""Read and check a price book: what servers, databases, caches, storage and traffic cost.

Units:    per hour, per GB-month and per GB in the book's currency; GB are 10⁹ bytes; a month has 730 hours.
Not here: how much of each is needed (growth.py).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scaleworthy.errors import InvalidInput, UsageError

HOURS_PER_MONTH = 730.0
SIZES_MAX = 200
Above = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotBelow = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1, max_length=300)]


_HINT = "docs/capacity.md, Prices, shows the sections; what your file leaves out comes from the shipped list prices"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSize(_Part):
    """One size of server that can be rented."""

    name: Text
    vcpus: Annotated[int, Field(gt=0)]
    memory_gb: Above
    per_hour: NotBelow

    @property
    def per_month(self) -> float:
        """What it costs in a month of 730 hours."""
        return self.per_hour * HOURS_PER_MONTH


class Sizes(_Part):
    """The sizes of one kind of server, smallest first."""

    source: Text
    sizes: Annotated[tuple[ServerSize, ...], Field(min_length=1, max_length=SIZES_MAX)]

    @property
    def by_vcpus(self) -> tuple[ServerSize, ...]:
        """The sizes in order of cores, then price."""
        return tuple(sorted(self.sizes, key=lambda size: (size.vcpus, size.per_hour)))

    @property
    def biggest(self) -> ServerSize:
        """The size with the most cores."""
        return max(self.sizes, key=lambda size: (size.vcpus, size.memory_gb))


class Storage(_Part):
    """Disk of the database, and its backups."""

    source: Text
    database_per_gb_month: NotBelow
    backup_per_gb_month: NotBelow


class EgressTier(_Part):
    """A price per GB that holds up to so many GB a month; without `up_to_gb` it holds for all further ones."""

    per_gb: NotBelow
    up_to_gb: Above | None = None


class Egress(_Part):
    """Traffic to the internet, in tiers."""

    source: Text
    tiers: Annotated[tuple[EgressTier, ...], Field(min_length=1, max_length=SIZES_MAX)]

    @model_validator(mode="after")
    def _tiers_rise(self) -> Self:
        ends = [tier.up_to_gb for tier in self.tiers]
        if ends[-1] is not None:
            raise ValueError("the last tier must have no up_to_gb, so that every amount has a price")
        known = [end for end in ends[:-1] if end is not None]
        if len(known) < len(ends) - 1 or known != sorted(set(known)):
            raise ValueError("every tier but the last needs an up_to_gb above that of the tier before")
        return self

    def cost(self, amount_gb: float) -> float:
        """Return what *amount_gb* in one month costs."""
        total, start = 0.0, 0.0
        for tier in self.tiers:
            end = tier.up_to_gb if tier.up_to_gb is not None else float("inf")
            total += max(0.0, min(amount_gb, end) - start) * tier.per_gb
            start = end
        return total


class LoadBalancer(_Part):
    """What stands before several application servers."""

    source: Text
    per_month: NotBelow


class PriceBook(_Part):
    """All prices of one state: day, currency and region."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    state: date
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    region: Text
    compute: Sizes
    database: Sizes
    cache: Sizes
    storage: Storage
    egress: Egress
    load_balancer: LoadBalancer

    def describe(self, own: bool = False) -> str:
        """Return in one sentence what these prices are."""
        if own:
            return f"Prices: your own file, state {self.state}, {self.currency}, {self.region}."
        return (
            f"Prices: public list prices, state {self.state}, {self.currency}, {self.region}, typed in by hand; "
            f"name your own with --prices FILE."
        )


def load_prices(path: Path | str | None = None) -> PriceBook:
    """Return the price book that ships with Scaleworthy, with the sections of the file *path* in place of its own.

    Raises:
        UsageError: The file cannot be read.
        InvalidInput: Every problem of the file, each as `database.sizes[2].per_hour: must be at least 0, got -1`.
    """
    book = tomllib.loads(resources.files("scaleworthy.capacity").joinpath("prices.toml").read_text(encoding="utf-8"))
    if path is None:
        return PriceBook.model_validate(book)
    own = _read(Path(path))
    missing = [
        f"{name}: is required; say as of when, and in what, your prices are"
        for name in ("state", "currency")
        if name not in own
    ]
    try:
        merged = PriceBook.model_validate({**book, **own})
    except ValidationError as error:
        raise InvalidInput(f"prices {str(path)!r}", [*missing, *_problems(error)], hint=_HINT) from None
    if missing:
        raise InvalidInput(f"prices {str(path)!r}", missing, hint=_HINT)
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"prices {str(path)!r} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"prices {str(path)!r} is not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"prices {str(path)!r}", [f"not TOML: {error}"], hint=_HINT) from error


def _problems(error: ValidationError) -> list[str]:
    found = []
    for item in error.errors(include_url=False):
        where = _place(item["loc"])
        if item["type"] == "extra_forbidden":
            text = "unknown field"
        elif item["type"] == "missing":
            text = "is required"
        else:
            message = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
            text = f"{message}, got {str(item['input'])[:60]!r}"
        found.append(f"{where}: {text}")
    return found


def _place(parts: Sequence[str | int]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
