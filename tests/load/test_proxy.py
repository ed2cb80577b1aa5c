"""Through a proxy: requests without TLS are handed to it, TLS goes through a tunnel; the guard holds for all of it."""

from typing import Any

import pytest

from load.listening import listening
from load.proxying import Proxy, proxying
from load.tls_site import make_certificates, tls_site
from scaleworthy.errors import InvalidInput, TargetError, UsageError
from scaleworthy.load import plan_for_url, start, summarize
from scaleworthy.load.summary import Summary
from scaleworthy.series import MemoryStore

LOGIN = "Basic YW5uOnNlY3JldA=="
"""`ann:secret`, as RFC 7617 writes it."""


def loaded(url: str, proxy: Proxy, *, login: str = "", **http: Any) -> tuple[Summary, MemoryStore]:
    store = MemoryStore()
    http = {"proxy": f"http://{login}127.0.0.1:{proxy.port}", **http}
    start(plan_for_url(url, load={"users": 1, "count": 3}, http=http, seed=1), store).wait()
    return summarize(store), store


def test_a_request_is_handed_to_the_proxy_with_its_whole_url() -> None:
    with listening() as origin, proxying() as proxy:
        place = f"127.0.0.1:{origin.port}"
        summary, _ = loaded(f"http://{place}/a?b=1", proxy)

    assert (summary.answered, summary.errors) == (3, {})
    assert [head.split("\r\n")[0] for head in proxy.heads] == [f"GET http://{place}/a?b=1 HTTP/1.1"] * 3
    assert f"host: {place}\r\n" in proxy.heads[0]
    assert [asked.path for asked in origin.asked] == ["/a?b=1"] * 3


def test_tls_goes_through_a_tunnel(tmp_path_factory: pytest.TempPathFactory) -> None:
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    with tls_site(certificates) as site, proxying() as proxy:
        summary, store = loaded(f"https://127.0.0.1:{site.port}/", proxy, tls={"ca": certificates.ca})

    assert (summary.answered, summary.errors) == (3, {})
    assert proxy.heads == [f"CONNECT 127.0.0.1:{site.port} HTTP/1.1\r\nhost: 127.0.0.1:{site.port}\r\n\r\n"]
    assert len(site.handshakes) == 1
    for phase in ("connect", "tls"):
        assert store.histogram("load.phase", labels={"phase": phase}).count == 1


def test_the_proxy_is_told_who_we_are_and_nobody_else_is() -> None:
    with listening() as origin, proxying(login=LOGIN) as proxy:
        summary, _ = loaded(f"http://127.0.0.1:{origin.port}/", proxy, login="ann:secret@")
        assert summary.statuses == {"200": 3}
        refused, store = loaded(f"https://127.0.0.1:{origin.port}/", proxy)

    assert refused.errors == {"connect": 3}
    assert "the proxy answered 407 to CONNECT: it wants a user and a password" in str(
        store.fact("load", "error_examples")
    )
    assert "secret" not in str(store.fact("load", "plan"))


def test_the_guard_holds_for_the_proxy_and_for_what_is_behind_it() -> None:
    with pytest.raises(UsageError, match=r"--i-own 192\.0\.2\.1"):
        start(plan_for_url("http://127.0.0.1:9/", http={"proxy": "http://192.0.2.1:3128"}), MemoryStore())
    with proxying() as proxy, pytest.raises(UsageError, match=r"--i-own 192\.0\.2\.1"):
        loaded("http://192.0.2.1/", proxy)


def test_a_proxy_that_is_not_there_is_named() -> None:
    with proxying() as proxy:
        pass
    with pytest.raises(TargetError, match=f"the proxy http://127.0.0.1:{proxy.port} cannot be reached"):
        loaded("http://127.0.0.1:9/", proxy)


@pytest.mark.parametrize("proxy", ["https://127.0.0.1:1", "socks5://127.0.0.1:1", "127.0.0.1:1", "http://127.0.0.1/x"])
def test_what_is_no_proxy_is_refused(proxy: str) -> None:
    with pytest.raises(InvalidInput, match="proxy"):
        plan_for_url("http://127.0.0.1:9/", http={"proxy": proxy})
