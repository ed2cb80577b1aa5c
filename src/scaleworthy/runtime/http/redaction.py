"""Sensitive fields never leave: members of these names are removed from every JSON answer, however deep they stand."""

from __future__ import annotations

from collections.abc import Sequence

from scaleworthy._native import Redactor
from scaleworthy.runtime.http.manner import Manner
from scaleworthy.runtime.http.message import Answer, Request, problem

SENSITIVE = ("password", "apiKey", "secret", "token")


class Redaction(Manner):
    """Removes members named *names* (case, `_` and `-` do not count) from whole JSON answers.

    An answer that says it is JSON and is not, or is nested deeper than 256, is not sent: what it holds cannot be known. *pass_paths* are
    paths whose answers are meant to hold such a field, a login for example.
    """

    def __init__(self, names: Sequence[str] = SENSITIVE, *, pass_paths: Sequence[str] = ()) -> None:
        self._redactor = Redactor(names)
        self._passed = frozenset(pass_paths)

    def after(self, request: Request, answer: Answer) -> Answer:
        """Remove them."""
        if not answer.body or request.path in self._passed or not _is_json(answer.header(b"content-type")):
            return answer
        try:
            answer.body = self._redactor.redact(answer.body)
        except ValueError as error:
            return problem(
                500, "Unreadable answer", f"the application's JSON could not be checked for sensitive fields: {error}"
            )
        return answer


def _is_json(kind: bytes | None) -> bool:
    return kind is not None and (
        kind.startswith(b"application/json") or kind.partition(b";")[0].rstrip().endswith(b"+json")
    )
