"""Where requests go and how: the target's address, connections, timeouts, TLS."""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, model_validator

from scaleworthy.errors import UsageError
from scaleworthy.load.base import SECOND_NS, Bytes, Duration, PlanPart, from_text, shown
from scaleworthy.load.template import literal_parts, names_in
from scaleworthy.load.tls import TlsSettings, plan_folder, read_pem

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ENGINE_HEADERS = {"content-length", "transfer-encoding", "connection"}


def is_address(host: str) -> bool:
    """Return whether *host* is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Target:
    """A service's address; `base` is the path that every step's path is put behind (empty, or `/x` without a slash at its end)."""

    scheme: str
    host: str
    port: int
    base: str = ""

    @property
    def url(self) -> str:
        """The address as text; `Target.parse` reads it back."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return f"{self.scheme}://{host}{'' if self.port == usual else f':{self.port}'}{self.base}"

    @classmethod
    def parse(cls, text: str) -> Target:
        """Return the target that a URL names; a query is refused.

        Raises:
            UsageError: Not an http or https URL with a host.
        """
        target, query = split_url(text)
        if query:
            raise UsageError(f"a target has no query; put '?{query}' into the steps' paths, got {text!r}")
        return target


def split_url(text: str) -> tuple[Target, str]:
    """Return the target that *text* names, and its query.

    Raises:
        UsageError: Not an http or https URL with a host.
    """
    wanted = f"a target is a URL such as http://127.0.0.1:8000/, got {text!r}"
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{wanted}: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        hint = f"write http://{text}" if not parts.scheme and host and "." in host + "." else None
        if parts.scheme in ("ws", "wss"):
            hint = "give http or https; a WebSocket is opened by a step of a plan: docs/guide/websocket.md"
        raise UsageError(wanted, hint=hint)
    if parts.username is not None:
        raise UsageError(
            f"a target carries no user or password, got one for {host}", hint="send it in a header: authorization"
        )
    if port == 0:
        raise UsageError(f"port 0 cannot be reached, got {text!r}")
    path = encode_path(parts.path.rstrip("/"))
    return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path), parts.query


def encode_path(path: str) -> str:
    """Return *path* with everything outside its templates that a request line cannot carry percent-encoded."""
    return "".join(
        piece if template else quote(piece, safe="/%?&=:@!$'()*+,;~-._[]{}|") for piece, template in literal_parts(path)
    )


@dataclass(frozen=True, slots=True)
class Proxy:
    """What stands between us and every origin; *authorization* is a header's value, from the URL's user and password."""

    host: str
    port: int
    authorization: str | None = None

    @property
    def target(self) -> Target:
        """Where it is, as the guard and a lookup take it."""
        return Target("http", self.host, self.port)

    @property
    def public(self) -> str:
        """Its URL, user and password left out."""
        return self.target.url if self.authorization is None else self.target.url.replace("://", "://***@")

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """Return the proxy that a URL names.

        Raises:
            UsageError: Not an http URL with host and port alone.
        """
        scheme, found, rest = text.partition("://")
        login, at, place = rest.rpartition("@")
        if not found or scheme != "http":
            raise UsageError(
                f"a proxy is a URL such as http://127.0.0.1:3128, got {scheme + '://' + place if found else place!r}"
            )
        target = Target.parse(f"http://{place}")
        if target.base:
            raise UsageError("a proxy's URL has no path")
        if not at:
            return cls(target.host, target.port)
        user, _, password = login.partition(":")
        pair = f"{unquote(user)}:{unquote(password)}".encode()
        return cls(target.host, target.port, f"Basic {b64encode(pair).decode()}")


TargetUrl = Annotated[
    Target,
    BeforeValidator(from_text(Target.parse, "a URL, such as http://127.0.0.1:8000")),
    PlainSerializer(lambda target: target.url),
]


def _check_headers(headers: Any) -> Any:
    if not isinstance(headers, dict):
        return headers
    for name, value in headers.items():
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is not a header name")
        if name.lower() in _ENGINE_HEADERS:
            raise ValueError(f"{name!r} is set by the engine from the body and http.keep_alive; leave it out")
        if isinstance(value, str):
            if any(ord(char) < 32 or ord(char) == 127 for char in value):
                raise ValueError(f"the value of {name!r} has a line break or control character")
            names_in(value)
    return headers


Headers = Annotated[dict[str, str], BeforeValidator(_check_headers)]


def _read_version(value: Any) -> Any:
    # YAML reads a bare 2 or 1.1 as a number.
    return {2: "2", 1.1: "1.1"}.get(value, value) if isinstance(value, int | float) else value


HttpVersion = Annotated[Literal["1.1", "2", "2-prior-knowledge", "auto"], BeforeValidator(_read_version)]


def _read_addresses(value: Any) -> Any:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"must be an address, such as 127.0.0.1, or a list of them, got {shown(value)}")
    for text in texts:
        if not is_address(text):
            raise ValueError(f"must be an IP address, such as 127.0.0.1 or ::1, got {shown(text)}")
    return texts


