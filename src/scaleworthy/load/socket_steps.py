"""What stands among the steps of a WebSocket: messages, pings, pauses, and the steps that decide what comes next."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from scaleworthy.load.flow import IfStep, LogStep, Loop, LoopStep, SetStep
from scaleworthy.load.messages import MessageStep, PingStep
from scaleworthy.load.think import ThinkStep


class SocketLoop(Loop):
    """A loop whose steps are taken on the socket."""

    steps: Annotated[list[SocketStep], Field(min_length=1, max_length=10_000)]  # type: ignore[assignment]  # fewer kinds


class SocketLoopStep(LoopStep):
    """Steps on the socket that are taken again and again."""

    loop: SocketLoop


class SocketIfStep(IfStep):
    """Steps on the socket that are taken where a condition holds, and others where it does not."""

    steps: Annotated[list[SocketStep], Field(min_length=1, max_length=10_000)]  # type: ignore[assignment]  # fewer kinds
    otherwise: Annotated[list[SocketStep], Field(max_length=10_000)] = Field(default_factory=list, alias="else")  # type: ignore[assignment]


_TOLD_BY_WORD: dict[str, type[Any]] = {
    "think": ThinkStep,
    "ping": PingStep,
    "loop": SocketLoopStep,
    "if": SocketIfStep,
    "set": SetStep,
    "log": LogStep,
}


def _kind_of(step: Any) -> str:
    for word, kind in _TOLD_BY_WORD.items():
        if isinstance(step, kind) or (isinstance(step, dict) and word in step):
            return word
    return "message"


SocketStep = Annotated[
    Annotated[MessageStep, Tag("message")]
    | Annotated[PingStep, Tag("ping")]
    | Annotated[ThinkStep, Tag("think")]
    | Annotated[SocketLoopStep, Tag("loop")]
    | Annotated[SocketIfStep, Tag("if")]
    | Annotated[SetStep, Tag("set")]
    | Annotated[LogStep, Tag("log")],
    Discriminator(_kind_of),
]

for _model in (SocketLoop, SocketLoopStep, SocketIfStep):
    _model.model_rebuild(_types_namespace={"SocketStep": SocketStep})


def native_steps(steps: Sequence[SocketStep], label: str, base: str) -> list[dict[str, Any]]:
    """Return the engine's form; *label* is the opening's name, which those without a name are numbered under."""
    return list(_native(steps, label, base, itertools.count(1)))


def _native(steps: Sequence[SocketStep], label: str, base: str, numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    for step in _joined(steps):
        number = next(numbers)
        match step:
            case LoopStep():
                yield step.around(list(_native(step.loop.steps, label, base, numbers)))
            case IfStep():
                holds, otherwise = (list(_native(part, label, base, numbers)) for part in (step.steps, step.otherwise))
                yield step.around(holds, otherwise)
            case PingStep():
                yield step.to_native(f"{label} ping"[:200])
            case MessageStep():
                yield step.to_native(f"{label} message {number}"[:200])
            case _:
                yield step.to_native(base)


def _joined(steps: Sequence[SocketStep]) -> list[SocketStep]:
    """Return the steps with each send and the receive right behind it made one exchange."""
    made: list[SocketStep] = []
    for step in steps:
        before = made[-1] if made else None
        pair = before.joined(step) if isinstance(before, MessageStep) and isinstance(step, MessageStep) else None
        if pair is not None:
            made[-1] = pair
        else:
            made.append(step)
    return made
