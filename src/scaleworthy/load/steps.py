"""What one user does: requests, calls of gRPC, WebSockets, time to think, and the steps that decide what comes next."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from scaleworthy.load import flow
from scaleworthy.load.base import PlanPart
from scaleworthy.load.flow import IfStep, LogStep, Loop, LoopStep, ParallelStep, SetStep, requests_of
from scaleworthy.load.grpc_step import GrpcStep
from scaleworthy.load.messages import MessageStep, PingStep
from scaleworthy.load.request_step import RequestStep
from scaleworthy.load.think import ThinkStep
from scaleworthy.load.websocket import WebSocketStep

STEP_KINDS: dict[str, type[PlanPart]] = {
    "request": RequestStep,
    "grpc": GrpcStep,
    "think": ThinkStep,
    "loop": LoopStep,
    "if": IfStep,
    "parallel": ParallelStep,
    "set": SetStep,
    "log": LogStep,
    "websocket": WebSocketStep,
    "message": MessageStep,
    "ping": PingStep,
}
"""Every kind of step, by the word that tells it; `message` and `ping` stand inside a WebSocket alone."""

_TOLD_BY_WORD = ("grpc", "think", "loop", "if", "parallel", "set", "log", "websocket")


def _kind_of(step: Any) -> str:
    for kind in _TOLD_BY_WORD:
        if isinstance(step, STEP_KINDS[kind]) or (isinstance(step, dict) and kind in step):
            return kind
    return "request"


Step = Annotated[
    Annotated[RequestStep, Tag("request")]
    | Annotated[GrpcStep, Tag("grpc")]
    | Annotated[ThinkStep, Tag("think")]
    | Annotated[LoopStep, Tag("loop")]
    | Annotated[IfStep, Tag("if")]
    | Annotated[ParallelStep, Tag("parallel")]
    | Annotated[SetStep, Tag("set")]
    | Annotated[LogStep, Tag("log")]
    | Annotated[WebSocketStep, Tag("websocket")],
    Discriminator(_kind_of),
]
Steps = Annotated[list[Step], Field(min_length=1, max_length=10_000)]

flow.Step = Step  # type: ignore[attr-defined]  # steps hold steps: the kinds are known only here
for _kind in (Loop, LoopStep, IfStep, ParallelStep):
    _kind.model_rebuild(_types_namespace={"Step": Step})


class Scenario(PlanPart):
    """Steps in order; users and arrivals choose among a plan's scenarios by weight.

    Attributes:
        cookies: Whether each iteration keeps the cookies it is given, and sends them back.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    weight: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    cookies: bool = True
    steps: Steps

    @model_validator(mode="after")
    def _sends_something(self) -> Scenario:
        if not _sends(self.steps):
            raise ValueError(f"scenario {self.name!r} sends no request")
        return self

    @property
    def requests(self) -> int:
        """How many requests one iteration makes; of loops and conditions what can be told before the run."""
        return requests_of(self.steps)

    def to_native(self, base: str) -> dict[str, Any]:
        """Return the engine's form."""
        steps = [step.to_native(base) for step in self.steps]
        return {"name": self.name, "weight": float(self.weight), "cookies": self.cookies, "steps": steps}


def _sends(steps: list[Any]) -> bool:
    return any(
        isinstance(step, RequestStep | GrpcStep | WebSocketStep) or any(_sends(inner) for _, inner in within(step))
        for step in steps
    )


def within(step: Any) -> list[tuple[str, list[Any]]]:
    """Return the lists of steps that stand in *step*, each with its place there."""
    match step:
        case LoopStep():
            return [("loop.steps", step.loop.steps)]
        case IfStep():
            return [("steps", step.steps), ("else", step.otherwise)]
        case ParallelStep():
            return [(f"parallel[{at}]", branch) for at, branch in enumerate(step.parallel)]
        case WebSocketStep():
            return [("steps", step.steps)]
        case _:
            return []