Addresses = Annotated[list[str], BeforeValidator(_read_addresses)]


ProxyUrl = Annotated[
    Proxy,
    BeforeValidator(from_text(Proxy.parse, "the URL of a proxy, such as http://127.0.0.1:3128")),
    PlainSerializer(lambda proxy: proxy.public),
]


class HttpSettings(PlanPart):
    """Connections, limits and TLS; null is unlimited where it is allowed.

    Attributes:
        connections_max: Open at once; a start that waits for one is timed from its plan.
        timeout_ns: From *sent* to the last byte of the answer.
        connect_timeout_ns: For the TCP connection and the TLS handshake.
        redirects_max: Followed within one request; 0 follows none.
        body_max_bytes: Most of a body that is kept where a step reads it; a longer one is the error `body-too-large`.
        keep_alive: Use a connection for more than one request.
        connection_per_user: Each iteration opens a connection of its own, keeps it, and closes it at its end.
        version: Which HTTP is spoken: `1.1`; `2` over TLS, or nothing; `2-prior-knowledge` without TLS; `auto`, what the server
            chooses over TLS.
        streams_max: With HTTP/2, requests at once on one connection; fewer where the server allows fewer.
        dns_ttl_ns: How long an answer for a name is good; then it is looked up again, beside the run. None: once, before the run.
        resolve: Addresses to use for a host (or `host:port`) in place of looking it up.
        insecure: Do not verify certificates; the same as `tls.insecure`.
        ca_file: PEM file with the authorities to trust instead of the system's; the same as `tls.ca`.
        tls: Everything else about TLS.
        source_addresses: Addresses of this machine that connections come from, by turns: each has some 28,000 ports to one target.
        proxy: Requests without TLS are handed to it; TLS goes through a tunnel that it opens.
    """

    connections_max: Annotated[int, Field(ge=1, le=1_000_000)] | None = 1000
    timeout_ns: Duration | None = Field(30 * SECOND_NS, alias="timeout")
    connect_timeout_ns: Duration | None = Field(5 * SECOND_NS, alias="connect_timeout")
    redirects_max: int = Field(5, ge=0, le=100)
    body_max_bytes: Bytes = Field(64 * 2**20, alias="body_max")
    keep_alive: bool = True
    connection_per_user: bool = False
    version: HttpVersion = "1.1"
    streams_max: int = Field(100, ge=1, le=100_000)
    dns_ttl_ns: Duration | None = Field(60 * SECOND_NS, alias="dns_ttl")
    resolve: dict[str, Annotated[Addresses, Field(min_length=1)]] = Field(default_factory=dict)
    insecure: bool = False
    ca_file: str | None = None

    tls: TlsSettings = Field(default_factory=lambda: TlsSettings.model_validate({}))
    source_addresses: Addresses = Field(default_factory=list)
    proxy: ProxyUrl | None = None

    _ca_pem: str | None = None

    @model_validator(mode="after")
    def _fit_together(self, info: ValidationInfo) -> HttpSettings:
        if self.ca_file is not None:
            if self.tls.ca is not None:
                raise ValueError("ca_file and tls.ca say the same; keep one of them")
            object.__setattr__(self, "_ca_pem", read_pem(plan_folder(info), self.ca_file, "ca_file", "CERTIFICATE"))
        if self.proxy is not None and self.version == "2-prior-knowledge":
            raise ValueError("a proxy is not spoken to in HTTP/2: leave 'proxy' or 'version: 2-prior-knowledge' out")
        return self

    def problem_with(self, target: Target) -> str | None:
        """Return why this version of HTTP cannot be spoken with *target*, as `field: reason`; None where it can."""
        match self.version, target.scheme:
            case "2", "http":
                return "http.version: '2' is agreed on over TLS; for an http target say '2-prior-knowledge'"
            case "2-prior-knowledge", "https":
                return "http.version: '2-prior-knowledge' is for http targets; for https say '2'"
        return None

    @property
    def ca_pem(self) -> str | None:
        """The authorities to trust, where the plan names its own."""
        return self._ca_pem or self.tls.ca_pem

    @property
    def trusts_anyone(self) -> bool:
        """Whether certificates are not verified."""
        return self.insecure or self.tls.insecure

    def with_own(self, given: HttpSettings) -> HttpSettings:
        """Return these settings with those that *given* was made from in place of its own."""
        changed = self.model_copy(update={name: getattr(given, name) for name in given.model_fields_set})
        if "ca_file" in given.model_fields_set:
            object.__setattr__(changed, "_ca_pem", given.ca_pem)
        return changed

    def native_tls(self) -> dict[str, Any]:
        """Return the engine's form of what concerns TLS."""
        return {"insecure": self.trusts_anyone, "ca_pem": self.ca_pem, **self.tls.to_native()}
