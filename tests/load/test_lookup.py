"""Names: looked up before a run, measured, and held to the guard; the resolver is a script."""

import socket
from collections.abc import Iterator

import pytest

from scaleworthy._native import NullServer
from scaleworthy.errors import UsageError
from scaleworthy.load import plan_for_url, start
from scaleworthy.load.http import Target
from scaleworthy.load.lookup import look_up
from scaleworthy.series import MemoryStore

DNS = {"phase": "dns"}


class Script:
    """A resolver that gives one answer after the other, the last one for ever."""

    def __init__(self, *answers: list[str] | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


def clock(*times_ns: int) -> Iterator[int]:
    return iter(times_ns)


def test_a_lookup_takes_the_time_of_the_answer() -> None:
    times = clock(1_000, 4_500_000)
    found = look_up(Target.parse("http://app.test"), resolve=Script(["127.0.0.1"]), clock_ns=lambda: next(times))

    assert found.addresses == ("127.0.0.1",)
    assert found.took_ns == 4_499_000


@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://[::1]:80"])
def test_an_address_needs_no_looking_up(url: str) -> None:
    assert look_up(Target.parse(url), resolve=Script(["127.0.0.1"])).took_ns is None


def test_a_lookup_is_held_to_the_guard() -> None:
    with pytest.raises(UsageError):
        look_up(Target.parse("http://app.test"), resolve=Script(["127.0.0.1", "192.0.2.1"]))


def test_a_run_records_its_lookup_once_under_its_first_step(server: NullServer) -> None:
    store = MemoryStore()
    plan = plan_for_url(f"http://app.test:{server.port}/x", load={"users": 2, "count": 10})
    start(plan, store, resolve=Script(["127.0.0.1"])).wait()

    assert store.histogram("load.phase", labels={**DNS, "step": "GET /x"}).count == 1
    assert store.total("load.answered") == 10


def test_a_run_to_an_address_has_no_lookup(url: str) -> None:
    store = MemoryStore()
    start(plan_for_url(url, load={"users": 1, "count": 1}), store).wait()

    assert store.keys("load.phase", DNS) == []


def test_a_name_is_looked_up_by_the_system_where_nobody_says_otherwise(server: NullServer) -> None:
    if not socket.getaddrinfo("localhost", None, socket.AF_INET):
        pytest.skip("localhost has no IPv4 address here")
    store = MemoryStore()
    start(plan_for_url(f"http://localhost:{server.port}/", load={"users": 1, "count": 1}), store).wait()

    assert store.histogram("load.phase", labels=DNS).count == 1
