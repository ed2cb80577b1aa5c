"""What the calls said, what is known, and what is to be done: made from a random source of its own, so that the other tables' rows
stay what they are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import numpy as np

from scaleworthy.switchboard.embedding import embed, written

SAID = (
    ("caller", "Hello, I am calling about my invoice."),
    ("agent", "Good morning, let me look that up for you."),
    ("caller", "The amount is higher than the last one."),
    ("agent", "There is a new seat on your plan since this month."),
    ("caller", "Can I move to the annual plan?"),
    ("agent", "Yes, and the months that are paid count towards it."),
    ("caller", "We cannot reach our sales line from abroad."),
    ("agent", "I will open a ticket with the carrier."),
)
SUBJECTS = ("invoice", "annual plan", "seat", "phone number", "call forwarding", "recording", "webhook", "password", "import",
            "campaign", "report", "time zone", "voicemail", "caller id", "refund", "discount", "contract", "data export")  # fmt: skip
QUESTIONS = ("How to change a {}", "Why a {} does not arrive", "Who may see a {}", "What a {} costs", "When a {} ends",
             "How to share a {} with a team", "How to cancel a {}", "Errors with a {}, and what to do")  # fmt: skip
TASKS = ("Call back", "Send the offer", "Check the invoice", "Ask for a reference", "Plan a demonstration")
ARTICLES_PER_TENANT = 40
TASKS_PER_TENANT = 20
_LINES = 4
_US = 10**6


def transcripts(
    tenants: Sequence[UUID], calls: Sequence[int], random: np.random.Generator
) -> tuple[tuple[str, ...], int, Sequence[Sequence[Any]]]:
    """Return columns, count and values of some lines for each of *calls*, whose tenants are *tenants*."""
    count = len(calls) * _LINES
    begin = (random.integers(0, len(SAID) // 2, len(calls)) * 2).tolist()
    lines = [SAID[(first + index) % len(SAID)] for first in begin for index in range(_LINES)]
    values = (
        range(1, count + 1),
        [tenant for tenant in tenants for _ in range(_LINES)],
        [call for call in calls for _ in range(_LINES)],
        [speaker for speaker, _ in lines],
        list(itertools.islice(itertools.cycle((800, 4_200, 9_000, 13_500)), count)),
        [said for _, said in lines],
    )
    return ("id", "tenant_id", "call_id", "speaker", "at_ms", "said"), count, values


def articles(
    tenant_ids: Sequence[UUID], created: str, random: np.random.Generator
) -> tuple[tuple[str, ...], int, Sequence[Sequence[Any]]]:
    """Return columns, count and values of the articles of each tenant."""
    made = list(_articles())
    count = len(tenant_ids) * ARTICLES_PER_TENANT
    chosen = [made[at] for _ in tenant_ids for at in random.permutation(len(made))[:ARTICLES_PER_TENANT]]
    values = (
        range(1, count + 1),
        [tenant for tenant in tenant_ids for _ in range(ARTICLES_PER_TENANT)],
        [title for title, _, _ in chosen],
        [body for _, body, _ in chosen],
        [vector for _, _, vector in chosen],
        [created] * count,
    )
    return ("id", "tenant_id", "title", "body", "embedding", "created_at"), count, values


def tasks(
    tenant_ids: Sequence[UUID], leads_of: Sequence[Sequence[int]], created: str, random: np.random.Generator
) -> tuple[tuple[str, ...], int, Sequence[Sequence[Any]]]:
    """Return columns, count and values of the open tasks of each tenant; *leads_of* are each tenant's leads."""
    pairs = [
        (tenant, int(random.choice(leads)))
        for tenant, leads in zip(tenant_ids, leads_of, strict=True)
        if len(leads)
        for _ in range(TASKS_PER_TENANT)
    ]
    values = (
        range(1, len(pairs) + 1),
        [tenant for tenant, _ in pairs],
        [lead for _, lead in pairs],
        [TASKS[int(at)] for at in random.integers(0, len(TASKS), len(pairs))],
        [created] * len(pairs),
    )
    return ("id", "tenant_id", "lead_id", "title", "created_at"), len(pairs), values


def _articles() -> Iterator[tuple[str, str, str]]:
    for subject, question in itertools.product(SUBJECTS, QUESTIONS):
        title = question.format(subject)
        body = f"{title}: open the settings of the {subject}, choose what applies, and save. A manager can undo it for thirty days."
        yield title, body, written(embed(f"{title} {title} {body}"))
