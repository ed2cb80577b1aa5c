"""TLS of a plan, against a server that remembers each handshake: names, trust, our certificate, resumption."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from load.tls_site import Certificates, TlsSite, make_certificates, tls_site
from scaleworthy.errors import InvalidInput, TargetError
from scaleworthy.load import Plan, make_plan, plan_for_url, start, summarize
from scaleworthy.load.summary import Summary
from scaleworthy.series import MemoryStore


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def plan(site: TlsSite, *, host: str = "127.0.0.1", count: int = 4, **http: Any) -> Plan:
    load = {"users": 1, "count": count}
    return plan_for_url(f"https://{host}:{site.port}/", load=load, http={"connect_timeout": "5s", **http}, seed=1)


def loaded(made: Plan) -> tuple[Summary, MemoryStore]:
    store = MemoryStore()
    start(made, store).wait()
    return summarize(store), store


def from_engine(site: TlsSite, summary: Summary) -> list[Any]:
    """The handshakes without the first: that one is the look at whether the target is there."""
    assert summary.errors == {}
    return site.handshakes[1:]


def test_a_new_connection_resumes_the_session_unless_told_otherwise(certificates: Certificates) -> None:
    for reuse, resumed in ((True, [False, True, True, True]), (False, [False] * 4)):
        with tls_site(certificates) as site:
            tls = {"ca": certificates.ca, "session_reuse": reuse}
            summary, store = loaded(plan(site, keep_alive=False, tls=tls))

        assert [shake.resumed for shake in from_engine(site, summary)] == resumed
        assert store.histogram("load.phase", labels={"phase": "tls"}).count == 4


def test_one_connection_is_one_handshake(certificates: Certificates) -> None:
    with tls_site(certificates) as site:
        summary, _ = loaded(plan(site, ca_file=certificates.ca))
    (shake,) = from_engine(site, summary)
    assert (shake.version, shake.client) == ("TLSv1.3", None)


def test_the_server_name_is_asked_for_and_verified_in_place_of_the_host(certificates: Certificates) -> None:
    with tls_site(certificates) as site:
        given = {"other.test": "127.0.0.1"}
        tls = {"ca": certificates.ca, "server_name": "app.test"}
        summary, _ = loaded(plan(site, host="other.test", resolve=given, tls=tls))
        assert [shake.asked_for for shake in from_engine(site, summary)] == ["app.test"]

        with pytest.raises(TargetError, match="not trusted"):
            loaded(plan(site, host="other.test", resolve=given, tls={"ca": certificates.ca}))


@pytest.mark.parametrize("http", [{"insecure": True}, {"tls": {"insecure": True}}], ids=["http", "tls"])
def test_insecure_trusts_anyone_in_either_form(certificates: Certificates, http: dict[str, Any]) -> None:
    with tls_site(certificates) as site:
        with pytest.raises(TargetError, match="--insecure"):
            loaded(plan(site))
        summary, _ = loaded(plan(site, **http))
    assert summary.answered == 4


def test_a_client_certificate_is_shown_to_a_server_that_asks(certificates: Certificates) -> None:
    ours = {"certificate": certificates.client, "key": certificates.client_key}
    with tls_site(certificates, wants_client=True) as site:
        summary, _ = loaded(plan(site, tls={"ca": certificates.ca, **ours}))
        assert [shake.client for shake in from_engine(site, summary)] == ["a-client"]


def test_without_the_certificate_that_the_server_wants_requests_fail_as_tls(certificates: Certificates) -> None:
    with tls_site(certificates, wants_client=True) as site:
        summary, store = loaded(plan(site, count=1, tls={"ca": certificates.ca}))
    assert summary.errors == {"tls": 1}
    assert "ertificate" in str(store.fact("load", "error_examples"))


def test_an_old_tls_is_refused_where_the_plan_says_so(certificates: Certificates) -> None:
    with tls_site(certificates, version_max=ssl.TLSVersion.TLSv1_2) as site:
        summary, _ = loaded(plan(site, tls={"ca": certificates.ca}))
        assert {shake.version for shake in from_engine(site, summary)} == {"TLSv1.2"}
        with pytest.raises(TargetError, match=r"TLS with .* fails"):
            loaded(plan(site, tls={"ca": certificates.ca, "min_version": "1.3"}))


def problems(folder: Path, tls: dict[str, Any]) -> list[str]:
    data = {"target": "https://127.0.0.1", "scenarios": [{"name": "s", "steps": [{"get": "/"}]}], "http": {"tls": tls}}
    with pytest.raises(InvalidInput) as caught:
        make_plan(data, folder=folder)
    return caught.value.problems


def test_files_that_cannot_be_used_are_named_when_the_plan_is_read(certificates: Certificates) -> None:
    folder = certificates.folder
    cases = {
        ("nowhere.pem", None): "certificate 'nowhere.pem' cannot be read",
        ("client_key.pem", None): "certificate 'client_key.pem' holds no PEM certificate",
        ("client.pem", None): "key 'client.pem' holds no PEM private key",
        (
            "client.pem",
            "server_key.pem",
        ): "the key in 'server_key.pem' does not belong to the certificate in 'client.pem'",
    }
    for (certificate, key), wanted in cases.items():
        (problem,) = problems(folder, {"certificate": certificate, **({"key": key} if key else {})})
        assert problem.startswith(f"http.tls: {wanted}"), problem
    assert "name its file as 'certificate'" in problems(folder, {"key": "client_key.pem"})[0]
    assert "nowhere" in problems(folder, {"ca": "nowhere.pem"})[0]


def test_a_key_may_stand_in_the_file_of_its_certificate(certificates: Certificates, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(Path(certificates.client).read_text() + Path(certificates.client_key).read_text())
    with tls_site(certificates, wants_client=True) as site:
        summary, _ = loaded(plan(site, tls={"ca": certificates.ca, "certificate": str(both)}))
    assert summary.answered == 4
