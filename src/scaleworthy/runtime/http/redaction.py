"""Sensitive fields never leave: members of these names are removed from every JSON answer, however deep they stand."""

from __future__ import annotations

from collections.abc import Sequence

from scaleworthy._native import Redactor
from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Problem, Request

SENSITIVE = ("password", "apiKey", "secret", "token")


class Redaction(Manner):
    """Removes members named *names* (case, `_` and `-` do not count) from JSON answers.

    An answer that says it is JSON and is not, or is nested deeper than 256, or comes in pieces and is longer than *most_bytes*, is not
    sent: what it holds cannot be known. *pass_paths* are paths whose answers are meant to hold such a field, a login for example. Streams
    of other kinds (`text/event-stream`, `application/x-ndjson`) pass unread, and so does JSON that the application has encoded itself.
    """

    def __init__(
        self,
        names: Sequence[str] = SENSITIVE,
        *,
        pass_paths: Sequence[str] = (),
        most_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self._redactor = Redactor(names)
        self._passed = frozenset(pass_paths)
        self._most = most_bytes
        self.unreadable = 0

    def after(self, request: Request, answer: Answer) -> Answer:
        """Remove them."""
        if not answer.body or not self._reads(request, answer):
            return answer
        try:
            answer.body = self._redactor.redact(answer.body)
        except ValueError as error:
            self.unreadable += 1
            return Problem(
                500, "Unreadable answer", f"the application's JSON could not be checked for sensitive fields: {error}"
            )
        return answer

    def gathers(self, request: Request, head: Answer) -> int:
        """JSON in pieces is of no use to a client before its end."""
        return self._most if self._reads(request, head) else 0

    def head(self, request: Request, answer: Answer) -> None:
        """Say no length where that of the answer is not known: it is what a GET would be answered with (RFC 9110, 8.6)."""
        if request.method == "HEAD" and self._reads(request, answer):
            answer.drop(b"content-length")

    def counted(self) -> dict[str, int]:
        """Return how many answers were held back."""
        return {"unreadable": self.unreadable}

    def _reads(self, request: Request, answer: Answer) -> bool:
        return (
            _is_json(answer.header(b"content-type"))
            and request.path not in self._passed
            and answer.header(b"content-encoding") is None
        )


def _is_json(kind: bytes | None) -> bool:
    if kind is None:
        return False
    if kind == b"application/json":
        return True
    bare = kind.partition(b";")[0].strip().lower()
    return bare == b"application/json" or bare.endswith(b"+json")
