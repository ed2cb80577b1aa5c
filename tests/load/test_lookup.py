"""Names: looked up before a run, measured, and held to the guard; the resolver is a script."""

import socket
from collections.abc import Iterator, Sequence

import pytest

from scaleworthy._native import NullServer
from scaleworthy.errors import UsageError
from scaleworthy.load import make_plan, plan_for_url, start
from scaleworthy.load.http import Target
from scaleworthy.load.lookup import NameWatch, look_up
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


class Told:
    """Stands for a run: keeps what it is told."""

    def __init__(self) -> None:
        self.finished = False
        self.addresses: list[tuple[int, list[str], int | None]] = []
        self.refused: list[tuple[int, str]] = []
        self.notes: list[str] = []

    def set_addresses(self, *, origin: int, addresses: Sequence[str], took_ns: int | None) -> None:
        self.addresses.append((origin, list(addresses), took_ns))

    def refuse_addresses(self, *, origin: int, why: str, took_ns: int | None) -> None:
        assert took_ns is not None
        self.refused.append((origin, why))

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_watch_tells_new_addresses_and_how_long_they_took() -> None:
    told, times = Told(), clock(10, 25)
    names = {3: Target.parse("http://app.test")}
    NameWatch(told, names, ttl_s=60, resolve=Script(["127.0.0.9"]), clock_ns=lambda: next(times)).look_again()

    assert told.addresses == [(3, ["127.0.0.9"], 15)]
    assert told.notes == []


def test_an_answer_that_is_not_permitted_ends_the_use_of_the_name() -> None:
    told = Told()
    NameWatch(told, {0: Target.parse("http://app.test")}, ttl_s=60, resolve=Script(["192.0.2.7"])).look_again()

    assert told.addresses == []
    ((origin, why),) = told.refused
    assert origin == 0
    assert "192.0.2.7" in why
    assert "failed as dns" in told.notes[0]


def test_the_owner_of_a_name_may_see_it_move() -> None:
    told = Told()
    names = {0: Target.parse("http://app.test")}
    NameWatch(told, names, ttl_s=60, owned=["app.test"], resolve=Script(["192.0.2.7"])).look_again()

    assert [addresses for _, addresses, _ in told.addresses] == [["192.0.2.7"]]


def test_where_no_answer_comes_the_last_one_stays() -> None:
    told = Told()
    gone = Script(socket.gaierror(-3, "Temporary failure in name resolution"))
    NameWatch(told, {0: Target.parse("http://app.test")}, ttl_s=60, resolve=gone).look_again()

    assert told.addresses == told.refused == []
    assert "the addresses of the last answer stayed in use" in told.notes[0]


def test_addresses_that_the_plan_gives_are_not_asked_for(server: NullServer) -> None:
    store, nobody = MemoryStore(), Script(OSError("nobody is to be asked"))
    given = {"app.test": "127.0.0.1", f"other.test:{server.port}": ["127.0.0.1"]}
    plan = make_plan(
        {
            "target": f"http://app.test:{server.port}",
            "http": {"resolve": given},
            "scenarios": [{"name": "s", "steps": [{"get": "/"}, {"get": f"http://other.test:{server.port}/"}]}],
            "load": {"users": 1, "count": 2},
        }
    )
    start(plan, store, resolve=nobody).wait()

    assert store.total("load.answered") == 4
    assert nobody.asked == []
    assert store.keys("load.phase", DNS) == []


def test_the_guard_holds_for_addresses_that_the_plan_gives() -> None:
    with pytest.raises(UsageError, match=r"--i-own app\.test"):
        look_up(Target.parse("http://app.test"), given={"app.test": ["192.0.2.1"]})


def test_a_run_looks_its_name_up_again_when_the_answer_is_old(server: NullServer) -> None:
    """The name leads away after the first answers: what is sent from then on fails as dns, and no connection is opened."""
    store, script = MemoryStore(), Script(["127.0.0.1"], ["127.0.0.1"], ["192.0.2.1"])
    load = {"users": 1, "for": "20s"}
    plan = plan_for_url(f"http://app.test:{server.port}/", load=load, http={"dns_ttl": "50ms", "keep_alive": False})
    run = start(plan, store, resolve=script)
    for _ in run:
        if store.total("load.errors", labels={"kind": "dns"}):
            run.stop()

    assert store.total("load.answered") > 0
    assert store.histogram("load.phase", labels=DNS).count >= 3
    assert "192.0.2.1" in str(store.fact("load", "error_examples"))
    assert "led elsewhere" in str(store.fact("load", "notes"))
    assert store.total("load.errors") == store.total("load.errors", labels={"kind": "dns"})
