"""Flows run as Artillery runs them: what is sent, in which order, with which values."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.load.listening import Asked, Said, listening

from .scripts import CONFIG, compiled, flow, problems_of, ran


def asked(folder: Path, steps: str, *, config: str = CONFIG, count: int = 1, answer: object = None) -> list[Asked]:
    """Run *steps* and return what the server was asked."""
    with listening(lambda _: Said(answer if answer is not None else {})) as server:
        ran(folder, flow(steps, config=config), server.url, count=count)
    return server.asked


def paths(requests: list[Asked]) -> list[str]:
    return [request.path for request in requests]


def test_every_method_is_sent(tmp_path: Path) -> None:
    verbs = ("get", "post", "put", "patch", "delete", "head", "options")
    made = asked(tmp_path, "\n".join(f"- {verb}: {{url: /{verb}}}" for verb in verbs))

    assert [(request.method.lower(), request.path) for request in made] == [(verb, f"/{verb}") for verb in verbs]


def test_json_keeps_the_types_of_its_values(tmp_path: Path) -> None:
    steps = (
        "- get: {url: /, capture: {json: $.user, as: user}}\n"
        "- post: {url: /, json: {id: '{{ user.id }}', text: 'id {{ user.id }}', all: '{{ user }}', n: 1}}"
    )
    _, sent = asked(tmp_path, steps, answer={"user": {"id": 7, "tags": ["a"]}})

    assert sent.json == {"id": 7, "text": "id 7", "all": {"id": 7, "tags": ["a"]}, "n": 1}
    assert sent.headers["content-type"] == "application/json"


def test_query_form_cookies_and_authorization(tmp_path: Path) -> None:
    steps = (
        "- get: {url: '/a?x=1', qs: {q: 'a b', n: 3}}\n"
        "- post: {url: /b, form: {name: 'Ann & Bob', n: 2}}\n"
        "- get: {url: /c, cookie: {sid: s1}, auth: {user: ann, pass: 'x:y'}}\n"
        "- get: {url: /d, gzip: false}"
    )
    a, b, c, d = asked(tmp_path, steps)

    assert a.path == "/a?x=1&q=a+b&n=3"
    assert (b.body, b.headers["content-type"]) == (b"name=Ann+%26+Bob&n=2", "application/x-www-form-urlencoded")
    assert (c.headers["cookie"], c.headers["authorization"]) == ("sid=s1", "Basic YW5uOng6eQ==")
    assert (a.headers["accept-encoding"], d.headers["accept-encoding"]) == ("gzip, deflate, br", "identity")


def test_form_data_is_sent_in_parts(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    steps = "- post: {url: /, formData: {name: Ann, doc: {fromFile: note.txt, contentType: text/x-note}}}"
    [request] = asked(tmp_path, steps)

    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="name"\r\n\r\nAnn\r\n' in request.body
    assert b'name="doc"; filename="note.txt"\r\ncontent-type: text/x-note\r\n\r\nhello\r\n' in request.body


def test_cookies_that_are_given_are_sent_back(tmp_path: Path) -> None:
    with listening(lambda _: Said(headers={"set-cookie": "sid=abc; Path=/"})) as server:
        ran(tmp_path, flow("- get: {url: /login}\n- get: {url: /me}"), server.url, count=2)

    assert [request.headers.get("cookie") for request in server.asked] == [None, "sid=abc", None, "sid=abc"]


def test_a_loop_counts_from_0_and_goes_over_lists_and_ranges(tmp_path: Path) -> None:
    steps = (
        "- loop:\n    - get: {url: '/n/{{ $loopCount }}'}\n  count: 2\n"
        "- loop:\n    - get: {url: '/e/{{ $loopElement }}/{{ $loopCount }}'}\n  over: [a, b]\n"
        "- loop:\n    - get: {url: '/r/{{ $loopCount }}'}\n  count: '3-5'\n"
        "- loop:\n    - get: {url: '/u/{{ user.id }}'}\n  over: [{id: 1}, {id: 2}]\n  loopElement: user\n"
    )
    assert paths(asked(tmp_path, steps)) == [
        "/n/0", "/n/1", "/e/a/0", "/e/b/1", "/r/3", "/r/4", "/u/1", "/u/2",
    ]  # fmt: skip


def test_loops_within_loops_know_their_own_element(tmp_path: Path) -> None:
    steps = (
        "- loop:\n    - loop:\n        - get: {url: '/{{ outer }}/{{ $loopElement }}'}\n      over: [x, y]\n"
        "  over: [a, b]\n  loopElement: outer"
    )
    assert paths(asked(tmp_path, steps)) == ["/a/x", "/a/y", "/b/x", "/b/y"]


def test_a_loop_goes_over_what_was_captured(tmp_path: Path) -> None:
    steps = "- get: {url: /list, capture: {json: $.ids, as: ids}}\n- loop:\n    - get: {url: '/{{ $loopElement }}'}\n  over: ids"

    assert paths(asked(tmp_path, steps, answer={"ids": [4, 5]})) == ["/list", "/4", "/5"]


def test_a_loop_goes_over_all_rows_of_a_payload(tmp_path: Path) -> None:
    (tmp_path / "urls.csv").write_text("/a,1\n/b,2\n")
    config = CONFIG + "  payload: {path: urls.csv, fields: [url, n], loadAll: true, name: urls}\n"
    steps = "- loop:\n    - get: {url: '{{ $loopElement.url }}'}\n  over: urls"

    assert paths(asked(tmp_path, steps, config=config)) == ["/a", "/b"]


def test_a_loop_while_an_expression_holds_goes_round_at_least_once(tmp_path: Path) -> None:
    steps = (
        "- get: {url: /, capture: {json: $.page, as: page}}\n"
        "- loop:\n    - get: {url: '/p/{{ $loopCount }}'}\n  whileTrue: 'page > 5 and $loopCount < 3'"
    )

    assert paths(asked(tmp_path, steps, answer={"page": 1})) == ["/", "/p/0"]
    assert paths(asked(tmp_path, steps, answer={"page": 9})) == ["/", "/p/0", "/p/1", "/p/2"]


def test_a_request_is_sent_where_its_condition_holds(tmp_path: Path) -> None:
    steps = (
        "- get: {url: /, capture: [{json: $.state, as: state}, {json: $.n, as: n}]}\n"
        "- get: {url: /yes, ifTrue: 'state == \"open\" and n >= 2'}\n- get: {url: /no, ifTrue: 'not (n == 2)'}"
    )
    assert paths(asked(tmp_path, steps, answer={"state": "open", "n": 2})) == ["/", "/yes"]


def test_parallel_branches_are_all_sent(tmp_path: Path) -> None:
    made = asked(tmp_path, "- parallel:\n    - get: {url: /a}\n    - get: {url: /b}\n- get: {url: /c}")

    assert (sorted(paths(made[:2])), made[2].path) == (["/a", "/b"], "/c")


def test_a_capture_may_be_json_a_regexp_with_a_group_or_a_header(tmp_path: Path) -> None:
    steps = (
        "- get:\n    url: /\n    capture:\n"
        '      - {json: "items[0].id", as: a}\n      - {regexp: \'"t": "(\\w)(?<rest>\\w+)"\', group: rest, as: b}\n'
        "      - {regexp: '\"t\"', as: c}\n      - {header: Content-Type, as: d}\n"
        "- post: {url: /, json: ['{{ b }}', '{{ c }}', '{{ d }}']}"
    )
    _, sent = asked(tmp_path, steps, answer={"items": [{"id": 1}], "t": "xyz"})

    assert sent.json == ["yz", '"t"', "application/json"]


def test_a_capture_that_fails_ends_the_user_unless_it_is_not_strict(tmp_path: Path) -> None:
    strict = "- get: {url: /1, capture: {json: $.none, as: x}}\n- get: {url: /2}"
    loose = strict.replace("as: x", "as: x, strict: false")

    assert paths(asked(tmp_path, strict)) == ["/1"]
    assert paths(asked(tmp_path, loose)) == ["/1", "/2"]
    relaxed = CONFIG + "  http: {defaults: {strictCapture: false}}\n"
    assert paths(asked(tmp_path, strict, config=relaxed)) == ["/1", "/2"]


def test_the_users_id_is_the_same_in_all_its_requests(tmp_path: Path) -> None:
    made = asked(tmp_path, "- get: {url: '/{{ $uuid }}'}\n- get: {url: '/{{ $uuid }}'}", count=2)

    assert sorted(Counter(paths(made)).values()) == [2, 2]


def test_random_numbers_and_texts_are_drawn_for_each_request(tmp_path: Path) -> None:
    made = asked(tmp_path, "- get: {url: '/{{ $randomNumber(1, 3) }}/{{ $randomString(4) }}'}", count=60)

    numbers, texts = zip(*(path[1:].split("/") for path in paths(made)), strict=True)
    assert set(numbers) == {"1", "2", "3"}
    assert all(len(text) == 4 and text.isalnum() for text in texts)
    assert len(set(texts)) > 50


def test_what_is_captured_before_the_run_every_user_has(tmp_path: Path) -> None:
    hooks = (
        "before: {flow: [{post: {url: /token, capture: {json: $.token, as: token}}}]}\n"
        "after: {flow: [{delete: {url: '/token/{{ token }}'}}]}\n"
    )
    with listening(lambda _: Said({"token": "t1"})) as server:
        summary = ran(
            tmp_path, flow("- get: {url: '/{{ token }}'}", config=hooks + CONFIG), server.url, users=1, count=3
        )

    assert server.lines == ["POST /token", "GET /t1", "GET /t1", "GET /t1", "DELETE /token/t1"]
    assert summary.answered == 3


def test_weights_choose_the_scenario_and_a_weight_of_0_never(tmp_path: Path) -> None:
    script = CONFIG + (
        "  variables: {share: 3}\nscenarios:\n  - {name: a, weight: '{{ share }}', flow: [{get: {url: /a}}]}\n"
        "  - {weight: 1, flow: [{get: {url: /b}}]}\n  - {weight: 0, flow: [{get: {url: /c}}]}\n"
    )
    imported = compiled(tmp_path, script)

    assert [(one.name, one.weight) for one in imported.plan.scenarios] == [("a", 3), ("scenario 2", 1)]
    assert "a scenario of weight 0 is never taken" in imported.notes[0]


def test_think_times(tmp_path: Path) -> None:
    steps = (
        "- get: {url: /}\n- think: 2\n- think: 1m\n- think: '{{ $randomNumber(1, 3) }}'\n- think: '{{ pause }}'\n"
        "- {think: 10, jitter: 10%}"
    )
    form = compiled(tmp_path, flow(steps, config=CONFIG + "  variables: {pause: 1.5s}\n")).data

    assert [step["think"] for step in form["scenarios"][0]["steps"][1:]] == ["2s", "1m", "1s..3s", "1500ms", "9s..11s"]


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("- loop: [{get: {url: /}}]", "a loop needs count, over or whileTrue"),
        ("- loop: [{get: {url: /}}]\n  whileTrue: morePages", "'morePages' is a function: JavaScript is not run"),
        ("- loop: [{get: {url: /}}]\n  count: -1", "must be a whole number from 1"),
        ("- loop: [{get: {url: /}}]\n  over: []", "an empty list has nothing to loop over"),
        ("- loop: [{get: {url: /}}]\n  cuont: 3", "did you mean 'count'?"),
        ("- get: {url: /, ifTrue: 'a + 1 == 2'}", "is not run from '+ 1 == 2' on"),
        ("- get: {url: /, ifTrue: 'missing == 2'}", "{{ missing }} has no value"),
        ("- think: soon", "must be a think time"),
        ("- get: {url: /, capture: {xpath: //a, as: x}}", "HTML and XML are not parsed"),
        ("- get: {url: /, capture: {json: $.a}}", "needs as: the name"),
        ("- get: {url: /, capture: {regexp: '(?=a)b', as: x}}", "is not a regular expression"),
        ("- get: {url: /, capture: {json: '$.[', as: x}}", "is not a JSONPath"),
        ("- get: {}", "needs a url"),
        ("- get: /a", "must be a mapping with url"),
        ("- emit: {channel: x}", "Socket.IO is not run"),
        ("- {get: {url: /}, post: {url: /}}", "one step does one thing"),
        ("- get: {url: /, probability: 10}", "a request by chance is not run"),
        ("- post: {url: /, formData: {a: {fromFile: none.bin}}}", "file 'none.bin' cannot be read"),
    ],
)
def test_a_step_that_cannot_run_is_refused_where_it_stands(tmp_path: Path, step: str, problem: str) -> None:
    found = problems_of(tmp_path, flow("- get: {url: /first}\n" + step))

    assert any(problem in text and text.startswith(("artillery.yml:8:", "artillery.yml:9:")) for text in found), found
