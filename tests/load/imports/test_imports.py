"""Requests that other tools wrote down: what is sent is what they say, and what cannot be sent is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load import Imported, Wishes, read_plan


def imported(folder: Path, name: str, content: Any, **wishes: Any) -> Imported:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_plan(path, Wishes(**wishes))


def steps(made: Imported) -> list[dict[str, Any]]:
    return list(made.data["scenarios"][0]["steps"])


CURL = r"""
# a login, then what it is for
curl 'http://127.0.0.1:8000/api/login' -X POST -H 'Content-Type: application/json' \
  --data-raw '{"user":"ann"}' --compressed -s -o /dev/null
curl -u ann:secret "http://127.0.0.1:8000/api/leads/17?x=1" -H 'Cookie: a=1; b=2' -m 2.5
curl -G http://127.0.0.1:8000/search --data-urlencode 'q=a b' -d page=2
curl http://127.0.0.1:8000/form -d a=1 -d b=2
curl -F name=x -F file=@a.txt';type=text/plain' http://127.0.0.1:8000/up
curl -I https://other.example/health -k
"""


def test_curl_commands_become_steps(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    login, leads, search, form, upload, other = steps(imported(tmp_path, "calls.curl", CURL))

    assert login == {
        "post": "/api/login",
        "name": "POST /api/login",
        "body": '{"user":"ann"}',
        "headers": {"content-type": "application/json"},
    }
    assert leads["get"] == "/api/leads/17?x=1"
    assert leads["name"] == "GET /api/leads/{id}"
    assert leads["auth"] == {"basic": ["ann", "secret"]}
    assert (leads["cookies"], leads["timeout"]) == ({"a": "1", "b": "2"}, "2500ms")
    assert search["get"] == "/search?q=a%20b&page=2"
    assert form["form"] == {"a": "1", "b": "2"}
    assert upload["multipart"] == {"name": "x", "file": {"file": "a.txt", "type": "text/plain"}}
    assert other["head"] == "https://other.example/health"


def test_curl_options_that_are_not_known_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        imported(tmp_path, "calls.sh", "curl --ftp-pasv x http://127.0.0.1/ --netrc-file y\ncurl -s\n")
    assert list(caught.value.problems) == [
        "command 1: the option --ftp-pasv is not known here",
        "command 1: the option --netrc-file is not known here",
        "command 2: there is no URL in it",
    ]


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("#!/bin/sh\nwget -q http://127.0.0.1/\n", "got 'wget -q http://127.0.0.1/'"),
        ("# later\n", "got nothing but comments and empty lines"),
        ("", "got an empty file"),
    ],
)
def test_a_script_without_a_curl_command_is_refused(tmp_path: Path, text: str, got: str) -> None:
    with pytest.raises(InvalidInput, match="put a line such as curl") as caught:
        imported(tmp_path, "calls.sh", text)
    assert list(caught.value.problems) == [f"a curl command is wanted, and there is none in it; {got}"]


def test_a_host_typed_by_hand_is_sent_and_the_urls_own_is_not_repeated(tmp_path: Path) -> None:
    """It is what chooses between several sites behind one address."""
    text = (
        "curl -H 'Host: shop.example' http://127.0.0.1:8000/a\ncurl -H 'Host: 127.0.0.1:8000' http://127.0.0.1:8000/b\n"
    )
    by_name, own = steps(imported(tmp_path, "calls.curl", text))

    assert by_name["headers"] == {"host": "shop.example"}
    assert "headers" not in own


def entry(url: str, at: str, method: str = "GET", time_ms: float = 10.0, **request: Any) -> dict[str, Any]:
    return {"startedDateTime": at, "time": time_ms, "request": {"method": method, "url": url, "headers": [], **request}}


def test_a_browsers_recording_keeps_order_pauses_and_its_own_origin(tmp_path: Path) -> None:
    post = {"mimeType": "application/x-www-form-urlencoded", "text": "a=1&b=x+y"}
    headers = [
        {"name": "Host", "value": "h"},
        {"name": "Sec-Fetch-Mode", "value": "cors"},
        {"name": "X-Key", "value": "k"},
    ]
    entries = [
        entry("http://127.0.0.1:8000/", "2026-11-21T10:00:00.000Z", headers=headers),
        entry("https://fonts.example/a.woff", "2026-11-21T10:00:00.100Z"),
        entry("http://127.0.0.1:8000/api/leads/88", "2026-11-21T10:00:03.010Z"),
        entry("http://127.0.0.1:8000/save", "2026-11-21T10:00:03.100Z", "POST", postData=post),
    ]
    made = imported(tmp_path, "site.har", {"log": {"version": "1.2", "entries": entries}})

    assert made.data["target"] == "http://127.0.0.1:8000"
    assert steps(made) == [
        {"get": "/", "name": "GET /", "headers": {"x-key": "k"}},
        {"think": "3000ms"},
        {"get": "/api/leads/88", "name": "GET /api/leads/{id}"},
        {"post": "/save", "name": "POST /save", "form": {"a": "1", "b": "x y"}},
    ]
    assert made.notes == (
        "requests to other origins are left out: https://fonts.example (1)",
        "1 requests may change data; look at them before you load with many users",
    )


def test_a_recording_without_requests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no request over HTTP"):
        imported(tmp_path, "empty.har", {"log": {"entries": []}})


def collection(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    schema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
    return {"info": {"name": "CRM", "schema": schema}, "item": list(items), **more}


def test_a_postman_collection_keeps_folders_variables_and_auth(tmp_path: Path) -> None:
    body = {"mode": "raw", "raw": '{"id": "{{$guid}}", "key": "{{key}}"}', "options": {"raw": {"language": "json"}}}
    items = {
        "name": "Leads",
        "item": [
            {
                "name": "create",
                "event": [{"listen": "test", "script": {"exec": ["pm.test()"]}}],
                "request": {
                    "method": "POST",
                    "url": {"raw": "{{base}}/leads/:id", "variable": [{"key": "id", "value": "7"}]},
                    "body": body,
                },
            },
            {"name": "list", "request": "{{base}}/leads"},
        ],
    }
    made = imported(
        tmp_path,
        "crm.json",
        collection(
            items,
            variable=[{"key": "base", "value": "http://127.0.0.1:8000/api"}, {"key": "key", "value": "k1"}],
            auth={"type": "bearer", "bearer": [{"key": "token", "value": "{{key}}"}]},
        ),
    )
    create, listed = steps(made)

    assert made.data["target"] == "http://127.0.0.1:8000"
    assert made.data["variables"] == {"key": "k1"}
    assert create["post"] == "/api/leads/7"
    assert create["name"] == "Leads / create"
    assert create["body"] == '{"id": "{{ $uuid }}", "key": "{{ key }}"}'
    assert create["auth"] == listed["auth"] == {"bearer": "{{ key }}"}
    assert made.notes == ("Leads / create: its scripts (test) are not run",)


def test_a_collection_whose_address_is_nowhere_is_refused_with_each_request(tmp_path: Path) -> None:
    items = [{"name": name, "request": "{{baseUrl}}/x"} for name in ("a", "b")]
    with pytest.raises(InvalidInput) as caught:
        imported(tmp_path, "crm.json", collection(*items))
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["a", "b"]
    assert "begins with a variable that has no value" in caught.value.problems[0]


OPENAPI = """\
openapi: 3.1.0
info: {title: CRM, version: "1"}
servers: [{url: "http://127.0.0.1:8000"}]
paths:
  /leads/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
    get: {parameters: [{name: view, in: query, required: true, schema: {enum: [short, long]}}], responses: {}}
    delete: {responses: {}}
  /odd/{what}:
    get: {parameters: [{name: what, in: path, required: true, schema: {type: object}}], responses: {}}
  /health: {get: {responses: {}}, head: {deprecated: true, responses: {}}}
