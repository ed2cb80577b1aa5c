"""Calls of gRPC from the plan file to the summary, answered by grpc.aio; and what a plan is refused for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from load.grpc_site import Site, grpc_site, write_proto
from load.http2_site import Answer, http2_site
from load.listening import Said, listening
from load.tls_site import make_certificates
from scaleworthy.errors import InvalidInput, UsageError
from scaleworthy.load import load_plan, make_plan, run_load, start
from scaleworthy.series import MemoryStore

PLACE, WATCH, LOAD = (f"shop.Orders/{name}" for name in ("Place", "Watch", "Load"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("grpc")


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[Site]:
    with grpc_site(folder) as site:
        yield site


def carried_out(url: str, folder: Path, *steps: dict[str, Any], count: int = 4, **more: Any) -> dict[str, Any]:
    store = MemoryStore()
    data = {
        "target": url,
        "scenarios": [{"name": "main", "steps": [{"proto": "shop.proto", **step} for step in steps]}],
        "load": {"users": 2, "count": count},
        **more,
    }
    summary = run_load(make_plan(data, folder=folder), store)
    return summary | {"examples": list(store.fact("load", "error_examples").values())}


def test_a_message_is_sent_answered_judged_and_read_from(shop: Site, folder: Path) -> None:
    first = {
        "grpc": PLACE,
        "message": {"user": "{{ who }}", "items": ["a", "{{ who }}"], "cents": "{{ cents }}"},
        "metadata": {"shop-tenant": "t-{{ who }}"},
        "expect": {
            "json": {"$.user": "{{ who }}", "$.number": 9007199254740993, "$.picture": ""},
            "metadata": {"shop-queue": "7"},
            "within": "30s",
        },
        "extract": {"number": {"json": "$.number"}, "queue": {"header": "shop-queue"}},
    }
    second = {"grpc": PLACE, "name": "again", "message": {"user": "{{ queue }}", "cents": "{{ number }}"}}
    summary = carried_out(shop.url, folder, first, second, variables={"who": 'Ann "A"', "cents": 250})

    assert (summary["answered"], summary["errors"], summary["statuses"]) == (8, {}, {"OK": 8})
    assert set(summary["steps"]) == {PLACE, "again"}
    seen = {message: (metadata, left_s) for _, message, metadata, left_s in shop.calls}
    metadata, left_s = seen['user: "Ann \\"A\\""\nitems: "a"\nitems: "Ann \\"A\\""\ncents: 250\n']
    assert metadata["shop-tenant"] == 't-Ann "A"'
    assert left_s is not None
    assert 20 < left_s <= 30, "the plan's timeout is the deadline"
    assert 'user: "7"\ncents: 9007199254740993\n' in seen


@pytest.mark.parametrize(
    ("status", "errors", "text"),
    [
        (None, {"grpc": 4}, "got NOT_FOUND: no user «nobody»: 100 % sure"),
        ("NOT_FOUND", {}, ""),
        (["NOT_FOUND", "ABORTED"], {}, ""),
        ("ABORTED", {"grpc": 4}, "wanted ABORTED, got NOT_FOUND"),
    ],
)
def test_a_status_fails_unless_it_is_expected(
    shop: Site, folder: Path, status: Any, errors: dict[str, int], text: str
) -> None:
    expect = {"expect": {"status": status}} if status is not None else {}
    summary = carried_out(shop.url, folder, {"grpc": PLACE, "message": {"user": "nobody"}, **expect})

    assert (summary["answered"], summary["statuses"], summary["errors"]) == (4, {"NOT_FOUND": 4}, errors)
    assert any(text in example for example in summary["examples"]) or not text, summary["examples"]


def test_a_failed_call_without_what_later_steps_need_ends_the_iteration(shop: Site, folder: Path) -> None:
    first = {"grpc": PLACE, "message": {"user": "nobody"}, "extract": {"number": {"json": "$.number"}}}
    second = {"grpc": PLACE, "name": "never", "message": {"cents": "{{ number }}"}}
    summary = carried_out(shop.url, folder, first, second)

    assert (summary["planned"], summary["answered"], summary["errors"]) == (4, 4, {"grpc": 4})


def test_ok_where_another_status_is_expected_fails(shop: Site, folder: Path) -> None:
    summary = carried_out(shop.url, folder, {"grpc": PLACE, "expect": {"status": "NOT_FOUND"}})

    assert summary["errors"] == {"expect-status": 4}
    assert any("wanted NOT_FOUND, got OK" in example for example in summary["examples"])


def test_a_deadline_that_passes_is_a_timeout_whoever_notices_first(shop: Site, folder: Path) -> None:
    summary = carried_out(shop.url, folder, {"grpc": PLACE, "message": {"user": "slow"}, "timeout": "150ms"})

    assert summary["errors"] == {"timeout": 4}
    left_s = shop.calls[-1][3]
    assert left_s is not None
    assert left_s <= 0.15


def test_large_and_packed_messages_are_whole(shop: Site, folder: Path) -> None:
    large = {"grpc": PLACE, "message": {"user": "large", "cents": 3_000_000}, "expect": {"json": {"$.user": "large"}}}
    long = {"grpc": PLACE, "name": "long", "message": {"user": "x" * 3_000_000}}
    packed = {"grpc": PLACE, "name": "packed", "message": {"user": "packed", "cents": 9}}
    summary = carried_out(shop.url, folder, large, long, packed)

    assert (summary["answered"], summary["errors"]) == (12, {})
    assert max(len(message) for _, message, _, _ in shop.calls) > 3_000_000


def test_a_list_goes_to_who_takes_many(shop: Site, folder: Path) -> None:
    message = [{"user": "a"}, {"user": "b"}, {}]
    summary = carried_out(
        shop.url, folder, {"grpc": LOAD, "message": message, "expect": {"json": {"$.number": 3}}}, count=2
    )

    assert (summary["answered"], summary["errors"]) == (2, {})


def test_a_stream_of_messages_is_timed_and_judged(shop: Site, folder: Path) -> None:
    stream = {"events_min": 5, "any": {"json": {"$.number": 2}}, "last": {"json": {"$.number": 4, "$.user": "w"}}}
    step = {"grpc": WATCH, "message": {"user": "w", "cents": 5}, "stream": stream}
    reading = {**step, "extract": {"last": {"json": "$.number"}}, "name": "read"}
    after = {"grpc": PLACE, "message": {"user": "n{{ last }}"}, "expect": {"json": {"$.user": "n4"}}}
    summary = carried_out(shop.url, folder, step, reading, after)

    assert (summary["answered"], summary["errors"]) == (12, {})
    assert summary["streams"]["events"] == 40
    assert summary["streams"]["first_ms"]["max"] <= summary["streams"]["total_ms"]["max"]
    assert [left_s for method, _, _, left_s in shop.calls if method == "Watch"][-1] is None, "a stream has no deadline"


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ({"events_min": 6}, "expect-body"),
        ({"any": {"json": {"$.number": 9}}}, "expect-body"),
        ({"last": {"json": {"$.number": 3}}}, "expect-body"),
    ],
)
def test_a_stream_that_lacks_what_is_wanted_fails(shop: Site, folder: Path, stream: Any, kind: str) -> None:
    summary = carried_out(shop.url, folder, {"grpc": WATCH, "message": {"cents": 5}, "stream": stream})

    assert (summary["answered"], summary["errors"]) == (4, {kind: 4})


def test_a_stream_without_an_end_is_ended_by_us(shop: Site, folder: Path) -> None:
    step = {"grpc": WATCH, "message": {"user": "endless", "cents": 5}, "stream": {"events_max": 3}}
    summary = carried_out(shop.url, folder, step)

    assert (summary["answered"], summary["errors"], summary["statuses"]) == (4, {}, {"OK": 4})
    assert summary["streams"]["events"] == 12


def test_a_stream_that_ends_with_a_status_has_failed(shop: Site, folder: Path) -> None:
    summary = carried_out(shop.url, folder, {"grpc": WATCH, "message": {"user": "cut", "cents": 5}, "stream": True})

    assert (summary["errors"], summary["statuses"]) == ({"grpc": 4}, {"DATA_LOSS": 4})
    assert summary["streams"]["events"] == 20
    assert any("the rest is gone" in example for example in summary["examples"])


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (
            Answer(headers=[("grpc-status", "14"), ("grpc-message", "go%20away")], body=b""),
            "grpc",
            "UNAVAILABLE: go away",
        ),
        (Answer(status=404, body=b"nothing here"), "grpc", "UNIMPLEMENTED: HTTP status 404 without grpc-status"),
        (Answer(body=b"\0\0\0\0\0"), "protocol", "an answer without grpc-status"),
        (Answer(body=b"\0\0\0\0\x05\x08", trailers=[("grpc-status", "0")]), "protocol", "OK without a whole message"),
        (Answer(body=b"\0\0\0\0\x01\x08", trailers=[("grpc-status", "0")]), "protocol", "no shop.Receipt"),
    ],
)
def test_answers_that_are_none_are_told_apart(folder: Path, answer: Answer, kind: str, text: str) -> None:
    write_proto(folder)
    step = {"grpc": PLACE, "expect": {"json": {"$.user": None}}}
    with http2_site(lambda _: answer) as site:
        summary = carried_out(f"http://127.0.0.1:{site.port}", folder, step, count=2)

    assert summary["errors"] == {kind: 2}
    assert any(text in example for example in summary["examples"]), summary["examples"]


def test_a_stream_that_is_cut_within_a_message_is_broken(folder: Path) -> None:
    write_proto(folder)
    answer = Answer(body=b"\0\0\0\0\x02\x08\x01\0\0", trailers=[("grpc-status", "0")])
    with http2_site(lambda _: answer) as site:
        summary = carried_out(f"http://127.0.0.1:{site.port}", folder, {"grpc": WATCH, "stream": True}, count=2)

    assert summary["errors"] == {"stream": 2}
    assert summary["streams"]["events"] == 2


def test_calls_over_tls_agree_on_http2_by_themselves(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    trust = {"tls": {"ca": certificates.ca}}
    step = {"grpc": PLACE, "message": {"user": "ann"}, "expect": {"json": {"$.user": "ann"}}}
    with grpc_site(tmp_path, certificates) as site:
        summary = carried_out(site.url, tmp_path, step, http=trust)
        with pytest.raises(UsageError, match="gRPC over TLS needs"):
            carried_out(site.url, tmp_path, step, http={**trust, "version": "1.1"})

    assert (summary["answered"], summary["errors"]) == (4, {})


def test_a_stream_whose_server_goes_away_half_way_is_broken(tmp_path: Path) -> None:
    step = {"grpc": WATCH, "message": {"user": "endless", "cents": 3}, "stream": True}
    store = MemoryStore()
    with grpc_site(tmp_path) as site:
        data = {"target": site.url, "scenarios": [{"name": "main", "steps": [{"proto": "shop.proto", **step}]}]}
        plan = make_plan({**data, "load": {"users": 1, "count": 1}}, folder=tmp_path)
        run = start(plan, store)
        for _ in run:
            if store.total("load.stream.events", labels={}) == 3:
                break
    summary = run.wait().to_dict()

    assert sum(summary["errors"].values()) == 1
    assert set(summary["errors"]) <= {"stream", "grpc", "goaway"}, summary["errors"]
    assert summary["streams"]["events"] == 3


def test_before_may_call(shop: Site, folder: Path) -> None:
    before = [
        {"grpc": PLACE, "proto": "shop.proto", "message": {"user": "first"}, "extract": {"who": {"json": "$.user"}}}
    ]
    step = {"grpc": PLACE, "message": {"user": "{{ who }}"}, "expect": {"json": {"$.user": "first"}}}
    summary = carried_out(shop.url, folder, step, before=before)

    assert (summary["answered"], summary["errors"]) == (4, {})


def test_what_the_guide_says_of_python_scenarios_runs(shop: Site, folder: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "guide" / "grpc.md").read_text("utf-8")
    code = page.split("```python\n")[1].split("```")[0].replace("127.0.0.1:50051", shop.url.removeprefix("http://"))
    (tmp_path / "orders.py").write_text(code)
    store = MemoryStore()
    data = {"target": shop.url, "python": "orders.py", "load": {"users": 1, "count": 3}}
    summary = run_load(make_plan(data, folder=tmp_path), store)

    assert summary["errors"] == {}
    assert store.histogram("load.timed", labels={"name": "place"}).count == 3


def test_calls_and_plain_requests_go_to_their_own_origins(shop: Site, folder: Path) -> None:
    data: dict[str, Any] = {
        "scenarios": [
            {"name": "main", "steps": [{"get": "/a"}, {"grpc": f"{shop.url}/{PLACE}", "proto": "shop.proto"}]}
        ],
        "load": {"users": 1, "count": 2},
    }
    with listening(lambda _: Said("ok")) as web:
        summary = run_load(make_plan({"target": web.url, **data}, folder=folder), MemoryStore())

    assert (summary["answered"], summary["errors"]) == (4, {})
    assert summary["statuses"] == {"200": 2, "OK": 2}


def test_a_message_whose_values_do_not_fit_is_not_sent(shop: Site, folder: Path) -> None:
    first = {"grpc": PLACE, "message": {"user": "many"}, "extract": {"many": {"json": "$.user"}}}
    step = {"grpc": PLACE, "name": "second", "message": {"cents": "{{ many }}"}}
    summary = carried_out(shop.url, folder, first, step, count=2)

    assert (summary["answered"], summary["errors"]) == (2, {"template": 2})
    assert "second: the message with its values is none: invalid digit" in summary["examples"][0]


def test_a_message_that_never_fits_is_refused_before_the_run(shop: Site, folder: Path) -> None:
    step = {"grpc": PLACE, "message": {"cents": "{{ cents }}"}}
    with pytest.raises(UsageError, match=r"request\.message: invalid digit"):
        carried_out(shop.url, folder, step, variables={"cents": "many"})


def test_everything_that_is_wrong_is_told_at_once_with_its_line(folder: Path) -> None:
    write_proto(folder)
    (folder / "broken.proto").write_text('syntax = "proto3";\nmessage {\n')
    plan = folder / "plan.yaml"
    plan.write_text(
        "target: http://127.0.0.1:1\n"
        "scenarios:\n"
        "  - name: main\n"
        "    steps:\n"
        "      - {grpc: shop.Orders/Place, proto: shop.proto, stream: true, message: {usr: a, cents: x}}\n"
        "      - {grpc: shop.Orders/Plaice, proto: shop.proto}\n"
        "      - {grpc: shop.Orders/Watch, proto: shop.proto}\n"
        "      - {grpc: Place, proto: shop.proto, expect: {status: NOT_FUND}}\n"
        "      - {grpc: shop.Orders/Place, proto: absent.proto}\n"
        "      - {grpc: shop.Orders/Place, proto: broken.proto}\n"
        "      - {grpc: shop.Orders/Place, proto: shop.proto, message: {user: '{{ who }}'}, metadata: {te: a}}\n"
    )
    with pytest.raises(InvalidInput) as refused:
        load_plan(plan)

    text = str(refused.value)
    for part in (
        "plan.yaml:5: scenarios[0].steps[0].stream: shop.Orders/Place answers with one message; leave it out",
        "plan.yaml:5: scenarios[0].steps[0].message.usr: shop.Order has no such field; it has user, items, cents",
        "plan.yaml:5: scenarios[0].steps[0].message.cents: ",
        'plan.yaml:6: scenarios[0].steps[1].grpc: shop.Orders has no method "Plaice"; it has Place, Watch, Load',
        "plan.yaml:7: scenarios[0].steps[2].stream: shop.Orders/Watch answers with a stream of messages; say stream: true",
        "plan.yaml:8: scenarios[0].steps[3].grpc: must be package.Service/Method",
        "plan.yaml:8: scenarios[0].steps[3].expect.status: must be a status of gRPC such as OK or NOT_FOUND, got 'NOT_FUND'",
        "plan.yaml:9: scenarios[0].steps[4].proto: there is no file ",
        "plan.yaml:10: scenarios[0].steps[5].proto: broken.proto:2:9: ",
        "plan.yaml:11: scenarios[0].steps[6].metadata: 'te' is set by the engine; leave it out",
    ):
        assert part in text, f"{part}\nnot in\n{text}"


@pytest.mark.parametrize(
    ("http", "text"),
    [({"proxy": "HERE"}, "does not go through a proxy"), ({"connection_per_user": True}, "is for HTTP/1.1")],
)
def test_what_calls_cannot_have_is_refused(shop: Site, folder: Path, http: dict[str, Any], text: str) -> None:
    here = {name: shop.url if value == "HERE" else value for name, value in http.items()}
    with pytest.raises(UsageError, match=text):
        carried_out(shop.url, folder, {"grpc": PLACE}, http=here)
