"""What a voice command wants, by rules: a few English forms, quick and sure of themselves or silent.

Question: which intent do these words have, about which lead, when is it due, and what remains to be said of it?
Not here: a model's reading of the same words, and what is done about it (routes/voice.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args

Intent: TypeAlias = Literal["unknown", "create_task", "add_note", "find_lead"]
INTENTS: tuple[Intent, ...] = get_args(Intent)

# In this order: "note that we should call back" is a note, whatever it is about.
_FORMS: dict[Intent, tuple[str, ...]] = {
    "add_note": (
        r"(?:add|make|take|leave|write)(?: down)?(?: a| the)? note(?: that| saying| for| on| to| about)?",
        r"note (?:down )?(?:that|for)",
    ),
    "create_task": (
        r"remind (?:me|us) (?:to|about)",
        r"(?:create|add|make|set|open)(?: up)?(?: an?| the)?(?: new)? (?:task|reminder|to-?do|follow-?up)(?: to| for| about| that)?",
        r"follow up (?:with|on)",
        r"don'?t let me forget to",
    ),
    "find_lead": (
        r"(?:find|show|open|look up|search for|who is|pull up)(?: me)?(?: the)?(?: leads?| contacts?| customers?)?(?: named| called)?",
    ),
}
_RULES = {
    intent: re.compile(rf"\s*(?:please )?(?:{'|'.join(forms)})\b[\s:,]*", re.IGNORECASE)
    for intent, forms in _FORMS.items()
}
_LEAD = re.compile(
    r"\b(?:for |on |to |about )?(?:the )?(?:lead|customer|contact) (?:number |no\.? |#)?(\d{1,18})\b[\s:,]*",
    re.IGNORECASE,
)
_IN = re.compile(r"\bin (an?|\d{1,3}) (minute|hour|day|week)s?\b", re.IGNORECASE)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ON = re.compile(rf"\b(?:on |by |this |next )?({'|'.join(_DAYS)})\b", re.IGNORECASE)
_SOON = re.compile(r"\b(today|tonight|tomorrow|next week)\b", re.IGNORECASE)
_MORNING_H = 9


@dataclass(frozen=True, slots=True)
class Command:
    """What is wanted: `subject` is what remains of the words, `lead_id` and `due_at` what they name."""

    intent: Intent
    subject: str
    lead_id: int | None
    due_at: datetime | None


def read_command(text: str, *, now: datetime) -> Command:
    """Return what *text* wants; intent `unknown` where no rule knows its form."""
    for intent, form in _RULES.items():
        match = form.match(text)
        if match is not None:
            return with_intent(intent, text[match.end() :] or text, now=now)
    return with_intent("unknown", text, now=now)


def with_intent(intent: Intent, text: str, *, now: datetime) -> Command:
    """Return the command of *intent* about *text*: the lead and the time it names."""
    lead = _LEAD.search(text)
    subject = _LEAD.sub("", text, count=1) if lead is not None else text
    subject = re.sub(r"\s+", " ", subject).strip(" .,:;")
    return Command(intent, subject or text.strip(), int(lead[1]) if lead is not None else None, due(text, now=now))


def due(text: str, *, now: datetime) -> datetime | None:
    """Return the time that *text* names, nine in the morning where it names a day; None: it names none."""
    if (found := _IN.search(text)) is not None:
        count = 1 if found[1].lower().startswith("a") else int(found[1])
        return now + count * timedelta(**{f"{found[2].lower()}s": 1})
    days: int | None = None
    if (found := _SOON.search(text)) is not None:
        days = {"today": 0, "tonight": 0, "tomorrow": 1, "next week": 7}[found[1].lower()]
    elif (found := _ON.search(text)) is not None:
        days = (_DAYS.index(found[1].lower()) - now.weekday() - 1) % 7 + 1
    if days is None:
        return None
    morning = now.replace(hour=_MORNING_H, minute=0, second=0, microsecond=0) + timedelta(days=days)
    return max(morning, now)
