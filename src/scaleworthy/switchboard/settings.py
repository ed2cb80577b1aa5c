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
        replicas: Its replicas, as the same role.
        relay_dsn: The database, as the role that reads the outbox; None: nobody takes from it.
        follower_dsn: The database, as the role that reads its log; None: what is kept ends by time.
        cache: URL of the cache; None: there is none.
        default_key: Key of the demo tenant, taken where a request has none; None: each request needs its own.
        webhook_secret: What payment events are signed with; None: no signature is accepted.
        llm: Where language models are asked, up to `/v1`; None: there are none.
        llm_key: The bearer token for it.
        llm_models: Names of models there, the chair first; an empty tuple: those of `switchboard llm`.
        tasks: Where tasks of `/integrations` are made; None: nowhere, they stay queued.
        councils_per_minute: Of each tenant, in each process.
        tenant_rate: Requests that a tenant may send each process, such as `500/s`; None: as the shape says.
        process, processes: Which of how many processes this is.
        kafka: Brokers that every event of the outbox goes to; None: there are none.
        figures: Folder in which the processes tell each other what they count; None: there is one process.
    """

    shape: str
    dsn: str
    replicas: tuple[str, ...] = ()
    cache: str | None = None
    default_key: str | None = None
    webhook_secret: str | None = None
    llm: str | None = None
    llm_key: str | None = None
    llm_models: tuple[str, ...] = ()
    tasks: str | None = None
    councils_per_minute: int = 600
    tenant_rate: str | None = None
    process: int = 0
    processes: int = 1
    figures: str | None = None
    relay_dsn: str | None = None
    follower_dsn: str | None = None
    kafka: str | None = None

    def to_json(self) -> str:
        """Return the settings on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Return the settings that `to_json` wrote."""
        values = json.loads(text)
        return cls(**values | {"llm_models": tuple(values["llm_models"])})
