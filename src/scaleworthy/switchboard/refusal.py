"""How the service says no: one form for every answer that is not what was asked for.

    {"error": "unknown_tenant", "message": "…", "problems": [{"path": "body.name", "message": "…"}]}

`error` is a word for programs, `message` for people; `problems` is there when single fields are at fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout, TooManyRequests
from starlette.exceptions import HTTPException

from scaleworthy.runtime.database import PoolExhausted
from scaleworthy.switchboard.database import Database, first_line


class Refusal(Exception):
    """A request that cannot be answered as asked."""

    def __init__(
        self,
        status: int,
        error: str,
        message: str,
        *,
        problems: Sequence[dict[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.problems = list(problems)
        self.headers = dict(headers or {})


def not_found(noun: str, number: int) -> Refusal:
    """Return the answer to a number this tenant has no *noun* of, whether or not another tenant has."""
    return Refusal(404, "not_found", f"there is no {noun} {number}")


def unprocessable(path: str, message: str) -> Refusal:
    """Return the answer to one field at fault."""
    return Refusal(422, "invalid", f"{path}: {message}", problems=[{"path": path, "message": message}])


def problems_of(errors: Sequence[Any]) -> tuple[str, list[dict[str, str]]]:
    """Return pydantic's *errors* as one message, and field by field."""
    problems = [
        {"path": ".".join(str(part) for part in error["loc"]), "message": str(error["msg"])} for error in errors
    ]
    return "; ".join(f"{problem['path']}: {problem['message']}" for problem in problems), problems


def install(app: FastAPI, database: Database) -> None:
    """Give *app* the answers for refusals, invalid input, and a database that is gone or has no connection free."""

    async def refused(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refusal)
        return _answer(error.status, error.error, error.message, error.problems, error.headers)

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _answer(422, "invalid", *problems_of(error.errors()))

    async def no_route(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return _answer(error.status_code, "not_found" if error.status_code == 404 else "refused", str(error.detail))

    async def database_gone(_request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, PoolExhausted) and error.refused is not None:
            return _answer(503, "database_unavailable", f"the database cannot be connected to: {error.refused}")
        if isinstance(error, PoolTimeout | TooManyRequests):
            return _answer(503, "database_busy", f"no database connection was free in time: {error}")
        await database.replace_broken()
        return _answer(503, "database_unavailable", f"the database does not answer: {first_line(error)}")

    async def bad_value(_request: Request, error: Exception) -> JSONResponse:
        return _answer(422, "invalid", f"the database refuses a value: {first_line(error)}")

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, no_route)
    app.add_exception_handler(psycopg.OperationalError, database_gone)
    app.add_exception_handler(psycopg.InterfaceError, database_gone)
    app.add_exception_handler(psycopg.DataError, bad_value)


def _answer(
    status: int,
    error: str,
    message: str,
    problems: Sequence[dict[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    content: dict[str, Any] = {"error": error, "message": message}
    if problems:
        content["problems"] = list(problems)
    # A client that comes back at once would only meet the same trouble.
    return JSONResponse(content, status, headers=headers or ({"retry-after": "1"} if status == 503 else None))
