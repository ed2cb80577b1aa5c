"""`config.target`, `config.http`, `config.tls` and `config.defaults`: where requests go and how they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaleworthy.errors import UsageError
from scaleworthy.load.base import SECOND_NS, duration_text, shown
from scaleworthy.load.http import Target
from scaleworthy.load.import_.artillery.amounts import number, switch
from scaleworthy.load.import_.artillery.reading import Reading
from scaleworthy.load.yaml_lines import Loc

_HTTP = ("timeout", "pool", "maxSockets", "extendedMetrics", "defaults", "cookieJarOptions", "distributedTracing")
_DEFAULTS = ("headers", "cookie", "strictCapture", "think")
_TLS = ("rejectUnauthorized", "ca", "cert", "key", "passphrase", "pfx", "servername")
TIMEOUT_S = 10.0
REDIRECTS_MAX = 10


def target_of(reading: Reading, config: Mapping[str, Any], wished: str | None) -> str:
    """Return the target's URL: the command line's, or `config.target`; `ws://` is the same host over HTTP."""
    if wished is not None:
        return wished
    loc: Loc = ("config", "target")
    given = config.get("target")
    if given is None:
        reading.refuse(("config",), "there is no target; give one: --target http://127.0.0.1:8000")
        return "http://127.0.0.1"
    if not isinstance(given, str):
        reading.refuse(loc, f"must be a URL such as http://127.0.0.1:8000, got {shown(given)}")
        return "http://127.0.0.1"
    text = given.strip()
    for scheme, same in (("ws://", "http://"), ("wss://", "https://")):
        if text.lower().startswith(scheme):
            text = same + text[len(scheme) :]
    try:
        return Target.parse(text).url
    except UsageError as error:
        reading.refuse(loc, error.message)
        return "http://127.0.0.1"


def defaults_of(reading: Reading, config: Mapping[str, Any]) -> tuple[Loc, dict[str, Any]]:
    """Return `config.http.defaults` (or the older `config.defaults`) and where it stands."""
    http = reading.mapping(("config", "http"), config.get("http"))
    loc: Loc = ("config", "http", "defaults")
    found = reading.mapping(loc, http.get("defaults"))
    if not found and "defaults" in config:
        loc = ("config", "defaults")
        found = reading.mapping(loc, config["defaults"])
    return loc, found


def headers_of(reading: Reading, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of every request; asking for compressed answers is Artillery's own default."""
    loc, defaults = defaults_of(reading, config)
    reading.check_words(loc, defaults, _DEFAULTS, {})
    given = reading.mapping((*loc, "headers"), defaults.get("headers"))
    headers = {name.lower(): as_text(value) for name, value in given.items()}
    return {"accept-encoding": "gzip, deflate, br"} | headers


def http_of(reading: Reading, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan's `http`: timeout (10 s where none is given), redirects, TLS, connections.

    As in Artillery, each virtual user has a connection of its own, unless `pool` says how many all of them share.
    """
    loc: Loc = ("config", "http")
    given = reading.mapping(loc, config.get("http"))
    reading.check_words(loc, given, _HTTP, {})
    timeout_loc = (*loc, "timeout") if "timeout" in given else ("config", "timeout")
    timeout_s = number(reading, timeout_loc, config.get("timeout", given.get("timeout"))) or TIMEOUT_S
    pool = number(reading, (*loc, "pool"), given.get("pool"), least=1)
    number(reading, (*loc, "maxSockets"), given.get("maxSockets"), least=1)
    switch(reading, (*loc, "extendedMetrics"), given.get("extendedMetrics"))
    made: dict[str, Any] = {
        "timeout": duration_text(round(timeout_s * SECOND_NS)),
        "redirects_max": REDIRECTS_MAX,
        "connections_max": None if pool is None else int(pool),
        "connection_per_user": pool is None,
    }
    return made | _tls(reading, config)


def _tls(reading: Reading, config: Mapping[str, Any]) -> dict[str, Any]:
    loc: Loc = ("config", "tls")
    given = reading.mapping(loc, config.get("tls"))
    reading.check_words(loc, given, _TLS, {})
    made: dict[str, Any] = {}
    if switch(reading, (*loc, "rejectUnauthorized"), given.get("rejectUnauthorized")) is False:
        made["insecure"] = True
    if isinstance(given.get("ca"), str):
        made["ca_file"] = str(Path(given["ca"]))
    for name in ("cert", "key", "passphrase", "pfx", "servername"):
        if name in given:
            reading.refuse((*loc, name), "client certificates are not read from an Artillery file; leave it out")
    return made


def as_text(value: Any) -> str:
    """Return a scalar as it is sent: text as it stands, true and false in lower case, nothing as nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
