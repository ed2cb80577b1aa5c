"""A real server that speaks TLS and remembers each handshake, and the certificates that a test of TLS needs."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from load.accepting import accepting

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of an authority, of a server (app.test, 127.0.0.1) and of a client, both signed by it."""

    folder: Path

    def __getattr__(self, name: str) -> str:
        """Return the path of `ca`, `server`, `client`, or of a key: `server_key`."""
        return str(self.folder / f"{name}.pem")


def make_certificates(folder: Path) -> Certificates:
    """Return certificates made now; skips the test where openssl is missing."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make certificates")
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"

    def run(arguments: str) -> None:
        subprocess.run([openssl, *arguments.split()], cwd=folder, check=True, capture_output=True)

    run(f"req -x509 {key} -keyout ca_key.pem -out ca.pem -subj /CN=authority")
    signed = "-CA ca.pem -CAkey ca_key.pem -addext basicConstraints=critical,CA:FALSE"
    names = "-addext subjectAltName=DNS:app.test,IP:127.0.0.1"
    run(f"req -x509 {key} {signed} {names} -keyout server_key.pem -out server.pem -subj /CN=app.test")
    run(f"req -x509 {key} {signed} -keyout client_key.pem -out client.pem -subj /CN=a-client")
    return Certificates(folder)


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a server knows after a handshake."""

    asked_for: str | None
    version: str | None
    resumed: bool
    client: str | None


@dataclass
class TlsSite:
    """The server's port and every handshake that came about."""

    port: int
    handshakes: list[Handshake]


@contextmanager
def tls_site(
    certificates: Certificates, *, wants_client: bool = False, version_max: ssl.TLSVersion | None = None
) -> Iterator[TlsSite]:
    """Run a server that answers every request with `ok`, and closes as its client does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.ca)
    if version_max is not None:
        context.maximum_version = version_max
    asked_for: dict[int, str | None] = {}
    context.sni_callback = lambda tls, name, _: asked_for.update({id(tls): name})
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    site = TlsSite(listener.getsockname()[1], [])

    def serve(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as tls:
            found = tls.getpeercert() or {}
            client = next((part[0][1] for part in found.get("subject", ())), None)
            site.handshakes.append(Handshake(asked_for.get(id(tls)), tls.version(), bool(tls.session_reused), client))
            while request := tls.recv(65536):
                tls.sendall(ANSWER * request.count(b"\r\n\r\n"))

    with accepting(listener, serve):
        yield site