"""


def test_an_api_description_gives_a_scenario_for_each_operation_that_reads(tmp_path: Path) -> None:
    made = imported(tmp_path, "api.yaml", OPENAPI)

    assert [scenario["steps"][0] for scenario in made.data["scenarios"]] == [
        {"get": "/leads/1?view=short", "name": "GET /leads/{id}"},
        {"get": "/health", "name": "GET /health"},
    ]
    assert len(made.notes) == 2
    assert "GET /odd/{what} is left out" in made.notes[0]


def test_a_description_without_a_server_asks_for_the_target(tmp_path: Path) -> None:
    text = OPENAPI.replace('servers: [{url: "http://127.0.0.1:8000"}]\n', "")
    with pytest.raises(UsageError, match="names no absolute server"):
        imported(tmp_path, "api.yaml", text)
    assert imported(tmp_path, "api.yaml", text, target="http://127.0.0.1:9").plan.target.port == 9


@pytest.mark.parametrize("name", ["site.har", "api.json", "calls.curl"])
def test_an_environment_is_artillerys_alone(tmp_path: Path, name: str) -> None:
    content = {
        "site.har": {"log": {"entries": [entry("http://127.0.0.1/", "2026-11-21T10:00:00Z")]}},
        "api.json": {"openapi": "3.0.0", "paths": {"/": {"get": {}}}, "servers": [{"url": "http://127.0.0.1"}]},
        "calls.curl": "curl http://127.0.0.1/",
    }[name]
    with pytest.raises(UsageError, match="--environment is for an Artillery script"):
        imported(tmp_path, name, content, environment="staging")
