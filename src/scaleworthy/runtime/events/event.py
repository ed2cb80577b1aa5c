"""An event: something that has happened to an aggregate of a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson


@dataclass(frozen=True, slots=True)
class Event:
    """Events of one tenant's one aggregate keep their order; *id* tells a handler that has seen it already.

    Args:
        topic: What has happened, `lead.created` for example. It is published to the channel before the first dot, `lead`, so that all
            that happens to a lead stays in order.
        aggregate: What it has happened to, `lead:5` for example.
        payload: What there is to know, as JSON.
        tenant: Whose it is.
        id: Given by us where it is not given.
        headers: Of text, for what is not the payload's: a request's id, for example.
        at: When it was written; set by the outbox.
        number: Its place in the outbox; set there.
    """

    topic: str
    aggregate: str
    payload: Any
    tenant: str = ""
    id: UUID = field(default_factory=uuid4)
    headers: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None
    number: int = 0

    @property
    def key(self) -> str:
        """What events are kept in order by."""
        return f"{self.tenant}/{self.aggregate}"

    @property
    def channel(self) -> str:
        """Where it is published: the topic up to its first dot."""
        return self.topic.partition(".")[0]

    def to_json(self) -> bytes:
        """Return the form it is published in."""
        return orjson.dumps(
            {
                "id": self.id,
                "topic": self.topic,
                "tenant": self.tenant,
                "aggregate": self.aggregate,
                "at": self.at,
                "number": self.number,
                "headers": dict(self.headers),
                "payload": self.payload,
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> Event:
        """Return what `to_json` wrote.

        Raises:
            ValueError: It is none.
        """
        try:
            said = orjson.loads(data)
            return cls(
                topic=said["topic"],
                aggregate=said["aggregate"],
                payload=said["payload"],
                tenant=said["tenant"],
                id=UUID(said["id"]),
                headers=said["headers"],
                at=None if said["at"] is None else datetime.fromisoformat(said["at"]),
                number=said["number"],
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this is no event: {data[:80]!r}") from error
