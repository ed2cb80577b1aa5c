"""HTTP/2 against other implementations: the h2 library, and nginx where it is installed."""

from __future__ import annotations

from typing import Any

import pytest

from load.http2_site import http2_site
from scaleworthy.load import Plan, plan_for_url, run_load
from scaleworthy.series import MemoryStore


def plan(port: int, load: dict[str, Any], **http: Any) -> Plan:
    return plan_for_url(f"http://127.0.0.1:{port}/", load=load, http={"version": "2-prior-knowledge", **http}, seed=1)


@pytest.mark.parametrize("load", [{"users": 12, "count": 300}, {"rate": "300/s", "for": "1s"}], ids=["closed", "open"])
def test_counts_agree_with_the_servers_own(load: dict[str, Any]) -> None:
    with http2_site() as site:
        summary = run_load(plan(site.port, load, streams_max=4), MemoryStore())

    assert summary["planned"] == summary["started"] == summary["answered"] == len(site.requests)
    assert summary["failed"] == summary["not_started"] == 0
    assert summary["statuses"] == {"200": len(site.requests)}
    asked = site.requests[0].headers
    assert (asked[":method"], asked[":scheme"], asked[":path"]) == ("GET", "http", "/")
    assert asked[":authority"] == f"127.0.0.1:{site.port}"
    assert "host" not in asked
    assert "connection" not in asked


def test_users_share_connections_by_streams_max() -> None:
    """12 users at 4 streams each are 3 connections, or 2 where no more may be."""
    with http2_site() as site:
        run_load(plan(site.port, {"users": 12, "count": 240}, streams_max=4), MemoryStore())
    assert site.connections == 3

    with http2_site() as site:
        summary = run_load(
            plan(site.port, {"users": 12, "count": 240}, streams_max=4, connections_max=2), MemoryStore()
        )
    assert site.connections == 2
    assert summary["answered"] == 240 == len(site.requests)
