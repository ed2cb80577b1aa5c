"""`scaleworthy find-limit` on a real server of known limit, over real sockets."""

import json
from pathlib import Path

from tests.cli.conftest import scaleworthy

from scaleworthy._native import NullServer
from scaleworthy.series import Recording


def test_the_limit_of_a_real_server_is_found(tmp_path: Path) -> None:
    """Two servers of exactly 20 ms take 100 requests per second and no more, whatever machine this is.

    A quick probe of 5 s at 110 per second ends with 50 waiting, that is 0.5 s of work: from there on it must fail.
    """
    server = NullServer(service_time_ns=20_000_000, servers=2)
    out = tmp_path / "limit.sw"
    ended = scaleworthy(
        "find-limit", f"http://127.0.0.1:{server.port}/", "--quick", "--longest", "20s", "--objective", "p95 < 500ms",
        "--out", str(out), "--json", "-",
    )  # fmt: skip
    server.stop()

    assert ended.status == 0, ended.err
    limit = json.loads(ended.out)
    assert limit["passing"] <= 112
    assert 90 <= limit["failing"] <= 250
    assert limit["binding"] == "p95 < 500ms"
    assert limit["generator_max"] > 500
    assert limit["stopped_by"] in ("found", "time")
    with Recording.open(out) as store:
        assert store.fact("limit", "found")["passing"] == limit["passing"]
        assert store.total("load.answered") >= sum(probe["answered"] for probe in limit["probes"])


def test_a_search_without_an_objective_is_refused(url: str, server: NullServer) -> None:
    ended = scaleworthy("find-limit", url)
    assert ended.status == 2
    assert "a limit needs an objective" in ended.err
    assert server.requests == 0


def test_the_highest_level_bounds_the_search(url: str) -> None:
    ended = scaleworthy(
        "find-limit", url, "--quick", "--start", "20", "--max", "20", "--objective", "failed < 50%", "--json", "-"
    )
    limit = json.loads(ended.out)
    assert limit["stopped_by"] == "max-level"
    assert max(probe["level"] for probe in limit["probes"]) <= 20
    assert ended.status == 0
