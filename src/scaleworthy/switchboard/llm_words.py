"""What the local model endpoint says: words that follow from the question, or JSON of the form it was asked for.

The same question has the same answer. It is no reading of the question: an enumeration's value is the one that shares most words with it,
a text is the question itself.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_TEXT = """
    the call was short and the customer asked about the price of the larger plan so we should call back on monday with an offer that
    holds until the end of the month and mention the new integration because it was what they missed
"""
_WORDS = _TEXT.split()


def answer_to(messages: list[str], tokens: int) -> list[str]:
    """Return the words that *messages* are answered with."""
    return list(itertools.islice(_words(messages), tokens))


def endless(messages: list[str]) -> Iterator[str]:
    """Return the tokens of an answer to *messages* that does not end."""
    for number, word in enumerate(_words(messages)):
        yield f" {word}" if number else word


def tokens_of(messages: list[str], wanted: int, schema: Mapping[str, Any] | None) -> list[str]:
    """Return the tokens of an answer: *wanted* words, or JSON by *schema*, cut off after as many."""
    if schema is None:
        return list(itertools.islice(endless(messages), wanted))
    return re.findall(r"\s*\S+", json.dumps(filled(schema, messages[-1] if messages else "")))[:wanted]


def filled(schema: Mapping[str, Any], question: str) -> Any:
    """Return a value of *schema*."""
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        heard = set(re.findall(r"\w+", question.lower()))
        return max(schema["enum"], key=lambda value: len(heard & set(str(value).lower().split("_"))))
    match schema.get("type"):
        case "object":
            properties = schema.get("properties")
            items = properties.items() if isinstance(properties, dict) else ()
            return {name: filled(each, question) for name, each in items if isinstance(each, dict)}
        case "array":
            return []
        case "boolean":
            return False
        case "integer" | "number":
            return 0
    return question


def prompt_tokens(messages: list[str]) -> int:
    """Return how many tokens it takes *messages* for."""
    return sum(len(text) for text in messages) // 4 + 4 * len(messages)


def _words(messages: list[str]) -> Iterator[str]:
    seed = int.from_bytes(hashlib.blake2b("\n".join(messages).encode(), digest_size=8).digest())
    return itertools.islice(itertools.cycle(_WORDS), seed % len(_WORDS), None)
