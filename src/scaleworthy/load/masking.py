"""Keep secrets out of what is written down: mask values by the names they stand under."""

from __future__ import annotations

import re
from typing import Any

from scaleworthy.load.template import is_template

MASK = "***"
_SECRET = re.compile(
    r"authorization|cookie|secret|passw|token|credential|api[-_]?key|access[-_]?key|private[-_]?key|session[-_]?id|signature|bearer",
    re.IGNORECASE,
)
_QUERY = re.compile(r"([?&])([^=&#]+)=([^&#]*)")
_METHODS = {"get", "head", "post", "put", "patch", "delete", "options", "websocket"}
_CONTENT = {"body", "send", "text", "binary", "hex"}


def is_secret_name(name: str) -> bool:
    """Return whether a header, variable, field or query parameter of this *name* usually holds a secret."""
    return _SECRET.search(name) is not None


def masked(value: Any, name: str = "") -> Any:
    """Return *value* (plain JSON data of a plan) with every secret replaced; a lone template is no secret."""
    if isinstance(value, dict):
        return {key: masked(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, name) for item in value]
    if isinstance(value, str) and name in _METHODS:
        return _QUERY.sub(_mask_parameter, value)
    if isinstance(value, str) and name in _CONTENT:
        return f"({len(value)} characters)"
    if is_secret_name(name) and value is not None and not (isinstance(value, str) and is_template(value)):
        return MASK
    return value


def _mask_parameter(found: re.Match[str]) -> str:
    secret = is_secret_name(found[2]) and not is_template(found[3])
    return f"{found[1]}{found[2]}={MASK if secret else found[3]}"
