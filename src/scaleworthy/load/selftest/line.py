"""One line of the self-test's table, and what it means when a line does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Proof = Literal["counts", "rate", "stall", "slow", "limited", "trust"]
Speed = Literal["declarative", "python", "websocket", "http/2"]

MEANS: dict[Proof, str] = {
    "counts": "requests are counted that the server did not get, or the reverse: no number of a run can be trusted. Please report it",
    "rate": "starts come late: something else uses this machine's cores; numbers of an open load contain that lateness",
    "stall": "a stop of the server is not seen as it should be: percentiles of an open load cannot be trusted here",
    "slow": "a known service time is not read as it is: on a busy machine it reads longer, and so will your service's",
    "limited": "the capacity of a queue is not read as it is: the machine is too busy, or capacities measured here are wrong",
    "trust": "lag p99 is above 1 ms even at the lowest rate tried: measure from a quieter machine",
}
"""By proof: what to make of a line that did not hold."""


@dataclass(frozen=True, slots=True)
class Line:
    """What was tried, what should come out, and what did.

    Attributes:
        speed: What sent: the engine alone, Python scenarios, messages on WebSockets, or HTTP/2.
        held: None where nothing was to hold: a figure, or what is not proved here.
    """

    proof: Proof
    speed: Speed
    what: str
    wanted: str
    got: str
    held: bool | None
