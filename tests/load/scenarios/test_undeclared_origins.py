"""Origins that nobody declared: looked up by the same rules beside the run, waited for once, bounded, and told of when they may not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from load.proxying import proxying
from load.scenarios.conftest import Server
from load.scenarios.echo import echo_server
from load.scenarios.test_runs import plan
from load.tls_site import make_certificates, tls_site
from scaleworthy.load import RequestFailed, User, make_plan, run_load, start
from scaleworthy.series import MemoryStore


def test_requests_go_to_an_origin_that_only_the_scenario_names(echo: Server, tmp_path: Path) -> None:
    """Many ask at once before it is looked up; all are answered, each by the origin it asked for."""
    with echo_server() as (other, heard, _):
        by_name = other.replace("127.0.0.1", "localhost")
        text = f"""
            @scenario
            async def page(user):
                await user.gather(user.get("/a"), user.get({by_name!r} + "/b?x=1"), user.get({other!r} + "/c"))
        """
        store = MemoryStore()
        summary = run_load(plan(tmp_path, text, echo.url, {"users": 2, "count": 60}, workers=2), store)

    assert (summary["answered"], summary["failed"]) == (180, 0)
    assert {one["path"] for one in echo.heard} == {"/a"}
    assert sorted({(one["path"], one["headers"]["host"]) for one in heard}) == [
        ("/b", by_name.removeprefix("http://")),
        ("/c", other.removeprefix("http://")),
    ]
    # A name that had to be asked for, once in each of two processes.
    assert store.histogram("load.phase", labels={"phase": "dns"}).count == 2


async def test_what_may_not_be_loaded_says_what_to_do(user: User) -> None:
    with pytest.raises(RequestFailed, match=r"10\.1\.2\.3 is not this machine.*add --i-own 10\.1\.2\.3") as refused:
        await user.get("http://10.1.2.3/")
    with pytest.raises(RequestFailed, match=r"'nowhere\.invalid' cannot be resolved") as unknown:
        await user.get("http://nowhere.invalid/")

    assert (refused.value.kind, unknown.value.kind) == ("dns", "dns")
    assert (await user.get("/a")).status == 200


async def test_one_origin_too_many_is_named(user: User, echo: Server) -> None:
    for port in range(1, 65):
        with pytest.raises(RequestFailed, match="refused"):
            await user.get(f"http://127.0.0.1:{port}/")
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:65 is one origin too many.*64 in a run"):
        user.get("http://127.0.0.1:65/")
    with pytest.raises(ValueError, match="not an http or https URL"):
        user.get("ftp://127.0.0.1/")

    assert (await user.get("/a")).status == 200


def test_an_undeclared_origin_with_tls_is_held_to_the_plans_trust(echo: Server, tmp_path: Path) -> None:
    """The target speaks no TLS, so that nothing of it was made ready before."""
    certificates = make_certificates(tmp_path)
    with tls_site(certificates) as site:
        text = f"""
            settings = Settings(http={{"tls": {{"ca": {certificates.ca!r}}}}})
            @scenario
            async def page(user):
                await user.get("https://127.0.0.1:{site.port}/a")
        """
        summary = run_load(plan(tmp_path, text, echo.url, {"users": 2, "count": 6}), MemoryStore())

    assert (summary["answered"], summary["failed"]) == (6, 0)
    assert len(site.handshakes) <= 2


def test_an_undeclared_origin_is_reached_through_the_proxy(echo: Server, tmp_path: Path) -> None:
    with proxying() as proxy, echo_server() as (other, heard, _):
        text = f"""
            settings = Settings(http={{"proxy": "http://127.0.0.1:{proxy.port}"}})
            @scenario
            async def page(user):
                await user.get({other!r} + "/b")
        """
        summary = run_load(plan(tmp_path, text, echo.url, {"users": 1, "count": 2}), MemoryStore())

    assert (summary["answered"], len(heard)) == (2, 2)
    assert proxy.heads[-1].startswith(f"GET {other}/b HTTP/1.1\r\n")


def test_a_redirect_is_followed_to_an_undeclared_origin_without_what_is_the_first_ones(echo: Server) -> None:
    """In a plan file as in a scenario; authorization and cookies stay where they belong."""
    with echo_server() as (other, heard, _):
        made = make_plan(
            {
                "target": echo.url,
                "headers": {"authorization": "Bearer t", "cookie": "a=b", "x-team": "crm"},
                "scenarios": [{"name": "away", "steps": [{"get": f"/a?status=302&to={other}/b/../c"}]}],
                "load": {"users": 2, "count": 4},
            }
        )
        summary = run_load(made, MemoryStore())

    assert (summary["answered"], summary["failed"]) == (4, 0)
    assert [one["path"] for one in heard] == ["/c"] * 4
    assert all(one["headers"]["authorization"] == "Bearer t" for one in echo.heard)
    for one in heard:
        assert one["headers"]["host"] == other.removeprefix("http://")
        assert one["headers"]["x-team"] == "crm"
        assert not {"authorization", "cookie"} & one["headers"].keys()


def test_a_redirect_to_what_may_not_be_loaded_fails_with_what_to_do(echo: Server) -> None:
    made = make_plan(
        {
            "target": echo.url,
            "scenarios": [{"name": "away", "steps": [{"get": "/a?status=302&to=http://10.1.2.3/"}]}],
            "load": {"users": 1, "count": 2},
        }
    )
    run = start(made, MemoryStore())
    summary = run.wait()

    assert summary.errors == {"dns": 2}
    assert "add --i-own 10.1.2.3" in run.store.fact("load", "error_examples")["dns"]


def test_a_name_is_asked_for_again_and_one_that_leads_elsewhere_is_refused(echo: Server) -> None:
    """The engine hears of each answer; one that may not be used ends the use of the name."""
    answers = [["127.0.0.1"], ["192.0.2.1"]]
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    with echo_server() as (other, _, _):
        away = other.replace("127.0.0.1", "app.test")
        made = make_plan(
            {
                "target": echo.url,
                "http": {"dns_ttl": "20ms"},
                "scenarios": [{"name": "away", "steps": [{"get": f"/a?status=302&to={away}/b"}, {"think": "5ms"}]}],
                "load": {"users": 1, "for": "20s"},
            }
        )
        run = start(made, MemoryStore(), resolve=resolve)
        summary = run.wait(on_second=lambda second: run.stop() if second.failed else None)

    assert summary.answered > 0
    assert set(summary.errors) == {"dns"}
    assert set(asked) == {"app.test"}
    assert "add --i-own app.test" in run.store.fact("load", "error_examples")["dns"]
