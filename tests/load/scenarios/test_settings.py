"""A scenario file's `Settings`: each reaches the engine, a plan file's and the command line's win, wrong ones are all named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from load.http2_site import http2_site
from load.proxying import proxying
from load.scenarios.conftest import Server
from load.tls_site import Certificates, make_certificates, tls_site
from scaleworthy.cli.plan_source import plan_from
from scaleworthy.errors import InvalidInput
from scaleworthy.load import Plan, load_plan, run_load
from scaleworthy.series import MemoryStore


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def scenario_file(folder: Path, settings: str, body: str = 'await user.get("/a")') -> Path:
    path = folder / "scenario.py"
    lines = [
        "from scaleworthy.load import Settings, scenario",
        f"settings = Settings({settings})",
        "@scenario",
        f"async def page(user): {body}",
    ]
    path.write_text("\n".join(lines))
    return path


def run(plan: Plan, load: Mapping[str, Any] | None = None) -> dict[str, Any]:
    load = dict(load or {"users": 1, "count": 2})
    return run_load(plan.changed(load=load, seed=1, workers=1), MemoryStore())


def test_headers_and_a_proxy_of_the_file_are_used(echo: Server, tmp_path: Path) -> None:
    with proxying() as proxy:
        settings = (
            f"target={echo.url!r}, headers={{'x-team': 'crm'}}, http={{'proxy': 'http://127.0.0.1:{proxy.port}'}}"
        )
        summary = run(load_plan(scenario_file(tmp_path, settings)))

    assert summary["answered"] == 2
    assert [heard["headers"]["x-team"] for heard in echo.heard] == ["crm", "crm"]
    assert proxy.heads[-1].startswith(f"GET {echo.url}/a HTTP/1.1\r\n")


def test_tls_settings_of_the_file_reach_the_handshake(certificates: Certificates, tmp_path: Path) -> None:
    """Own authority, our certificate, another server name, full handshakes on connections of their own."""
    tls = {
        "ca": certificates.ca,
        "certificate": certificates.client,
        "key": certificates.client_key,
        "server_name": "app.test",
        "session_reuse": False,
    }
    with tls_site(certificates, wants_client=True) as site:
        settings = f"target='https://127.0.0.1:{site.port}', http={{'keep_alive': False, 'tls': {tls!r}}}"
        summary = run(load_plan(scenario_file(tmp_path, settings)))

    assert (summary["answered"], summary["failed"]) == (2, 0)
    loaded = site.handshakes[-2:]
    assert [(one.asked_for, one.client, one.resumed) for one in loaded] == [("app.test", "a-client", False)] * 2


def test_http2_is_spoken_where_the_file_says_so(tmp_path: Path) -> None:
    with http2_site() as site:
        settings = f"target='http://127.0.0.1:{site.port}', http={{'version': '2-prior-knowledge'}}"
        summary = run(load_plan(scenario_file(tmp_path, settings)), {"users": 3, "count": 12})

    assert (summary["answered"], len(site.requests), site.connections) == (12, 12, 1)


def test_a_timeout_of_the_file_ends_a_request(echo: Server, tmp_path: Path) -> None:
    path = scenario_file(tmp_path, f"target={echo.url!r}, http={{'timeout': '50ms'}}", 'await user.get("/held")')
    summary = run(load_plan(path), {"users": 1, "count": 1})

    assert summary["errors"] == {"timeout": 1}


def test_connections_come_from_the_files_addresses_one_a_user(echo: Server, tmp_path: Path) -> None:
    http = {"source_addresses": ["127.0.0.7"], "connection_per_user": True}
    body = 'await user.get("/a"); await user.get("/b")'
    summary = run(
        load_plan(scenario_file(tmp_path, f"target={echo.url!r}, http={http!r}", body)), {"users": 2, "count": 4}
    )

    assert summary["answered"] == 8
    ways = [tuple(heard["client"]) for heard in echo.heard]
    assert {address for address, _ in ways} == {"127.0.0.7"}
    # A connection an iteration, for both of its requests.
    assert sorted(ways.count(way) for way in set(ways)) == [2, 2, 2, 2]


def test_the_command_line_wins_over_a_plan_file_and_that_over_the_scenarios(tmp_path: Path) -> None:
    scenario_file(
        tmp_path,
        "target='http://127.0.0.1:1', seed=3, headers={'a': 'file', 'b': 'file'},"
        " http={'timeout': '3s', 'connections_max': 7, 'redirects_max': 1}, load={'users': 4}",
    )
    (tmp_path / "plan.yaml").write_text(
        "target: http://127.0.0.1:2\npython: scenario.py\nheaders: {B: plan}\nhttp: {timeout: 2s, connections_max: 8}\n"
    )
    plan = plan_from(str(tmp_path / "plan.yaml"), http={"connections_max": 9})

    assert plan.target.url == "http://127.0.0.1:2"
    assert (plan.seed, plan.load.users) == (3, 4)
    assert plan.headers == {"a": "file", "B": "plan"}
    http = plan.http
    assert (http.connections_max, http.timeout_ns, http.redirects_max) == (9, 2 * 10**9, 1)


def test_all_wrong_values_are_named_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "scenario.py"
    path.write_text(
        dedent("""\
        from scaleworthy.load import Settings
        settings = Settings(
            http={
                "proxy": "socks://127.0.0.1:1",
                "tls": {"min_version": "1.0"},
                "conections_max": 3,
            },
            sed=4,
            load={"users": 0},
        )
        """)
        + "from scaleworthy.load import scenario\n@scenario\nasync def page(user): ...\n"
    )
    with pytest.raises(InvalidInput) as raised:
        load_plan(path, target="http://127.0.0.1:1")

    wrong = [problem.partition(": ")[0::2] for problem in raised.value.problems]
    assert [place for place, _ in wrong] == [f"scenario.py:{line}" for line in (4, 5, 6, 8, 9)]
    assert [text.partition(":")[0] for _, text in wrong] == [
        "http.proxy",
        "http.tls.min_version",
        "http.conections_max",
        "sed",
        "load.users",
    ]
    assert "did you mean 'seed'" in wrong[3][1]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("http={'tls': {'ca': 'none.pem'}}", "scenario.py:2: http.tls: ca 'none.pem' cannot be read"),
        ("headers={'x': '{{ $uuid }}'}", "a Python scenario's requests render no templates"),
        ("http={'version': '2'}", "http.version: '2' is agreed on over TLS"),
        ("seed=1)\nother = Settings(seed=2", "scenario.py:3: a file has one Settings(...)"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, settings: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        load_plan(scenario_file(tmp_path, settings), target="http://127.0.0.1:1")

    assert problem in str(raised.value)
