"""A model of a provider: where it is asked, how much of it may be, and what a call of it used."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from scaleworthy.errors import InvalidInput

Refill: TypeAlias = Literal["window", "steady"]


@dataclass(frozen=True, slots=True)
class Provider:
    """An endpoint that speaks OpenAI's chat completions.

    Args:
        name: For messages and statistics.
        url: Up to `/v1`.
        key: Sent as a bearer token; never written anywhere.
        headers: Sent beside, such as an organisation's.
        tls: How https is spoken; None: Python's default, which checks certificates.

    Raises:
        InvalidInput: With everything that cannot be sent.
    """

    name: str
    url: str
    key: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    tls: ssl.SSLContext | None = field(default=None, compare=False)
    head: bytes = field(init=False, repr=False, compare=False)
    """What each request begins with."""

    def __post_init__(self) -> None:
        """Check, and write the head of its requests."""
        parts = urlsplit(self.url)
        problems = []
        if parts.scheme not in ("http", "https") or not parts.hostname:
            problems.append(f"url: http://… or https://… up to /v1 is wanted, got {self.url!r}")
        said = [("authorization", f"Bearer {self.key}")] if self.key else []
        said += self.headers
        # The value is not repeated: it may be the key.
        problems += [
            f"{name}: characters that a header cannot hold"
            for name, value in said
            if not (name + value).isascii() or not (name + value).isprintable()
        ]
        if problems:
            raise InvalidInput(f"the provider {self.name!r} cannot be", problems)
        lines = [f"POST {parts.path.rstrip('/')}/chat/completions HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}"]
        lines += ["content-type: application/json", "accept: text/event-stream", "user-agent: scaleworthy"]
        lines += [f"{name}: {value}" for name, value in said]
        object.__setattr__(self, "head", ("\r\n".join(lines) + "\r\n").encode())

    def __repr__(self) -> str:
        return f"Provider(name={self.name!r}, url={self.url!r})"


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a provider.

    Args:
        name: As the gateway's callers call it.
        provider: Who has it.
        called: As the provider and the price list call it; None: so too. The same model of two providers has two names.
        requests_per_minute, tokens_per_minute: What the provider lets through; None: without limit.
        refill: How the provider counts. `window`: in no 60 s more than the limit, which holds however it counts. `steady`: a minute's
            worth at once, then evenly on, where it fills a bucket.
        at_once: How many calls may be under way.
        queue_most: How many may wait for their turn.
        fallbacks: Names of models that are asked where this one refuses, fails or is too slow, in this order.
        timeout_s: How long an answer may take to begin, and pause.
        answer_most_bytes: An answer that is longer, as it comes over the wire, has no end.
    """

    name: str
    provider: Provider
    called: str | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    refill: Refill = "window"
    at_once: int = 200
    queue_most: int = 1_000
    fallbacks: tuple[str, ...] = ()
    timeout_s: float = 30.0
    answer_most_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        """Check all at once.

        Raises:
            InvalidInput: With every limit that cannot be.
        """
        problems = [
            f"{name}: above 0 is wanted, got {value:g}"
            for name in ("requests_per_minute", "tokens_per_minute", "at_once", "timeout_s", "answer_most_bytes")
            if (value := getattr(self, name)) is not None and not value > 0
        ]
        if self.queue_most < 0:
            problems.append(f"queue_most: 0 or more is wanted, got {self.queue_most}")
        if self.refill not in ("window", "steady"):
            problems.append(f"refill: 'window' or 'steady' is wanted, got {self.refill!r}")
        if problems:
            raise InvalidInput(f"the model {self.name!r} cannot be", problems)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as the provider counted them; `estimated` where it did not say. Of the prompt's, `cached` cost less."""

    prompt: int
    completion: int
    estimated: bool = False
    cached: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.prompt + self.completion
