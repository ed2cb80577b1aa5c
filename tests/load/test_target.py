"""Whom load may be sent to, and what is said of a target that is not there."""

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from scaleworthy.errors import TargetError, UsageError
from scaleworthy.load import plan_for_url
from scaleworthy.load.http import HttpSettings, Target, split_url
from scaleworthy.load.target import check_reachable, permitted_addresses

PLAIN = HttpSettings.model_validate({"connect_timeout": "300ms"})


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.mark.parametrize("addresses", [["93.184.216.34"], ["127.0.0.1", "10.0.0.1"], ["::1", "fe80::1"], ["0.0.0.0"]])
def test_a_name_with_any_address_beyond_loopback_is_refused(addresses: list[str]) -> None:
    target = Target.parse("http://shop.example:8080")

    with pytest.raises(UsageError) as caught:
        permitted_addresses(target, resolve=lambda host, port: addresses)

    assert caught.value.exit_status == 2
    assert "--i-own shop.example" in str(caught.value)


def test_the_owner_may_load_it() -> None:
    target = Target.parse("http://shop.example:8080")
    assert permitted_addresses(target, owned=["shop.example"], resolve=lambda host, port: ["10.0.0.1"]) == ["10.0.0.1"]


def test_owning_one_host_does_not_permit_another() -> None:
    with pytest.raises(UsageError):
        permitted_addresses(
            Target.parse("http://b.example"), owned=["a.example"], resolve=lambda host, port: ["10.0.0.1"]
        )


def test_loopback_needs_no_owner() -> None:
    assert permitted_addresses(Target.parse("http://127.0.0.1:1")) == ["127.0.0.1"]
    assert permitted_addresses(Target.parse("http://x"), resolve=lambda host, port: ["::1", "127.0.0.9"]) == [
        "::1",
        "127.0.0.9",
    ]


def test_a_name_that_does_not_resolve_says_so() -> None:
    def fail(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(TargetError, match=r"the name 'nowhere\.invalid' cannot be resolved: Name or service not known"):
        permitted_addresses(Target.parse("http://nowhere.invalid"), resolve=fail)


def test_a_closed_port_says_that_nothing_listens(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(TargetError, match="connection refused, nothing listens there"):
        check_reachable(Target("http", "127.0.0.1", port), ["127.0.0.1"], PLAIN)


def test_an_open_port_is_enough(listener: socket.socket) -> None:
    check_reachable(Target("http", "127.0.0.1", listener.getsockname()[1]), ["127.0.0.1"], PLAIN)


def test_a_later_address_may_answer(listener: socket.socket) -> None:
    check_reachable(Target("http", "x", listener.getsockname()[1]), ["127.0.0.2", "127.0.0.1"], PLAIN)


def test_tls_to_a_port_without_it_asks_for_http(listener: socket.socket) -> None:
    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises(TargetError, match=r"TLS with https://127\.0\.0\.1:.* fails") as caught:
        check_reachable(Target("https", "127.0.0.1", listener.getsockname()[1]), ["127.0.0.1"], PLAIN)
    thread.join()
    assert "http:// instead of https://" in str(caught.value)


def test_tls_to_a_silent_port_ends_in_time(listener: socket.socket) -> None:
    with pytest.raises(TargetError, match=r"no connection within 0\.3 s"):
        check_reachable(Target("https", "127.0.0.1", listener.getsockname()[1]), ["127.0.0.1"], PLAIN)


def test_verification_is_on_unless_the_plan_says_otherwise() -> None:
    assert plan_for_url("https://127.0.0.1/").http.insecure is False
    assert ssl.create_default_context().verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("text", "host", "port", "url"),
    [
        ("http://127.0.0.1", "127.0.0.1", 80, "http://127.0.0.1"),
        ("https://Example.com:443/a/", "example.com", 443, "https://example.com/a"),
        ("http://[::1]:8080/", "::1", 8080, "http://[::1]:8080"),
    ],
)
def test_urls_are_read_and_written(text: str, host: str, port: int, url: str) -> None:
    target = Target.parse(text)
    assert (target.host, target.port, target.url) == (host, port, url)
    assert Target.parse(target.url) == target


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1:80", "ftp://x", "http://", "http://x:99999", "http://x:0", "http://[::1"]
)
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        split_url(text)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1", "/"),
        ("http://127.0.0.1/x?y=1", "/x?y=1"),
        ("http://127.0.0.1/x/", "/x/"),
        ("http://127.0.0.1/?q", "/?q"),
    ],
)
def test_a_url_alone_gets_its_own_path(url: str, path: str) -> None:
    plan = plan_for_url(url)
    (step,) = plan.seeded().to_native(addresses=[])["scenarios"][0]["steps"]
    assert step["request"]["path"] == path
