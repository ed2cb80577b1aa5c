"""The part of a summary that only runs with WebSockets have."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from scaleworthy.load.summary_times import Times, times_of
from scaleworthy.series import Store


class WebSockets(BaseModel):
    """What happened on a run's WebSockets, all together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opened: int
    messages_sent: int
    messages_received: int
    round_trip_ms: Times
    ping_ms: Times
    closes: dict[str, int]


def websockets_of(store: Store, window: tuple[int, int]) -> WebSockets | None:
    """Return what the series of *window* say of WebSockets; None where there were none."""
    statuses = store.by_label("load.statuses", "status", labels={}, window=window)
    sent, received = (
        round(store.total(f"load.ws.messages_{what}", labels={}, window=window)) for what in ("sent", "received")
    )
    closes = store.by_label("load.ws.closes", "code", labels={}, window=window)
    opened = round(statuses.get("101", 0))
    if not (opened or sent or received or closes):
        return None
    return WebSockets(
        opened=opened,
        messages_sent=sent,
        messages_received=received,
        round_trip_ms=times_of(store.histogram("load.ws.round_trip", labels={}, window=window)),
        ping_ms=times_of(store.histogram("load.ws.ping", labels={}, window=window)),
        closes={code: round(count) for code, count in sorted(closes.items()) if count},
    )
