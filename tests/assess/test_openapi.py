"""A service's own description becomes steps that answer; what does not is named."""

import json
from typing import Any

from scaleworthy.assess.openapi import Answer, Discovered, discover


def description(paths: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"openapi": "3.1.0", "paths": paths, **more}).encode()


def discovered(document: bytes, statuses: dict[str, int | None]) -> Discovered | None:
    def fetch(path: str) -> Answer:
        return Answer(200, document) if path == "/openapi.json" else Answer(statuses.get(path, 404), b"")

    return discover(fetch)


def test_only_safe_methods_become_steps() -> None:
    found = discovered(description({"/things": {"get": {}, "post": {}}, "/orders": {"delete": {}}}), {"/things": 200})

    assert found is not None
    assert [step["get"] for step in found.steps] == ["/things"]


def test_parameters_are_filled_from_examples_then_defaults_then_types() -> None:
    schema = {"components": {"parameters": {"Id": {"in": "path", "name": "id", "schema": {"type": "integer"}}}}}
    paths = {
        "/a/{id}": {"get": {"parameters": [{"$ref": "#/components/parameters/Id"}]}},
        "/b": {"get": {"parameters": [{"in": "query", "name": "q", "required": True, "example": "two words"}]}},
        "/c/{kind}": {"get": {"parameters": [{"in": "path", "name": "kind", "schema": {"enum": ["hot", "cold"]}}]}},
        "/d": {"get": {"parameters": [{"in": "query", "name": "optional", "schema": {"type": "string"}}]}},
    }
    found = discovered(description(paths, **schema), {"/a/1": 200, "/b?q=two+words": 200, "/c/hot": 200, "/d": 200})

    assert found is not None
    assert [step["get"] for step in found.steps] == ["/a/1", "/b?q=two+words", "/c/hot", "/d"]
    assert found.left_out == ()


def test_what_cannot_be_filled_or_does_not_answer_is_left_out_with_its_reason() -> None:
    paths = {
        "/free/{text}": {"get": {"parameters": [{"in": "path", "name": "text", "schema": {"type": "string"}}]}},
        "/secret": {"get": {}},
        "/gone": {"get": {}},
    }
    found = discovered(description(paths), {"/secret": 401, "/gone": None})

    assert found is not None
    assert found.steps == ()
    assert [line.split(":")[0] for line in found.left_out] == ["GET /free/{text}", "GET /secret", "GET /gone"]
    assert "401" in found.left_out[1]
    assert "nothing" in found.left_out[2]


def test_a_reference_that_points_at_itself_ends() -> None:
    loop = {"components": {"parameters": {"L": {"$ref": "#/components/parameters/L"}}}}
    found = discovered(
        description({"/x": {"get": {"parameters": [{"$ref": "#/components/parameters/L"}]}}}, **loop), {"/x": 200}
    )

    assert found is not None
    assert [step["get"] for step in found.steps] == ["/x"]


def test_a_service_without_a_readable_description_gives_none() -> None:
    assert discover(lambda path: Answer(404, b"")) is None
    assert discover(lambda path: Answer(200, b"<html>")) is None
    assert discover(lambda path: Answer(200, b'{"paths": []}')) is None
