"""What a service process is told at its start."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of one service process.

    Attributes:
        shape: Name of the shape.
        dsn: The database, as the role that owns nothing.
        cache: URL of the cache; None: there is none.
        default_key: Key of the demo tenant, taken where a request has none; None: each request needs its own.
        webhook_secret: What payment events are signed with; None: no signature is accepted.
    """

    shape: str
    dsn: str
    cache: str | None = None
    default_key: str | None = None
    webhook_secret: str | None = None

    def to_json(self) -> str:
        """Return the settings on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Return the settings that `to_json` wrote."""
        return cls(**json.loads(text))
