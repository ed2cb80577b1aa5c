"""TLS: a certificate that is trusted, one that is not, and the handshake as a phase of its own."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from engine_plans import carry_out, closed_load, get, open_load, plan


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append(self.path)
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that refuses the certificate ends the handshake: expected here."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout {key} -out {cert}"
    names = "-subj /CN=app.test -addext subjectAltName=DNS:app.test,IP:127.0.0.1"
    leaf = "-addext basicConstraints=critical,CA:FALSE"
    subprocess.run([openssl, *f"{command} {names} {leaf}".split()], check=True, capture_output=True)
    return key, cert


@pytest.fixture(scope="module")
def server(certificate):
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = Server(("127.0.0.1", 0), Hello)
    # The handshake belongs to the connection's own thread, or one client holds up all.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def over_tls(server, load, *steps, host="127.0.0.1", **tls):
    made = plan(server.server_port, load, *steps, tls={"insecure": False, "ca_pem": None, **tls})
    made["target"].update(scheme="https", host=host)
    return carry_out(made)


@pytest.mark.parametrize("host", ["127.0.0.1", "app.test"])
def test_a_certificate_of_the_given_authority_is_trusted(server, certificate, host):
    server.seen.clear()
    added = over_tls(
        server,
        closed_load(3, 5, count=30),
        get(expect=[{"status": [200]}, {"body_contains": "hello"}]),
        host=host,
        ca_pem=certificate[1].read_text(),
    )

    assert added.errors() == {}, added.examples
    assert added.total("load.answered") == len(server.seen) == 30
    assert added.histograms["load.phase tls"].count == added.histograms["load.phase connect"].count == 3
    assert added.histograms["load.phase tls"].min_ns > 0


def test_any_certificate_is_accepted_when_told_so(server):
    added = over_tls(server, open_load(50, 0.2), host="other.test", insecure=True)

    assert added.errors() == {}, added.examples
    assert added.total("load.answered") == 10


@pytest.mark.parametrize("trusted", [False, True], ids=["unknown authority", "another name"])
def test_a_certificate_that_does_not_fit_is_a_tls_error_and_nothing_is_sent(server, certificate, trusted):
    server.seen.clear()
    ca_pem = certificate[1].read_text() if trusted else None
    added = over_tls(server, open_load(20, 0.2), host="other.test", ca_pem=ca_pem)

    assert added.errors() == {"tls": 4}
    assert "certificate" in added.examples["tls"]
    assert added.total("load.answered") == 0
    assert server.seen == []
