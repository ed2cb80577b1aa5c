"""Connections from the plan's own addresses, as the server sees them."""

import socket
from typing import Any

import pytest

from scaleworthy._native import NullServer
from scaleworthy.errors import UsageError
from scaleworthy.load import Plan, plan_for_url, run_load
from scaleworthy.load.workers import Limits, workers_for
from scaleworthy.series import MemoryStore


def plan(url: str, *sources: str, users: int = 4, **http: Any) -> Plan:
    http = {"source_addresses": list(sources), **http}
    return plan_for_url(url, load={"users": users, "count": users}, http=http, seed=1)


def test_connections_come_from_each_address_in_turn() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        seen: list[str] = []

        made = plan(
            f"http://127.0.0.1:{listener.getsockname()[1]}/", "127.0.0.2", "127.0.0.3", users=4, timeout="200ms"
        )
        run_load(made, MemoryStore())
        listener.setblocking(False)
        while True:
            try:
                connection, (address, _) = listener.accept()
            except BlockingIOError:
                break
            connection.close()
            seen.append(address)

    # The first is the look at whether the target is there.
    assert seen[1:] == ["127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3"]


def test_an_address_of_another_machine_is_refused_before_the_start(url: str) -> None:
    with pytest.raises(UsageError, match=r"http\.source_addresses: 192\.0\.2\.1 cannot be used"):
        run_load(plan(url, "192.0.2.1"), MemoryStore())


def test_an_address_of_the_other_family_does_not_do(url: str) -> None:
    with pytest.raises(UsageError, match="has no IPv4 address, and 127"):
        run_load(plan(url, "::1"), MemoryStore())


def test_more_source_addresses_give_more_ports(server: NullServer, url: str) -> None:
    made = plan(url, users=50_000, connections_max=50_000)
    limits = Limits(connections_per_process=20_000, ports_per_address=28_232)
    assert workers_for(made, addresses=2, limits=limits) == 3
    with pytest.raises(UsageError, match=r"50,000 connections .* cannot be open at once") as caught:
        workers_for(made, addresses=1, limits=limits)
    assert "http.source_addresses" in str(caught.value)
