"""Voice commands: what was said, what it wants, and what was done about it.

A model reads the words, within its deadline; rules read them where it cannot, and the answer says that it is degraded and why. Either way
the intent is one of a few, and what is done is done by the same code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints

from scaleworthy.errors import ScaleworthyError
from scaleworthy.runtime.llm import Completion
from scaleworthy.runtime.tenant import acting_for
from scaleworthy.switchboard.conversing import Turn, full, keeping
from scaleworthy.switchboard.database import Statement
from scaleworthy.switchboard.intents import INTENTS, Command, read_command, with_intent
from scaleworthy.switchboard.queries import commands as sql
from scaleworthy.switchboard.refusal import not_found, unprocessable
from scaleworthy.switchboard.request import AnyCaller, Caller

router = APIRouter(tags=["voice"])

_DEADLINE = "2s"
_TOKENS_MOST = 512
_SCHEMA = {
    "type": "object",
    "properties": {"intent": {"type": "string", "enum": list(INTENTS)}, "subject": {"type": "string"}},
    "required": ["intent", "subject"],
    "additionalProperties": False,
}
_INSTRUCTION = (
    "Read a voice command to a CRM. Answer with JSON: intent, one of create_task, add_note, find_lead, unknown; subject, what the task,"
    " the note or the search is about, in the speaker's words."
)

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class Spoken(BaseModel):
    """What was said, as text, and what it was said about: a lead, or the lead of a call."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)] = Field(
        validation_alias=AliasChoices("text", "command", "transcript")
    )
    lead_id: Id | None = Field(None, validation_alias=AliasChoices("lead_id", "leadId"))
    call_id: Id | None = Field(None, validation_alias=AliasChoices("call_id", "callId"))
    conversation_id: Id | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """What the words were read as, by whom, and why not by a model."""

    command: Command
    answer: Completion | None
    degraded: str | None


@router.post("/voice/process", response_model=None)
async def process(caller: AnyCaller, spoken: Spoken) -> Any:
    """Do what was said: create a task, add a note to a lead, or find leads by name."""
    read = await _read(caller, spoken.text)
    command = read.command
    lead_id = await _lead_of(caller, spoken, command)
    action, reply, statement = _doing(caller, command, lead_id)
    answered = Turn("assistant", reply) if read.answer is None else _with_reply(read.answer, reply)
    keep = keeping(
        caller,
        "voice",
        [Turn("user", spoken.text), answered],
        conversation_id=spoken.conversation_id,
        lead_id=lead_id,
    )
    *done, kept = await caller.run(*([statement] if statement is not None else []), keep)
    if not kept:
        raise full(spoken.conversation_id)
    return caller.service.answer(
        {
            "tenant_id": caller.tenant.id,
            "conversation_id": kept[0]["id"],
            "intent": command.intent,
            "subject": command.subject,
            "read_by": "rules" if read.answer is None else read.answer.model,
            "degraded": read.degraded,
            "action": None if action is None else {"type": action, "result": _result(action, done[0])},
            "reply": reply,
            "tokens": answered.tokens,
            "cost_usd": answered.cost_usd,
        }
    )


async def _read(caller: Caller, text: str) -> _Read:
    """Return what *text* wants, as a model reads it, or rules where none can."""
    now = caller.service.now()
    models = caller.service.models
    by_rules = read_command(text, now=now)
    if models.gateway is None:
        return _Read(by_rules, None, "no model endpoint is configured")
    wanted = {"type": "json_schema", "json_schema": {"name": "command", "strict": True, "schema": _SCHEMA}}
    messages = [{"role": "system", "content": _INSTRUCTION}, {"role": "user", "content": text}]
    try:
        # Kept answers are the tenant's own.
        with acting_for(str(caller.tenant.id)):
            answer = await models.gateway.complete(
                messages,
                model=models.members[0],
                deadline=_DEADLINE,
                temperature=0,
                max_tokens=_TOKENS_MOST,
                response_format=wanted,
            )
    except ScaleworthyError as error:
        return _Read(by_rules, None, error.message)
    said = _as_object(answer.text)
    intent = said.get("intent")
    if intent not in INTENTS:
        return _Read(by_rules, None, f"{answer.model} did not answer as it was asked to")
    subject = said.get("subject")
    command = with_intent(intent, subject if isinstance(subject, str) and subject.strip() else text, now=now)
    if by_rules.intent == intent:
        # Rules that know the form know what remains of it, to the letter.
        command = by_rules
    return _Read(command, answer, None)


def _as_object(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


async def _lead_of(caller: Caller, spoken: Spoken, command: Command) -> int | None:
    """Return the lead that is meant: as given, else as said, else of the call.

    Raises:
        Refusal: The one that is given or said is not this tenant's.
    """
    wanted = spoken.lead_id or command.lead_id
    if wanted is None and spoken.call_id is None:
        return None
    [rows] = await caller.run(Statement(sql.LEAD, {"lead_id": wanted, "call_id": spoken.call_id}))
    if not rows and spoken.lead_id is not None:
        raise unprocessable("body.lead_id", "this tenant has no such lead")
    if not rows and wanted is not None:
        raise not_found("lead", wanted)
    number: int | None = rows[0]["id"] if rows else None
    return number


def _doing(caller: Caller, command: Command, lead_id: int | None) -> tuple[str | None, str, Statement | None]:
    """Return what is done, what is said of it, and the statement that does it."""
    values = {"tenant_id": caller.tenant.id, "now": caller.service.now(), "lead_id": lead_id}
    subject = command.subject
    if command.intent == "create_task":
        due = f", due {command.due_at:%A %d %B, %H:%M}" if command.due_at is not None else ""
        values |= {"title": subject[:200], "notes": subject[200:], "due_at": command.due_at}
        return "task", f"Task created: {subject[:200]}{due}.", Statement(sql.TASK, values)
    if command.intent == "add_note":
        if lead_id is None:
            return None, "Which lead is the note for?", None
        return "note", f"Noted for lead {lead_id}.", Statement(sql.NOTE, values | {"note": subject})
    if command.intent == "find_lead":
        return "leads", f"Looking for {subject}.", Statement(sql.FIND, {"subject": subject})
    return None, "I can create a task, add a note to a lead, or find a lead.", None


def _with_reply(answer: Completion, reply: str) -> Turn:
    """Return our reply as the turn, with what the model used to read the words."""
    read = Turn.of("assistant", answer)
    return Turn("assistant", reply, read.model, read.tokens, read.cost_usd)


def _result(action: str, rows: list[dict[str, Any]]) -> Any:
    return rows if action == "leads" else rows[0]
