"""Where requests go and how: target, environments, connections, TLS, the shell's environment."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.load.listening import listening

from scaleworthy.errors import UsageError
from scaleworthy.load import Wishes

from .scripts import CONFIG, compiled, flow, problems_of, ran

GET = "scenarios: [{flow: [{get: {url: /a}}]}]\n"


def test_the_target_is_the_files_or_the_command_lines(tmp_path: Path) -> None:
    assert compiled(tmp_path, flow("- get: {url: /}")).plan.target.url == "http://127.0.0.1:8000"
    wishes = Wishes(target="http://127.0.0.1:9")
    assert compiled(tmp_path, flow("- get: {url: /}"), wishes).plan.target.url == "http://127.0.0.1:9"
    assert compiled(tmp_path, GET, wishes).plan.target.url == "http://127.0.0.1:9"
    assert "there is no target" in problems_of(tmp_path, GET)[0]


def test_an_absolute_url_of_the_target_is_a_path_of_it(tmp_path: Path) -> None:
    steps = compiled(tmp_path, flow("- get: {url: 'http://127.0.0.1:8000/a?b=1'}\n- get: {url: '{{ target }}/c'}")).data

    assert [step["get"] for step in steps["scenarios"][0]["steps"]] == ["/a?b=1", "/c"]


def test_each_user_has_a_connection_unless_a_pool_is_shared(tmp_path: Path) -> None:
    steps = "- get: {url: /a}\n- get: {url: /b}"
    with listening() as server:
        ran(tmp_path, flow(steps), server.url, count=4)
        alone = Counter(asked.connection for asked in server.asked)
        server.asked.clear()
        ran(tmp_path, flow(steps, config=CONFIG + "  http: {pool: 1}\n"), server.url, users=2, count=4)
        shared = Counter(asked.connection for asked in server.asked)

    assert sorted(alone.values()) == [2, 2, 2, 2]
    assert list(shared.values()) == [8]


def test_headers_are_those_of_the_defaults_and_of_the_request(tmp_path: Path) -> None:
    config = CONFIG + "  http: {defaults: {headers: {X-Tenant: demo, x-flag: true}}}\n"
    with listening() as server:
        ran(tmp_path, flow("- get: {url: /, headers: {X-Flag: 'no'}}", config=config), server.url)

    sent = server.asked[0].headers
    assert (sent["x-tenant"], sent["x-flag"], sent["accept-encoding"]) == ("demo", "no", "gzip, deflate, br")


def test_tls_redirects_and_the_timeout(tmp_path: Path) -> None:
    http = compiled(tmp_path, flow("- get: {url: /}", config=CONFIG + "  tls: {rejectUnauthorized: false}\n")).plan.http
    assert (http.insecure, http.redirects_max, http.timeout_ns) == (True, 10, 10 * 10**9)
    quick = compiled(tmp_path, flow("- get: {url: /}", config=CONFIG + "  http: {timeout: '0.5'}\n")).plan.http
    assert quick.timeout_ns == 500_000_000


ENVIRONMENTS = """\
config:
  target: http://127.0.0.1:1
  phases: [{duration: 60, arrivalRate: 5, rampTo: 20}, {duration: 60, arrivalRate: 20}]
  environments:
    smoke:
      target: http://127.0.0.1:2
      phases: [{duration: 2, arrivalRate: 1}]
"""


def test_an_environment_is_merged_into_the_config_part_by_part(tmp_path: Path) -> None:
    imported = compiled(tmp_path, ENVIRONMENTS + GET, Wishes(environment="smoke"))

    assert imported.plan.target.url == "http://127.0.0.1:2"
    # As in Artillery: the first phase keeps its rampTo, the second one stays.
    assert imported.data["load"]["stages"] == "2s:20/s,1m@20/s"
    assert "items 2 to 2 of the config's own list stay" in imported.notes[0]


def test_an_environment_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'smoke'"):
        compiled(tmp_path, ENVIRONMENTS + GET, Wishes(environment="smok"))


def test_what_is_wrong_in_an_environment_is_found_there(tmp_path: Path) -> None:
    script = ENVIRONMENTS.replace("arrivalRate: 1}", "arivalRate: 1}") + GET

    assert problems_of(tmp_path, script, Wishes(environment="smoke")) == (
        "artillery.yml:7:30: config.phases[0].arivalRate: unknown key; did you mean 'arrivalRate'?",
    )


def test_the_shells_environment_fills_the_config_and_the_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SW_TEST_KEY", "k1")
    config = CONFIG + "  http: {defaults: {headers: {x-key: '{{ $env.SW_TEST_KEY }}'}}}\n"
    steps = "- get: {url: '/{{ $processEnvironment.SW_TEST_KEY }}/{{ $environment }}'}"
    with listening() as server:
        ran(tmp_path, flow(steps, config=config), server.url)

    assert server.asked[0].headers["x-key"] == "k1"
    assert server.asked[0].path == "/k1/"


def test_a_variable_that_the_shell_does_not_have_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SW_TEST_KEY", raising=False)

    assert problems_of(tmp_path, flow("- get: {url: '/{{ $env.SW_TEST_KEY }}'}"))[0].endswith(
        "the environment variable SW_TEST_KEY is not set; write SW_TEST_KEY=... before the command"
    )
