"""The text of an objective, cut into tokens that know their column, and messages that point at them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from scaleworthy.errors import InvalidInput

_TOKEN = re.compile(
    r"""(?P<word>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<quantity>\d[^\s(){},<>="]*)
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<operator><=|>=|<|>)
      | (?P<mark>[(){},=%]|/\s*s\b)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: its kind (`end` behind the last one), its text, and where it starts."""

    kind: str
    text: str
    at: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)


class Source:
    """Reads tokens one after the other; every error it makes points at its column."""

    def __init__(self, text: str) -> None:
        # A line break would take the carets from under what they point at.
        self.text = re.sub(r"\s", " ", text)
        self._tokens = self._cut()
        self._next = 0

    def peek(self) -> Token:
        """Return the next token without taking it."""
        return self._tokens[self._next]

    def take(self) -> Token:
        """Return the next token and go on; the end is never passed."""
        token = self.peek()
        if token.kind != "end":
            self._next += 1
        return token

    def take_if(self, *texts: str) -> Token | None:
        """Take the next token if it is one of *texts*."""
        return self.take() if self.peek().text in texts and self.peek().kind != "string" else None

    def expect(self, text: str, wanted: str) -> Token:
        """Take the next token, which must be *text*."""
        token = self.take_if(text)
        if token is None:
            raise self.error(self.peek(), f"wanted {wanted}, got {self.peek()}")
        return token

    def error(self, token: Token, message: str) -> InvalidInput:
        """Return the error for *token*: the column, the message, and the text with carets under the token."""
        carets = " " * token.at + "^" * max(1, len(token.text))
        return InvalidInput("objective", [f"column {token.at + 1}: {message}\n    {self.text}\n    {carets}"])

    def _cut(self) -> list[Token]:
        tokens, at = [], 0
        while at < len(self.text):
            if self.text[at].isspace():
                at += 1
                continue
            found = _TOKEN.match(self.text, at)
            if found is None:
                message = (
                    "a value in quotes does not end"
                    if self.text[at] == '"'
                    else f"{self.text[at]!r} has no meaning here"
                )
                raise self.error(Token("unknown", self.text[at], at), message)
            tokens.append(Token(str(found.lastgroup), found[0], at))
            at = found.end()
        return [*tokens, Token("end", "", len(self.text))]


def nearest(name: str, known: list[str]) -> str:
    """Return `: did you mean X?` for the nearest known name, else the names there are."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f": did you mean {close[0]}?"
    return f"; there are {', '.join(known)}" if len(known) <= 12 else ""
