"""Whom we may load, and whether it is there: names are resolved once, before anything starts.

A host is loaded freely only where every address of its name is loopback; any other is somebody's machine, and its owner says so
with `--i-own HOST`. The engine connects to the addresses found here alone, so a name that changes later changes nothing.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Collection

from scaleworthy.errors import TargetError, UsageError
from scaleworthy.load.http import HttpSettings, Target

Resolve = Callable[[str, int], list[str]]
_USUAL_TIMEOUT_S = 5.0


def system_resolve(host: str, port: int) -> list[str]:
    """Return the addresses of *host*, as the system resolves it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]).split("%")[0] for item in found))


def permitted_addresses(target: Target, *, owned: Collection[str] = (), resolve: Resolve = system_resolve) -> list[str]:
    """Return the addresses that *target* may be loaded at.

    Raises:
        TargetError: The name cannot be resolved.
        UsageError: An address is not loopback, and the host is not among *owned*.
    """
    try:
        addresses = resolve(target.host, target.port)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TargetError(
            f"the name {target.host!r} cannot be resolved: {reason}", hint="check the spelling, or give an address"
        ) from error
    if not addresses:
        raise TargetError(f"the name {target.host!r} has no address", hint="check the spelling, or give an address")
    return permitted(addresses, target, owned=owned)


def permitted(addresses: list[str], target: Target, *, owned: Collection[str] = ()) -> list[str]:
    """Return *addresses*, which *target* has, if they may be loaded.

    Raises:
        UsageError: One is not loopback, and the host is not among *owned*.
    """
    foreign = [address for address in addresses if not ipaddress.ip_address(address).is_loopback]
    if foreign and target.host not in owned:
        where = target.host if target.host in foreign else f"{target.host} ({', '.join(foreign)})"
        raise UsageError(
            f"{where} is not this machine: load is sent to loopback alone, unless you own the target",
            hint=f"if you run {target.host} and may load it, add --i-own {target.host}",
        )
    return addresses


def check_reachable(
    target: Target, addresses: Collection[str], http: HttpSettings, *, server_name: str | None = None
) -> None:
    """Connect once to the first address that takes a connection, with TLS where the target has it.

    Args:
        server_name: What its certificate must bear in place of the target's host.

    Raises:
        TargetError: Nothing listens there, it does not answer in time, or TLS fails.
    """
    timeout_s = http.connect_timeout_ns / 1e9 if http.connect_timeout_ns is not None else _USUAL_TIMEOUT_S
    failure: OSError | None = None
    for address in addresses:
        try:
            with socket.create_connection((address, target.port), timeout=timeout_s) as connection:
                if target.scheme == "https":
                    _shake_hands(connection, target, http, server_name)
                return
        except ssl.SSLError as error:
            raise TargetError(f"TLS with {target.url} fails: {_tls_reason(error)}", hint=_tls_hint(error)) from error
        except OSError as error:
            failure = error
    raise TargetError(
        f"{target.url} cannot be reached: {_reason(failure, timeout_s)}", hint=_hint(failure, target)
    ) from failure


def _shake_hands(connection: socket.socket, target: Target, http: HttpSettings, server_name: str | None) -> None:
    context = ssl.create_default_context(cadata=http.ca_pem)
    if http.trusts_anyone:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    http.tls.use_in(context)
    with context.wrap_socket(connection, server_hostname=server_name or target.host):
        pass


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()


def _tls_hint(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "name its authority with --ca (http.tls.ca), or add --insecure (http.tls.insecure) for a service of your own"
    return "does this port speak TLS? If not, write http:// instead of https://"


def _reason(error: OSError | None, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no connection within {timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused, nothing listens there"
    return (error.strerror or str(error)) if error is not None else "it has no address"


def _hint(error: OSError | None, target: Target) -> str:
    if isinstance(error, TimeoutError) and target.scheme == "https":
        return "is the service up, and does this port speak TLS?"
    return "start the service first, and check host and port"
