"""The description is complete, and the service keeps to it whatever is sent."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from scaleworthy.servers import Postgres
from scaleworthy.switchboard.app import ROUTERS, create_app
from scaleworthy.switchboard.description.answers import ANSWERS
from scaleworthy.switchboard.service import Switchboard
from scaleworthy.switchboard.settings import Settings

from .running import fill

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = sorted(ANSWERS)
EXAMPLES = 12


@pytest.fixture(scope="module")
def board(postgres: Postgres) -> Iterator[Switchboard]:
    # A database of its own: whatever is written there, others' tests do not read it.
    with Switchboard.start(shape="tuned", database=fill(postgres, "described", sets=("tuned",)).owner) as running:
        yield running


@pytest.fixture(scope="module")
def described(board: Switchboard) -> Any:
    return schemathesis.openapi.from_url(f"{board.url}/openapi.json")


def test_every_route_says_what_it_answers() -> None:
    routes = {
        (method.lower(), route.path)
        for router in ROUTERS
        for route in router.routes
        for method in getattr(route, "methods", ())
        if route.include_in_schema
    }
    assert routes == set(ANSWERS)
    description = create_app(Settings(shape="tuned", dsn="")).openapi()
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            for status, answer in operation["responses"].items():
                assert answer["description"], (method, path, status)
                assert status == "204" or all(one["schema"] for one in answer["content"].values()), (method, path)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[f"{method} {path}" for method, path in OPERATIONS])
def test_whatever_is_sent_the_answer_is_one_that_is_described(described: Any, method: str, path: str) -> None:
    operation = described[f"/api{path}"][method]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def keeps_to_it(case: Any) -> None:
        answer = case.call_and_validate(checks=CHECKS, timeout=20)
        assert answer.status_code < 500, answer.text

    keeps_to_it()
